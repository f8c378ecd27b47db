#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures streams where each link between nodes takes 20 ms one way and loses
packets (slow_links.c): what one gets through 3 hops, and how two of one client
share; beside tor where it is installed. Each node is in a network namespace of
its own: needs root, iproute2 and /dev/net/tun.

Usage: bench_links.py [BUILD] [--seconds N] [--delay MS]
"""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import tor_network
from measure import (EXITS, RELAYS, ROOT, Failure, Missing, limit, row, say,
                     title)
from machines import WHY_NOT, Machine, SpaceNode  # measure says where it is
from harness import NO_RELAY, wait_for
from socks_load import Load, together
from tor_network import SOCKS_PORT, TorNetwork

LOSSES = (0, 0.1, 1)  # %
DELAY = 20  # ms
WARM_UP = 10  # s
NODES = RELAYS + EXITS + 2  # of tor an authority; and a client
PORT = 1080
LIMIT = 400  # s for tor
# Public ones, which an exit sends to; they lead nowhere but to each other. Nor
# is its machine in their network: a route leads there.
PREFIX = "5.88.0"
SERVER = f"{PREFIX}.{NODES + 1}"


class Links:
    """Namespaces for NODES nodes and a server."""

    def __init__(self, build):
        self.machines = []
        self.switch = None
        for number in range(1, NODES + 2):
            self.machines.append(Machine(f"w{os.getpid()}l{number}"))
        self.switch = subprocess.Popen(
            [build / "bench/slow_links", *(m.name for m in self.machines)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.switch.stdout.readline() != "ready\n":
            raise Failure("the links do not begin")
        for number, machine in enumerate(self.machines, 1):
            machine.address("w0", f"{PREFIX}.{number}/32")
            machine.ip("link", "set", "w0", "up", "mtu", "1500",
                       "txqueuelen", "10000")
            machine.ip("route", "add", f"{PREFIX}.0/24", "dev", "w0")

    def set(self, delay, loss):
        self.switch.stdin.write(f"{delay} {round(loss * 100)}\n")
        self.switch.stdin.flush()

    def load(self, proxy):
        return Load(proxy, SERVER, self.machines[NODES - 1].within,
                    self.machines[NODES].within)

    def close(self):
        if self.switch:
            self.switch.kill()
            self.switch.wait()
        for machine in self.machines:
            machine.close()


class Ours:
    def __init__(self, links, build, directory):
        self.links = links
        self.build = build
        self.directory = directory
        self.nodes = []
        self.number = 0

    def add(self, number, *flags):
        node = SpaceNode(
            self.links.machines[number - 1], self.directory / f"n{number}",
            ["--testing-network", "--listen", f"{PREFIX}.{number}:7881",
             *(["--bootstrap", f"{PREFIX}.1:7881"] if number > 1 else []),
             *flags], str(self.build / "warren"))
        self.nodes.append(node)
        node.start(wait=False)

    def start(self):
        self.add(1)
        self.nodes[0].wait_ready()
        for number in range(2, RELAYS + EXITS + 1):
            self.add(number, *(["--exit"] if number > RELAYS else []))
        self.add(NODES, "--socks", f"127.0.0.1:{PORT}", *NO_RELAY)
        for node in self.nodes:
            node.wait_ready()
        wait_for("the client knows every relay", lambda: len(
            self.nodes[-1].json("peers")["peers"]) 
            >= RELAYS + EXITS, 60, 0.2)

    def begin(self, user):
        """A download of a circuit of its own."""
        self.number += 1
        load = self.links.load(("127.0.0.1", PORT))
        load.start_stream(user=f"{user}{self.number}", down=True)
        return load

    def ended(self):
        """No circuits of the last ones are there that need be told."""

    def pids(self):
        return [node.process.pid for node in self.nodes]

    def close(self):
        for node in self.nodes:
            if node.is_running():
                node.kill()


class Theirs(TorNetwork):
    def __init__(self, links, directory):
        super().__init__(directory, PREFIX)
        self.links = links
        self.circuits = []

    def command(self, name, *flags):
        number = int(self.addresses[name].rpartition(".")[2])
        return ["ip", "netns", "exec", self.links.machines[number - 1].name,
                *super().command(name, *flags)]

    def begin(self, _):
        circuit = self.build()[0]
        self.circuits.append(circuit)
        load = self.links.load((self.addresses["client"], SOCKS_PORT))
        load.start_stream(lambda: self.control.attach(circuit), down=True)
        return load

    def ended(self):
        while self.circuits:
            self.remove(self.circuits.pop())


def measure(network, links, delay, seconds):
    """{loss: (MB/s of one, the larger over the smaller of two)}"""
    links.set(0, 0)
    network.start()
    found = {}
    for loss in LOSSES:
        links.set(delay, loss)
        shares = []
        for count in (1, 2):
            loads = []
            try:
                for _ in range(count):
                    loads.append(network.begin("u"))
                together(loads, network.pids(), WARM_UP)
                shares.append(together(loads, network.pids(), seconds)[0])
            finally:
                for load in loads:
                    load.stop()
                network.ended()
        found[loss] = (shares[0][0], max(shares[1]) / min(shares[1]))
    return found


def run(args, build, make):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="warren-links-"))
    links = network = None
    try:
        links = Links(build)
        network = make(links, directory)
        return measure(network, links, args.delay, args.seconds)
    finally:
        if network:
            network.close()
        if links:
            links.close()
        shutil.rmtree(directory, ignore_errors=True)


def tor(args, build):
    try:
        with limit(LIMIT):
            return run(args, build, Theirs)
    except Missing as missing:
        say(f"Not compared with tor: {missing}. To have it:")
        for line in tor_network.INSTALL:
            say("    " + line)
    except Exception as failure:  # whatever a program not ours does
        say(f"Not compared with tor, which failed: "
            f"{type(failure).__name__}: {failure}")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", nargs="?", default=ROOT / "build/release")
    parser.add_argument("--seconds", type=int, default=10,
                        help="how long each transfer takes (10)")
    parser.add_argument("--delay", type=int, default=DELAY,
                        help=f"of a link, one way, in ms ({DELAY})")
    args = parser.parse_args()
    if WHY_NOT or not pathlib.Path("/dev/net/tun").exists():
        say(f"Links are not measured: {WHY_NOT or 'no /dev/net/tun'}")
        return 0
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    build = pathlib.Path(args.build).resolve()
    try:
        ours = run(args, build, lambda links, directory: Ours(
            links, build, directory))
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        say(f"The measurement failed: {failure}")
        return 1
    theirs = tor(args, build)
    say(f"Streams down through 3 hops, each link {args.delay} ms one way")
    title("warren", "tor" if theirs else "")
    for loss, (rate, share) in ours.items():
        others = theirs[loss] if theirs else (None, None)
        row(f"{loss} % lost on each link", rate, "MB/s",
            "3x" if loss == 1 else "", others[0])
        row("  of two, the larger to the smaller", share, "",
            "2" if loss == 0 else "", others[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
