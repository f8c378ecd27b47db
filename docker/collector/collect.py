#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs a workload in a network of real nodes, and writes the tables that
`warren sim --csv` writes of a simulated one.

It starts a few daemons beside itself, announces through them and looks up
through them, over their control sockets, and reads the pages of all others.
The tables are whole at any time: who kills it has those of the last sample.
Exit codes: 0 all is done, 1 it cannot go on (stderr says why), 2 wrong
arguments, 3 it was told to end earlier (the tables have what there was).
"""
import argparse
import asyncio
import contextlib
import os
import random
import re
import signal
import sys
import tempfile
import time

import warren
from network import (Failure, Probe, Probes, addresses_of, read_pages,
                     sent_since)
from tables import SECOND, Tables

DONE, TROUBLE, USAGE, ENDED = range(4)
START_LIMIT = 120.0  # s until all nodes are there
UNITS = {"ms": 10**6, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}


def duration(text):
    """In nanoseconds."""
    found = re.fullmatch(r"(\d{1,6})(ms|s|m|h)", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"'{text}' must be a duration, like 500ms, 30s or 5m")
    return int(found[1]) * UNITS[found[2]]


def positive(text):
    if not re.fullmatch(r"[1-9]\d{0,6}", text):
        raise argparse.ArgumentTypeError(
            f"'{text}' must be a whole number from 1 on")
    return int(text)


def rate(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(
            f"'{text}' must be a number above 0, up to 1000")
    return value


def parse(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--warren", default="warren", help="the binary")
    p.add_argument("--bootstrap", default="bootstrap:7881")
    p.add_argument("--hosts", default="bootstrap,node",
                   help="names of the other nodes, with commas between")
    p.add_argument("--nodes", type=positive, default=8,
                   help="how many there are besides the bootstrap node and "
                   "its own")
    p.add_argument("--listen", default="0.0.0.0:7891",
                   help="of its first daemon; the next has the next port")
    p.add_argument("--probes", type=positive, default=4,
                   help="daemons of its own")
    p.add_argument("--keys", type=positive, default=20)
    p.add_argument("--announcers", type=positive, default=3)
    p.add_argument("--rate", type=rate, default=2.0,
                   help="lookups a second, of all its daemons")
    p.add_argument("--warmup", type=duration, default=duration("10s"))
    p.add_argument("--duration", type=duration, default=duration("5m"))
    p.add_argument("--sample", type=duration, default=duration("10s"))
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--out", default="/out")
    args = p.parse_args(argv)
    if args.announcers > args.probes:
        p.error(f"--announcers {args.announcers} are more than --probes "
                f"{args.probes}")
    return args


def say(text):
    print(f"collector: {text}", file=sys.stderr, flush=True)


class Experiment:
    def __init__(self, args, folder):
        self.args = args
        self.rng = random.Random(args.seed)
        self.tables = Tables(args.seed)
        self.keys = {}  # infohash: ports of those who announced it
        self.pages = {}
        self.lookups = set()  # tasks
        self.failure = None
        address, port = args.listen.rsplit(":", 1)
        self.probes = Probes()
        for i in range(args.probes):
            self.probes.append(Probe(
                args.warren, os.path.join(folder, f"probe{i}"),
                (address, int(port) + i), args.bootstrap))

    # ---- Before it begins --------------------------------------------------

    async def read(self):
        others = await addresses_of(self.args.hosts.split(","))
        return await read_pages([*others, *(p.page for p in self.probes)])

    async def wait_for_all(self):
        want = self.args.nodes + 1 + len(self.probes)
        begun = time.monotonic()
        while len(self.pages) < want:
            self.pages = await self.read()
            if time.monotonic() - begun > START_LIMIT:
                raise Failure(
                    f"{len(self.pages) - len(self.probes)} of "
                    f"{self.args.nodes + 1} nodes answered within "
                    f"{START_LIMIT:g} s")
            await asyncio.sleep(0.5)

    async def announce(self):
        for _ in range(self.args.keys):
            who = self.rng.sample(self.probes, self.args.announcers)
            key = self.rng.randbytes(20)
            self.keys[key] = {probe.port for probe in who}
            done = await asyncio.gather(
                *(p.node.dht.announce(key, p.port) for p in who))
            if not any(stored.stored for stored in done):
                raise Failure("an announcement was stored by nobody")

    # ---- Lookups -----------------------------------------------------------

    def count(self, m, first):
        """Of the answer of dht.get_peers."""
        found = first is not None
        timeouts = [s for s in m["steps"]
                    if s["outcome"] == "timeout" and not s["early"]]
        self.tables.add("lookup_messages", m["asked"])
        self.tables.add("lookup_timeouts", len(timeouts))
        self.tables.add("lookup_time", m["duration"] * 10**6)
        self.tables.add("lookup_success", found)
        if found:
            # The news of it may have waited in the socket.
            self.tables.add("lookup_first", min(first, m["duration"] * 10**6))
            self.tables.add("lookup_hops", m["hops"])

    async def look_up(self):
        key = self.rng.choice(list(self.keys))
        probe = self.rng.choice(self.probes)
        begun = time.monotonic_ns()
        first = None

        def told(method, params):
            nonlocal first
            if (method == "peer" and first is None and
                    int(params["address"].rsplit(":", 1)[1])
                    in self.keys[key]):
                first = time.monotonic_ns() - begun
        try:
            m = await probe.node.call("dht.get_peers", told, target=key.hex(),
                                      trace=True, stream=True)
        except warren.Disconnected:
            probe.process.wait()
            raise probe.died() from None
        except warren.WarrenError:
            self.tables.add("lookup_success", False)
        else:
            self.count(m, first)

    def ended(self, lookup):
        self.lookups.discard(lookup)
        if not lookup.cancelled() and lookup.exception() is not None:
            self.failure = self.failure or lookup.exception()

    async def look_up_forever(self):
        """As a Poisson process, whether the ones before have ended or not."""
        while True:
            await asyncio.sleep(self.rng.expovariate(self.args.rate))
            lookup = asyncio.ensure_future(self.look_up())
            self.lookups.add(lookup)
            lookup.add_done_callback(self.ended)

    # ---- Samples -----------------------------------------------------------

    async def sample(self, at, took):
        now = await self.read()
        add = self.tables.add
        sent = sent_since(self.pages, now, "sent")
        size = sent_since(self.pages, now, "bytes")
        add("nodes", len(now))
        add("datagrams", sent)
        add("bytes", size)
        if now:
            add("node_datagrams", sent * 10**6 * SECOND // took // len(now))
            add("node_bytes", size * 10**6 * SECOND // took // len(now))
            add("table_nodes", 1000 * sum(p["table"] for p in now.values()) //
                len(now))
        self.pages = now
        self.tables.sample(at)
        self.tables.write(self.args.out, at >= self.args.duration)

    async def measure(self):
        self.pages = await self.read()
        begun = before = time.monotonic_ns()
        at = 0
        while at < self.args.duration:
            at = min(at + self.args.sample, self.args.duration)
            await asyncio.sleep(max(0, begun + at - time.monotonic_ns()) /
                                SECOND)
            if self.failure is not None:
                raise self.failure
            now = time.monotonic_ns()
            await self.sample(at, now - before)
            before = now
            say(f"{at // SECOND} s of {self.args.duration // SECOND} s, "
                f"{len(self.pages)} nodes")

    async def run(self):
        await self.probes.join()
        await self.wait_for_all()
        say(f"{len(self.pages)} nodes are there, "
            f"{len(self.probes)} of them the collector's own")
        await self.announce()
        await asyncio.sleep(self.args.warmup / SECOND)
        asking = asyncio.ensure_future(self.look_up_forever())
        try:
            await self.measure()
        finally:
            for task in [asking, *self.lookups]:
                task.cancel()


async def run(args):
    os.makedirs(args.out, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(args, folder)
        work = asyncio.ensure_future(experiment.run())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        try:
            await work
        except asyncio.CancelledError:
            say("ended before its time")
            return ENDED
        except (Failure, warren.WarrenError, OSError) as error:
            say(str(error))
            return TROUBLE
        finally:
            for probe in experiment.probes:
                if probe.node is not None:
                    with contextlib.suppress(warren.WarrenError):
                        await probe.node.close()
            experiment.probes.end()
    return DONE


if __name__ == "__main__":
    sys.exit(asyncio.run(run(parse(sys.argv[1:]))))
