#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures streams through the proxy of a client, over 3 hops to a server
behind an exit and to one behind a hidden service: bytes a second and their
cost, how long it takes from CONNECT to the first byte, and what streams that
do nothing cost an exit. All processes are on this machine; tor does the same
work beside, where it is installed. Links that are slow and lose packets are
in bench_links.py.

Usage: bench_streams.py [BUILD] [--seconds N]
"""
import argparse
import collections
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import tor_service
from bench_network import Bench
from harness import NO_RELAY, wait_for  # measure says where it is
from measure import ROOT, Failure, Missing, limit, resident, row, say, title
from socks_load import STREAM, Load, ask, together
from tor_network import SOCKS_PORT
from tor_service import OnionNetwork

WARM_UP = 2     # s, until the congestion control has found its rate
CONNECTS = 200  # over a circuit that is there
MANY = 4        # streams, each with a circuit of its own
IDLE = 1000     # streams that do nothing
PORT = 1080
SERVICE_PORT = 8080
LIMIT = 200     # s for tor

# MB/s and s/GB of transfers; sorted milliseconds.
Figures = collections.namedtuple(
    "Figures", "up down many service_up service_down first idle")


class Greeter:
    """Says one byte to everybody who comes, and keeps them if asked."""

    def __init__(self, address, keep=False):
        self.socket = socket.create_server((address, 0), backlog=512)
        self.address = self.socket.getsockname()
        self.kept = [] if keep else None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            client.sendall(b"!")
            if self.kept is None:
                client.close()
            else:
                self.kept.append(client)

    def close(self):
        self.socket.close()
        for client in self.kept or ():
            client.close()


def first_bytes(proxy, address):
    """Milliseconds, sorted."""
    greeter = Greeter(address)
    times = []
    for _ in range(CONNECTS):
        begun = time.monotonic()
        with ask(proxy, STREAM, greeter.address)[0] as sock:
            if sock.recv(1) != b"!":
                raise Failure("the server was not heard")
        times.append((time.monotonic() - begun) * 1e3)
    greeter.close()
    return sorted(times)


def transfer(loads, begin, pids, seconds):
    """MB/s of all, and s/GB. begin(load, number) starts each."""
    try:
        for number, load in enumerate(loads):
            begin(load, number)
        together(loads, pids, WARM_UP)
        return together(loads, pids, seconds)[1:]
    finally:
        for load in loads:
            load.stop()


# ---- Ours -------------------------------------------------------------------

class Ours(Bench):
    def __init__(self, build, seconds):
        super().__init__(build, seconds)
        self.proxy = (f"{self.net.prefix}.9", PORT)
        self.server = f"{self.net.prefix}.200"
        self.flags = ("--socks", f"{self.proxy[0]}:{PORT}")

    def start_service(self):
        """A node of it, and its address."""
        host = self.net.add([self.net.nodes[0]])
        config = self.net.root / "host.ini"
        config.write_text(f"[service web]\nport = 80 tcp {self.server}:"
                          f"{SERVICE_PORT}\n")
        host.start("--config", config, *NO_RELAY)

        def fine():
            shown = host.json("service", "show", "web")
            return shown.get("state") == "fine" and shown["address"]

        return wait_for("the service is published", fine, 60, 0.2)

    def loads(self, count=1):
        return [Load(self.proxy, self.server) for _ in range(count)]

    def run(self):
        self.start()
        idle = self.idle()  # first: later there is memory that is free again
        first = first_bytes(self.proxy, self.server)
        rates = [transfer(self.loads(count), lambda load, n: load.start_stream(
                     user=f"user{n}", down=down), self.pids(), self.seconds)
                 for count, down in ((1, False), (1, True), (MANY, True))]
        name = self.start_service()
        rates += [transfer(self.loads(), lambda load, _: load.start_stream(
                      to=(name, 80), port=SERVICE_PORT, down=down),
                      self.pids(), self.seconds) for down in (False, True)]
        return Figures(*rates, first, idle)

    def idle(self):
        """MB that exits take for IDLE streams of one connection."""
        exits = [n.process.pid for n in self.net.nodes[6:8]]
        greeter = Greeter(self.server, keep=True)
        streams = [ask(self.proxy, STREAM, greeter.address, user="idle")[0]]
        before = sum(map(resident, exits))
        try:
            for _ in range(IDLE):
                streams.append(ask(self.proxy, STREAM, greeter.address,
                                   user="idle")[0])
                if streams[-1].recv(1) != b"!":
                    raise Failure("the server was not heard")
            return sum(map(resident, exits)) - before
        finally:
            for sock in streams:
                sock.close()
            greeter.close()


# ---- tor's ------------------------------------------------------------------

class Theirs(OnionNetwork):
    def figures(self, seconds):
        self.start()
        server = f"{self.prefix}.200"
        proxy = (self.addresses["client"], SOCKS_PORT)
        circuits = []

        def begin(down):
            def one(load, _):
                circuits.append(self.build()[0])
                load.start_stream(lambda: self.control.attach(circuits[-1]),
                                  down=down)
            return one

        rates = []
        for count, down in ((1, False), (1, True), (MANY, True)):
            rates.append(transfer([Load(proxy, server) for _ in range(count)],
                                  begin(down), self.pids(), seconds))
            while circuits:
                self.remove(circuits.pop())
        visitor = self.client()
        first = first_bytes(visitor, server)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        rates += [transfer(
            [Load(visitor, self.addresses["host"])],
            lambda load, _: load.start_stream(
                to=(self.name, 80), port=SERVICE_PORT, down=down),
            self.pids(), seconds) for down in (False, True)]
        return Figures(*rates, first, None)


def tor(prefix, seconds):
    """Its version, and Figures; or None."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="warren-beside-"))
    try:
        network = Theirs(directory, prefix)
        try:
            with limit(LIMIT + 5 * seconds):
                return network.title, network.figures(seconds)
        finally:
            network.close()
    except Missing as missing:
        say(f"Not compared with tor: {missing}. To have it:")
        for line in tor_service.INSTALL:
            say("    " + line)
    except Exception as failure:  # whatever a program not ours does
        say(f"Not compared with tor, which failed: "
            f"{type(failure).__name__}: {failure}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return None


# ---- The table --------------------------------------------------------------

ROWS = (
    ("a stream through 3 hops, up", "up", "80, 1.3x", "20, 0.8x"),
    ("a stream through 3 hops, down", "down", "80, 1.3x", "20, 0.8x"),
    (f"{MANY} streams on {MANY} circuits, down", "many", "1.3x", ""),
    ("a stream to a service, up", "service_up", "60", ""),
    ("a stream to a service, down", "service_down", "60", ""),
)


def report(name, figures, theirs):
    title("warren", name)
    for what, field, rate_aim, cost_aim in ROWS:
        rate, cost = getattr(figures, field)
        others = getattr(theirs, field) if theirs else (None, None)
        row(what, rate, "MB/s", rate_aim, others[0])
        row("  processor time, all processes", cost, "s/GB", cost_aim,
            others[1])
    for what, of, aim in (
            ("CONNECT to the first byte, median", statistics.median, "3"),
            ("  99th of 100", lambda t: t[len(t) * 99 // 100], "")):
        row(what, of(figures.first), "ms", aim,
            of(theirs.first) if theirs else None)
    row(f"{IDLE} idle streams at an exit", figures.idle, "MB", "4")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", nargs="?", default=ROOT / "build/release")
    parser.add_argument("--seconds", type=int, default=5,
                        help="how long each transfer takes (5)")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    bench = Ours(args.build, args.seconds)
    try:
        figures = bench.run()
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        say(f"The measurement failed: {failure}")
        return 1
    finally:
        bench.net.close()
    beside = tor(f"{bench.net.prefix.rpartition('.')[0]}.251", args.seconds)
    report(*(beside[0] if beside else "", figures,
             beside[1] if beside else None))
    return 0


if __name__ == "__main__":
    sys.exit(main())
