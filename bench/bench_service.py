#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures hidden services of real daemons on this machine.

Usage: bench_service.py [DIRECTORY_OF_THE_BUILD] [--seconds S] [--clients N]

As bench_network.py: each daemon has an address of its own, and all share the
cores of this machine. Times are beside that of building a circuit of three
hops, throughput and its cost beside a circuit to an exit, in the same run.
"""
import argparse
import contextlib
import json
import os
import pathlib
import select
import socket
import statistics
import subprocess
import sys
import threading
import time

import tor_service
from measure import (BUILDS, HOPS, PAYLOAD, ROOT, Failure, Missing, cpu_of,
                     resident, row, say, title)
from harness import NO_RELAY, Control, Network, Node, wait_for

sys.path.insert(0, str(ROOT / "tests/services"))
from killing import ROLES, Channel  # noqa: E402

RELAYS = 10  # the last one is an exit, too
KNOWN = 9   # of them, by whoever begins
PORT = 9
BATCH = 10      # clients that start at once
WARM = 5        # connections of each client, after its first
ROUNDS = 3      # of each transfer
LONGEST = 4     # hops of a circuit
MEMBERS = 20
STRING = "members of the bench"
IDLE = 8        # services that do nothing
TOR_CLIENTS = 20
KILL_RELAYS = 10  # more of them, or the sets of the service are most of all
KILL_ROUNDS = 5   # each role is killed so often
KILL_PAUSE = 0.005  # s, between datagrams
KILL_PATIENCE = 60


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


class Echo(threading.Thread):
    """Answers each datagram with the same."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.at = "{}:{}".format(*self.socket.getsockname())

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                self.socket.sendto(*self.socket.recvfrom(2048))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.socket.close()


class Client:
    """A program with a node inside (service_load.c)."""

    def __init__(self, bench, node, address, hops=HOPS):
        self.process = subprocess.Popen(
            [bench.build / "bench/service_load", node.dir, node.endpoint,
             bench.net.nodes[0].endpoint, address, str(PORT), str(KNOWN),
             str(hops)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)

    def line(self, timeout=30):
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            raise Failure(f"a client says nothing; it is {self.process.poll()}")
        return self.process.stdout.readline().split()

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def wait_ready(self):
        if self.line() != ["ready"]:
            raise Failure("a client does not begin")

    def ask(self):
        """ms to the answer; None when it was none."""
        self.say("ask")
        answer = self.line()
        if answer[:1] == ["answered"]:
            return float(answer[1])
        say(f"  (no answer: {' '.join(answer)})")
        return None

    def disconnect(self):
        self.say("close")
        self.line()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Bench:
    def __init__(self, args):
        self.build = pathlib.Path(args.build).resolve()
        self.seconds = args.seconds
        self.clients = args.clients
        self.net = Network(str(self.build / "warren"))
        self.host = self.server = self.server_at = None
        self.started = 0

    # ---- The network ----

    def start(self):
        first = self.net.add().start()
        for number in range(1, RELAYS):
            self.net.add([first]).start(
                *(["--exit"] if number == RELAYS - 1 else []), wait=False)
        for node in self.net.nodes:
            node.wait_ready(30)
        for node in self.net.nodes:
            node.wait_joined(30)
        self.server = subprocess.Popen(
            [self.build / "bench/service_load", "--serve",
             f"{self.net.prefix}.99"], stdout=subprocess.PIPE, text=True)
        self.server_at = self.server.stdout.readline().strip()
        self.host = self.add("h", f"[service web]\n"
                                  f"port = {PORT} udp {self.server_at}\n")
        self.wait_relays(self.host)

    def wait_relays(self, node):
        wait_for("relays are known", lambda: len(
            node.json("peers")["peers"]) >= KNOWN, 60, 0.2)

    def add(self, name, config=""):
        node = self.net.add([self.net.nodes[0]])
        path = self.net.root / f"{name}.ini"
        path.write_text(config)
        node.start("--config", path, *NO_RELAY)
        return node

    def show(self, name="web"):
        return self.host.json("service", "show", name)

    def is_fine(self):
        service = self.show()
        return (service.get("state") == "fine" and service["published"] and
                service["points"] >= 3 and service)

    def new_clients(self, count, **more):
        """Programs that know relays from before, and have done nothing yet."""
        nodes = [self.node() for _ in range(count)]
        for node in nodes:
            node.start("--build", HOPS, *NO_RELAY, wait=False)
        for node in nodes:
            node.wait_ready()
            self.wait_relays(node)
        for node in nodes:
            node.stop()
        clients = [Client(self, n, self.address, **more) for n in nodes]
        for client in clients:
            client.wait_ready()
        time.sleep(1)
        return clients

    def node(self):
        """One that is not of the network."""
        self.started += 1
        return Node(self.net.root / f"client{self.started}",
                    f"{self.net.prefix}.{100 + self.started % 100}",
                    [self.net.nodes[0].endpoint], self.net.binary)

    # ---- Connecting ----

    def build_times(self):
        """ms, of circuits of HOPS hops."""
        node = self.host
        times = {}
        deadline = time.monotonic() + 20
        node.json("tunnel", "build", "--hops", HOPS)
        while len(times) < BUILDS and time.monotonic() < deadline:
            for c in node.rpc("tunnel.circuits")["circuits"]:
                if c["hops"] == HOPS and c["state"] == "ready":
                    times[c["id"]] = c["build_time"]
                    with contextlib.suppress(Failure):
                        node.rpc("tunnel.close", circuit=c["id"])
            time.sleep(0.05)
        node.json("tunnel", "stop", "--hops", HOPS)
        return list(times.values())

    def connects_of(self, client, cold, warm):
        first = client.ask()
        if first is None:
            return
        cold.append(first)
        for _ in range(WARM):
            client.disconnect()
            time.sleep(0.1)
            again = client.ask()
            if again is not None:
                warm.append(again)
        client.disconnect()  # the service keeps lost ones for a minute

    def connecting(self):
        cold, warm = [], []
        while self.clients > len(cold) and self.started < 2 * self.clients:
            batch = self.new_clients(BATCH)
            try:
                for client in batch:
                    self.connects_of(client, cold, warm)
            finally:
                for client in batch:
                    client.close()
        say()
        say("Connecting to a key service, first datagram to the answer of its "
            "server")
        title("value", f"{HOPS} hops")
        base = self.build_times()
        for name, times, aim in (
                ("cold", cold, 25), ("warm", warm, 10)):
            row(f"{name}, median of {len(times)}", statistics.median(times),
                "ms", f"< {aim} ms", statistics.median(base))
            row("  99th of 100", percentile(times, .99), "ms", "",
                percentile(base, .99))
        self.beside_tor(cold)

    def beside_tor(self, cold):
        """One that is not installed, or fails, is no failure of ours."""
        say()
        try:
            version, theirs, silent = tor_service.measure(
                f"{self.net.prefix.rpartition('.')[0]}.250", TOR_CLIENTS)
        except Missing as missing:
            say(f"Not compared with tor: {missing}. To have it:")
            for line in tor_service.INSTALL:
                say("    " + line)
            return
        except Exception as failure:  # whatever a program not ours does
            say(f"Not compared with tor, which failed: "
                f"{type(failure).__name__}: {failure}")
            return
        say(f"Beside an onion service of {version}, cold, "
            f"{len(theirs)} clients" +
            (f", and {silent} without an answer" if silent else ""))
        for line in tor_service.DIFFERENCES:
            say("  " + line)
        title("warren", "tor")
        row("cold, median", statistics.median(cold), "ms", "less",
            statistics.median(theirs))
        row(f"  99th of 100, longest of {len(theirs)}",
            percentile(cold, .99), "ms", "less", max(theirs))

    # ---- A restart ----

    def established(self):
        with contextlib.suppress(Failure, OSError, json.JSONDecodeError):
            with Control(self.host) as control:
                return control.call("service.show", name="web").get(
                    "points", 0)
        return 0

    def restart(self):
        times, gaps = [], []
        for _ in range(5):
            client, = self.new_clients(1)
            try:
                self.host.kill()
                begun = time.monotonic()
                self.host.start("--config", self.net.root / "h.ini",
                                *NO_RELAY, wait=False)
                wait_for("a point", self.established, 20, 0.005)
                gaps.append((time.monotonic() - begun) * 1e3)
                if client.ask() is not None:
                    times.append((time.monotonic() - begun) * 1e3)
            finally:
                client.close()
            wait_for("it is fine again", self.is_fine, 60, 0.2)
        say()
        say("A service that was killed, from its start")
        title("value", "")
        row("first point up, median of 5", statistics.median(gaps), "ms")
        row("a new client was answered, median", statistics.median(times),
            "ms", "< 1000 ms")
        row("  longest", max(times), "ms", "< 1000 ms")

    # ---- Throughput ----

    def cpu(self, client=None):
        """Seconds of all daemons, and of the client."""
        return (sum(cpu_of(n.process.pid) for n in self.net.nodes) +
                (cpu_of(client.process.pid) if client else 0))

    def channel(self, hops):
        """MB/s, s/GB, % lost."""
        client, = self.new_clients(1, hops=hops)
        try:
            if client.ask() is None:
                raise Failure("the load does not begin")
            before = self.cpu(client)
            client.say(f"load {self.seconds}")
            _, got, seconds, _ = map(float,
                                        client.line(self.seconds + 30))
            cpu = self.cpu(client) - before
            last = client.line()
        finally:
            client.close()
        megabytes = got * PAYLOAD / 1e6
        return (megabytes / seconds, cpu / megabytes * 1e3,
                100 * (1 - int(last[1]) / int(last[0])))

    def exit(self, hops):
        """The same to a server behind an exit (circuit_load.c)."""
        node = self.node()
        node.dir.mkdir(mode=0o700)
        done = subprocess.Popen(
            [self.build / "bench/circuit_load", node.dir, node.endpoint,
             self.net.nodes[0].endpoint, f"{self.net.prefix}.98", str(hops),
             str(self.seconds)], stdout=subprocess.PIPE, text=True)
        with done:
            try:
                if done.stdout.readline() != "begin\n":
                    raise Failure("the load does not begin")
                before = self.cpu()
                _, got, seconds, cpu = map(
                    float, done.stdout.readline().split())
                cpu += self.cpu() - before
                last = done.stdout.readline().split()
                done.wait(30)
            finally:
                done.kill()
        megabytes = got * PAYLOAD / 1e6
        return (megabytes / seconds, cpu / megabytes * 1e3,
                100 * (1 - int(last[1]) / int(last[0])))

    @staticmethod
    def best(*transfers):
        """Of each, in turn: the machine may be busy with something else."""
        done = [[t() for t in transfers] for _ in range(ROUNDS)]
        return [(max(r[0] for r in of), min(r[1] for r in of),
                 min(r[2] for r in of)) for of in zip(*done)]

    def throughput(self):
        """A channel goes through as many relays as its ends have hops: the
        rendezvous is the last of the client's, and one more of the service's.
        The service's node is one more process than a circuit to an exit has,
        and each end layer one more layer. Circuits end at four hops: what six
        would cost follows from one and four, and their rate from the cost, as
        all of it waits for the cores."""
        one, four, short, long = self.best(
            lambda: self.exit(1), lambda: self.exit(LONGEST),
            lambda: self.channel(LONGEST - HOPS), lambda: self.channel(HOPS))
        hop = max(four[1] - one[1], 0) / (LONGEST - 1)
        say()
        say(f"One channel, {PAYLOAD} bytes a datagram, beside as many hops to "
            f"an exit: the best of {ROUNDS} times {self.seconds} s")
        title("value", "exit")
        row(f"({LONGEST} hops to an exit)", four[0], "MB/s", "", one[0])
        row("  processor time", four[1], "s/GB", "", one[1])
        for hops, how, (rate, cost, lost) in (
                (LONGEST - HOPS, "measured", short), (HOPS, "computed", long)):
            beside = four[1] + hop * (hops + HOPS - LONGEST)
            row(f"{hops} + {HOPS} hops joined ({how})", rate, "MB/s",
                ">= 80 %" if hops == HOPS else "",
                four[0] * four[1] / beside)
            row("  processor time, client and daemons", cost, "s/GB", "",
                beside)
            row("  lost", lost, "%")

    # ---- Members of a string ----

    def members(self):
        nodes = [self.add(f"m{i}") for i in range(MEMBERS)]
        for node in nodes:
            node.wait_joined(30)
        controls = [Control(n) for n in nodes]
        begun = time.monotonic()
        found = []
        for control in controls:
            control.send("service.register", service=STRING)
        sockets = {c.socket: c for c in controls}
        limit = begun + 30
        pairs = MEMBERS * (MEMBERS - 1)
        while len(found) < pairs and time.monotonic() < limit:
            for sock in select.select(list(sockets), [], [], 0.1)[0]:
                control = sockets[sock]
                control.unpacker.feed(sock.recv(65536))
                for frame in control.unpacker:
                    if frame[0] == 2 and frame[1] == "peer":
                        found.append(time.monotonic() - begun)
                    elif frame[0] == 2 and frame[1] == "gone":
                        found.pop()
        for control in controls:
            control.socket.close()
        for node in nodes:
            node.kill()
            self.net.nodes.remove(node)
        say()
        say(f"{MEMBERS} members that register the same string at once")
        title("value", "")
        most = int(pairs * 0.8)
        row("others found within 10 s, of all pairs",
            100 * sum(t < 10 for t in found) / pairs, "%", ">= 80 %")
        if len(found) >= most:
            row("80 % of the pairs after", found[most - 1], "s", "< 10 s")

    # ---- Relays that are killed ----

    def kills(self, channel):
        """ms, by role; each relay is started again, and no other one killed
        before the service has all its points."""
        gaps = {role: [] for role in ROLES}
        for _ in range(KILL_ROUNDS):
            for role in ROLES:
                wait_for("the service is fine", self.is_fine, KILL_PATIENCE,
                         0.1)
                relay, gap = channel.kill(role)
                relay.start(wait=False)
                relay.wait_ready()
                gaps[role].append(gap * 1e3)
                say(f"  {role}: {gap * 1e3:.0f} ms, load "
                    f"{os.getloadavg()[0]:.1f}")
        return gaps

    def killed(self):
        for _ in range(KILL_RELAYS):
            node = self.net.add([self.net.nodes[0]])
            node.start()
            node.wait_joined()
        relays = [n for n in self.net.nodes if n is not self.host]
        with Echo(f"{self.net.prefix}.98") as echo:
            self.host = self.add("k", f"[service web]\n"
                                      f"port = {PORT} udp {echo.at}\n")
            client = self.add("c")
            wait_for("the service is fine", self.is_fine, 60, 0.1)
            channel = Channel(client, self.host, self.address, relays,
                              KILL_PATIENCE, KILL_PAUSE)
            try:
                gaps = self.kills(channel)
            finally:
                channel.close()
        say()
        say(f"Relays of a channel with a datagram each {KILL_PAUSE * 1e3:.0f} "
            "ms that are killed and started again: until answers come")
        title("value", "")
        for role, times in gaps.items():
            row(f"{role}, median", statistics.median(times), "ms")
            row("  90th of 100", percentile(times, 0.9), "ms")
            row("  longest", max(times), "ms", "< 100 ms")
            row("  below 100 ms", 100 * sum(t < 100 for t in times) /
                len(times), "%", "100 %")

    # ---- Memory ----

    def memory(self):
        idle = [resident(n.process.pid) for n in self.net.nodes[:RELAYS]]
        # The first has the daemon touch code and make what all share.
        plain, one, many = (self.add(f"i{n}", "".join(
            f"[service s{i}]\n" for i in range(n))) for n in (0, 1, 1 + IDLE))
        wait_for("services are there", lambda: all(
            s["points"] >= 3 for node in (one, many) for s in
            node.json("service", "list")["services"]), 60, 0.3)
        time.sleep(2)
        none, first, all_of = (resident(n.process.pid)
                               for n in (plain, one, many))
        say()
        say("Memory, resident")
        title("value", "")
        row("a daemon that relays, median", statistics.median(idle), "MB")
        row("a daemon that does not", none, "MB")
        row("  with an idle service", first, "MB")
        row(f"each of {IDLE} more", (all_of - first) / IDLE * 1e3, "kB",
            "<= 64 kB")

    @property
    def address(self):
        return self.show()["address"]

    def run(self, parts):
        self.start()
        wait_for("the service is fine", self.is_fine, 60, 0.1)
        say(f"{len(self.net.nodes)} daemons, {os.cpu_count()} cores, load "
            f"{os.getloadavg()[0]:.1f} before")
        for part in ("memory", "connecting", "restart", "throughput",
                     "members", "killed"):
            if not parts or part in parts:
                getattr(self, part)()

    def close(self):
        if self.server is not None:
            self.server.kill()
            self.server.wait()
            self.server.stdout.close()
        self.net.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", nargs="?", default=ROOT / "build/release")
    parser.add_argument("--seconds", type=int, default=3,
                        help="how long each transfer takes (3)")
    parser.add_argument("--clients", type=int, default=100,
                        help="that connect (100)")
    parser.add_argument("--only", action="append",
                        help="memory, connecting, restart, throughput, "
                             "members, killed")
    args = parser.parse_args()
    bench = Bench(args)
    try:
        bench.run(args.only)
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        say(f"The measurement failed: {failure}")
        return 1
    finally:
        bench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
