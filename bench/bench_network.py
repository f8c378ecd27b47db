#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures a network of real daemons on this machine.

Usage: bench_network.py [DIRECTORY_OF_THE_BUILD] [--seconds S]

Each daemon has an address of its own in 127.0.0.0/8, and all share the cores
of this machine with the load: the ratios are against what the kernel alone
takes to carry as many datagrams through as many processes, in the same run.
A megabyte is 10**6 bytes.
"""
import argparse
import contextlib
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

import compare
from measure import (BUILDS, EXITS, HOPS, PAYLOAD, RELAYS, ROOT, Failure,
                     Figures, cpu_of, resident, row, say, title)
from harness import Network, wait_for  # measure says where it is

LENGTHS = (1, 2, 3, 4)

CELL = 1407  # bytes of a datagram between nodes
WINDOW = 1472  # cells under way, 32 trains, as the load has


class Bench:
    def __init__(self, build, seconds, *flags):
        """`flags`: of the client, besides."""
        self.flags = flags
        self.build = pathlib.Path(build).resolve()
        self.seconds = seconds
        self.net = Network(str(self.build / "warren"))
        self.client = None

    def pids(self):
        return [n.process.pid for n in self.net.nodes]

    def daemons_cpu(self):
        return sum(cpu_of(pid) for pid in self.pids())

    # ---- the network ----

    def start(self):
        first = self.net.add()
        first.start()
        for number in range(1, RELAYS + EXITS):
            exit_flags = ["--exit"] if number >= RELAYS else []
            self.net.add([first]).start(*exit_flags, wait=False)
        self.client = self.net.add([first])
        self.client.start("--tunnel.max_relays_or_exits", "0",
                          "--tunnel.min_circuits", "4", "--build", "3",
                          *self.flags, wait=False)
        for node in self.net.nodes:
            node.wait_ready(30)
        for node in self.net.nodes:
            node.wait_joined(30)
        wait_for("the client knows every relay", lambda: len(
            self.client.json("peers")["peers"]) >= RELAYS + EXITS, 60, 0.2)

    # ---- a bare chain ----

    def chain(self):
        """Megabytes a second there and back together, if each datagram carried
        what a cell does; and processor seconds for a gigabyte of them."""
        done = subprocess.run(
            [self.build / "bench" / "loopback_chain", str(self.seconds),
             str(WINDOW), str(CELL - CELL % 8)],
            capture_output=True, text=True, timeout=self.seconds + 30,
            check=True)
        datagrams, seconds, cpu = map(float, done.stdout.split())
        megabytes = datagrams * PAYLOAD / 1e6
        return 2 * megabytes / seconds, cpu / (2 * megabytes) * 1e3

    # ---- one circuit ----

    def load(self):
        """Through an exit to a server: MB/s that came, s/GB, cores, loss."""
        directory = self.net.root / "load"
        address = f"{self.net.prefix}.100:7881"
        done = subprocess.Popen(
            [self.build / "bench" / "circuit_load", directory, address,
             self.net.nodes[0].endpoint, f"{self.net.prefix}.200", str(HOPS),
             str(self.seconds)], stdout=subprocess.PIPE, text=True)
        with done:
            try:
                if done.stdout.readline() != "begin\n":
                    raise Failure("the load does not begin")
                before = self.daemons_cpu()
                line = done.stdout.readline().split()
                after = self.daemons_cpu()
                last = done.stdout.readline().split()
                done.wait(30)
            finally:
                done.kill()
        got, seconds, cpu = int(line[1]), float(line[2]), float(line[3])
        lost = 1 - int(last[1]) / int(last[0])
        megabytes = got * PAYLOAD / 1e6
        cpu += after - before
        if got == 0:
            raise Failure("nothing came to the server")
        return (megabytes / seconds, cpu / megabytes * 1e3, cpu / seconds,
                100 * lost)

    def speedtest(self):
        """Both ways at once: MB/s together, s/GB, cores, loss."""
        before = self.daemons_cpu()
        r = self.client.json("tunnel", "speedtest", "--hops", HOPS,
                             "--seconds", self.seconds)
        cpu = self.daemons_cpu() - before
        rate = (r["up"] + r["down"]) / 1e6
        seconds = r["elapsed"] / 1e3
        if r["answered"] == 0:
            raise Failure("the speed test was not answered")
        return (rate, cpu / (rate * seconds) * 1e3, cpu / seconds,
                100 * r["lost"] / r["sent"])

    def throughput(self):
        """MB/s and s/GB of the load, one way."""
        say()
        say(f"One circuit of {HOPS} hops, {PAYLOAD} bytes a datagram, "
            f"{self.seconds} s each")
        title("value", "bare chain")
        chain = self.chain()
        one_way = self.load()
        for name, aim, (rate, cost, cores, lost) in (
                ("one way, to a server behind the exit", ">= 100 MB/s",
                 one_way),
                ("speed test, up and down together", "", self.speedtest())):
            row(name, rate, "MB/s", aim, chain[0])
            row("  processor time, client and daemons", cost, "s/GB",
                "<= 20 s/GB", chain[1])
            row("  cores that they got", cores, "")
            row("  lost", lost, "%")
        return one_way[:2]

    # ---- building ----

    def build_times(self, hops):
        """Of circuits of our own, in ms. Each is closed once it is seen."""
        times = {}
        deadline = time.monotonic() + 30
        self.client.json("tunnel", "build", "--hops", hops)
        while len(times) < BUILDS and time.monotonic() < deadline:
            for c in self.client.rpc("tunnel.circuits")["circuits"]:
                if c["hops"] != hops or c["state"] != "ready":
                    continue
                times[c["id"]] = c["build_time"]
                with contextlib.suppress(Failure):  # it ended by itself
                    self.client.rpc("tunnel.close", circuit=c["id"])
            time.sleep(0.05)
        self.client.json("tunnel", "stop", "--hops", hops)
        return sorted(times.values())

    def building(self):
        """{length: median in ms}"""
        medians = {}
        say()
        say("Building circuits, first message to last answer")
        title("value", "bare chain")
        for hops in LENGTHS:
            times = self.build_times(hops)
            if len(times) < 2:
                raise Failure(f"no circuits of {hops} hops")
            medians[hops] = statistics.median(times)
            row(f"{hops} hops, median of {len(times)}", medians[hops], "ms",
                "< 5 ms" if hops == 3 else "")
            row("  99th of 100", times[(len(times) * 99 - 1) // 100], "ms")
        return medians

    # ---- memory ----

    def memory(self, idle):
        """After two transfers, which took memory of the same nodes or of
        others, against `idle` before them."""
        time.sleep(2)
        now = [resident(pid) for pid in self.pids()]
        say()
        say("Memory of a daemon, resident")
        title("value", "bare chain")
        row("idle, the largest of " + str(len(idle)), max(idle), "MB",
            "< 8 MB")
        row("2 s after the transfers, the largest", max(now), "MB", "< 8 MB")
        row("  most that one has kept", max(
            b - a for a, b in zip(idle, now)), "MB", "as before")
        for _ in range(2):
            self.load()
        time.sleep(2)
        again = [resident(pid) for pid in self.pids()]
        row("after two more transfers, the largest", max(again), "MB",
            "as before")

    def run(self):
        """What compare.py sets beside other networks."""
        self.start()
        say(f"{len(self.net.nodes)} daemons, {os.cpu_count()} cores, load "
            f"{os.getloadavg()[0]:.1f} before")
        idle = [resident(pid) for pid in self.pids()]
        rate, cost = self.throughput()
        self.memory(idle)
        return Figures(rate, cost, self.building()[HOPS],
                       statistics.median(idle[:RELAYS + EXITS]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", nargs="?", default=ROOT / "build/release")
    parser.add_argument("--seconds", type=int, default=5,
                        help="how long each transfer takes (5)")
    args = parser.parse_args()
    # What runs is ended on the way out.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    bench = Bench(args.build, args.seconds)
    try:
        ours = bench.run()
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        say(f"The measurement failed: {failure}")
        return 1
    finally:
        bench.net.close()
    compare.run(ours, bench.net.prefix, args.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
