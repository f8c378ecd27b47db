#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures streams through the proxy of a client, over 3 hops to a server
behind an exit: bytes a second and their cost, and how long it takes from
CONNECT to the first byte. All processes are on this machine; tor does the same
work beside, where it is installed.

Usage: bench_streams.py [BUILD] [--seconds N]
"""
import argparse
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

import tor_network
from bench_network import Bench
from measure import ROOT, Failure, Missing, limit, row, say, title
from socks_load import STREAM, Load, ask
from tor_network import TorNetwork

WARM_UP = 2     # s
CONNECTS = 200  # over a circuit that is there
PORT = 1080
LIMIT = 80      # s for tor


class Greeter:
    """Says one byte to everybody who comes."""

    def __init__(self, address):
        self.socket = socket.create_server((address, 0), backlog=64)
        self.address = self.socket.getsockname()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            with client:
                client.sendall(b"!")

    def close(self):
        self.socket.close()


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


def ours(bench):
    bench.start()
    proxy = (bench.client.address, PORT)
    server = f"{bench.net.prefix}.200"
    first = first_bytes(proxy, server)
    load = Load(proxy, server)
    try:
        load.start_stream(lambda: None)
        load.measure(bench.pids(), WARM_UP)
        rate, cost = load.measure(bench.pids(), bench.seconds)
    finally:
        load.stop()
    return rate, cost, first


def tor(prefix, seconds):
    """MB/s and s/GB, or None."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="warren-beside-"))
    try:
        network = TorNetwork(directory, prefix)
        try:
            with limit(LIMIT + seconds):
                network.start()
                return network.title, network.transfer(seconds)
        finally:
            network.close()
    except Missing as missing:
        say(f"Not compared with tor: {missing}. To have it:")
        for line in tor_network.INSTALL:
            say("    " + line)
    except Exception as failure:  # whatever a program not ours does
        say(f"Not compared with tor, which failed: {failure}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", nargs="?", default=ROOT / "build/release")
    parser.add_argument("--seconds", type=int, default=5,
                        help="how long each transfer takes (5)")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    bench = Bench(args.build, args.seconds)
    bench.flags = ("--socks", f"{bench.net.prefix}.9:{PORT}")
    try:
        rate, cost, first = ours(bench)
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        say(f"The measurement failed: {failure}")
        return 1
    finally:
        bench.net.close()
    beside = tor(bench.net.prefix, args.seconds)
    name, theirs = beside if beside else ("", (None, None))
    title("warren", name)
    row("a stream through 3 hops", rate, "MB/s", "80, 1.3x", theirs[0])
    row("  processor time, all processes", cost, "s/GB", "20, 0.8x", theirs[1])
    row("CONNECT to the first byte, median", statistics.median(first), "ms",
        "3")
    row("  99th of 100", first[len(first) * 99 // 100], "ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
