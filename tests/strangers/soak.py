#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real daemons under attack and churn for as long as is wanted.

Usage: soak.py [MINUTES] [SEED]. A network at public addresses (stage.py) with
clients of its own; every minute some of the attacks below go on, a node is
killed, stopped or told to reload, and honest parties try everything. Each
minute has a line, what goes wrong has one at once, and at the end there is a
table. Exit code 1 when a daemon crashed, ended by itself or leaked, when
memory kept growing, or when fewer than 95 of 100 honest tries went well."""
import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback

os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=4")

import stage  # noqa: E402
from stage import (  # noqa: E402
    NETWORK, SANITIZER, Crowd, DhtPeer, Echo, Failure, FakeNodes, FakeRelays,
    Machine, PublicNode, Stranger, circuit_served, data_served,
    descriptor_of, dht_query, family_of, home, home6, join, node_id, nth, wt)
from internet import LIBC  # noqa: E402
from test_full_stores import Storer  # noqa: E402

RELAYS, EXITS, CLIENTS = 8, 3, 2
ROUND = 60.0
ENOUGH = 0.95
SLOW = 5  # seconds, worth a line
PR_SET_PDEATHSIG = 1
HOME = "2a0e:b107:1:5600::/56"


# ---- The network ------------------------------------------------------------

class World:
    """Honest nodes and clients, and what was seen of them."""

    def __init__(self, root, chance):
        self.root, self.chance, self.nodes, self.wrong = root, chance, [], []
        self.relays = [self.add(n, *self.relay_flags(n))
                       for n in range(1, RELAYS + 1)]
        self.clients = [self.add(n, "--tunnel.max_relays_or_exits", "0",
                                 "--build", "3")
                        for n in range(30, 30 + CLIENTS)]
        for node in self.nodes:
            node.wait_ready(60)
        for node in self.nodes:
            node.wait_joined(60)
        self.descriptors = {n: descriptor_of(n) for n in self.relays}
        self.exits = self.relays[-EXITS:]
        self.echo = Echo(home(300), root / "echo.log")

    def relay_flags(self, n):
        flags = ["--tunnel.addresses", f"{join(home(n))},{join(home6(n))}"]
        return flags + (["--exit"] if n > RELAYS - EXITS else [])

    def add(self, n, *flags):
        node = PublicNode(self.root / f"n{n}", Machine([home(n), home6(n)]),
                          flags)
        for other in self.nodes[:2]:
            node.bootstrap += other.reached_by(node.addresses)
        node.start(wait=False)
        self.nodes.append(node)
        return node

    def say(self, what):
        print(what, flush=True)

    def trouble(self, what):
        self.wrong.append(what)
        self.say(f"WRONG: {what}")

    def look(self):
        """Notices who has ended, and starts him again."""
        for node in self.nodes:
            if not node.is_running():
                self.trouble(f"{node.endpoint} ended with "
                             f"{node.process.returncode}: "
                             f"{node.log_text()[-2000:]}")
                node.start()

    def restart(self, node):
        how = self.chance.choice(("kill", "stop", "reload"))
        if how == "reload":
            node.send_signal(signal.SIGHUP)
        elif how == "kill":
            node.kill()
            node.start()
        else:
            code, seconds = node.stop(timeout=60)
            if code != 0 or seconds > 10:
                self.trouble(f"{node.endpoint} ended with {code} after "
                             f"{seconds:.1f} s")
            node.start()
        return f"{how} {node.dir.name}"

    def kill(self):
        """Whatever is left."""
        for node in self.nodes:
            if node.is_running():
                node.kill()
        self.echo.close()

    def close(self):
        for node in self.nodes:
            node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            code = node.process.wait(60)
            if code != 0:
                self.trouble(f"{node.endpoint} ended with {code} at the end")
            for word in SANITIZER:
                if word in node.log_text():
                    self.trouble(f"{node.log}: {word}")


# ---- Attacks: step() is called again and again, in a process of its own -----

class Attack:
    def __init__(self, world):
        self.world, self.chance = world, world.chance
        self.victim = self.chance.choice(world.relays)
        self.descriptor = world.descriptors[self.victim]
        self.begin()

    def begin(self):
        pass

    def anybody(self):
        return nth("128.0.0.0/3", self.chance.randrange(1 << 29))


class IdleCircuits(Attack):
    """From four addresses, as many as there is room for."""

    def begin(self):
        other = self.chance.choice([None, *self.world.relays])
        next_hop = None if other in (None, self.victim) \
            else self.world.descriptors[other]
        self.circuits = stage.IdleCircuits(
            self.descriptor, [home(50 + i) for i in range(4)], each=1,
            timeout=0.3, next_hop=next_hop)

    def step(self):
        if not self.circuits.links:
            time.sleep(1)
        for link in self.circuits.links:
            self.circuits.more(link, 1)
        time.sleep(0.01)


class Links(Attack):
    """Of one home line, kept by PINGs; the oldest go when there are many."""

    def begin(self):
        self.clients, self.links, self.number = [], [], 0

    def step(self):
        client = Stranger(nth(HOME, self.number % 256, 64), 0.1, [])
        self.number += 1
        self.clients.append(client)
        with contextlib.suppress(wt.Failure):
            self.links.append(client.link(self.descriptor))
        for link in self.links[-50:]:
            link.send(0, wt.PING)
        if len(self.clients) > 400:
            self.clients.pop(0).close()
            self.links = self.links[-300:]


class Stores(Attack):
    """Peers and items that nobody needs."""

    def begin(self):
        self.storer = Storer(self.victim.at(socket.AF_INET6))

    def step(self):
        self.storer.store(50)
        time.sleep(0.05)


class Flood(Attack):
    """Forged: as many as a thread of Python sends in bursts."""

    def begin(self):
        self.crowd = Crowd()
        self.sources = [self.crowd.source(nth("128.0.0.0/2", i * 65537))
                        for i in range(16000)]

    def datagram(self):
        return dht_query("find_node", target=os.urandom(20))

    def step(self):
        for _ in range(60):
            self.crowd.send_raw(self.chance.choice(self.sources),
                                self.victim.at(), self.datagram())
        self.crowd.drain()
        time.sleep(0.015)


class AskFlood(Flood):
    def datagram(self):
        return wt.ask(NETWORK, os.urandom(8))


class InitFlood(Flood):
    def datagram(self):
        noise = wt.Noise("link", NETWORK, self.descriptor.identity,
                         self.descriptor.handshake_key)
        return wt.init(self.descriptor.identity, 1 + os.urandom(1)[0],
                       noise.write())[0]


class Garbage(Flood):
    """Datagrams of all kinds, whole, cut, with a byte changed, or random."""

    def begin(self):
        super().begin()
        self.seeds = [dht_query(m, target=os.urandom(20), token=b"12345678",
                                info_hash=os.urandom(20), port=1, v="value")
                      for m in ("ping", "find_node", "get_peers", "get",
                                "announce_peer", "put", "sample_infohashes")]
        self.seeds += [AskFlood.datagram(self), InitFlood.datagram(self),
                       os.urandom(386), b"\x95\x04\xce" + os.urandom(1407),
                       b"\x95\x08" + os.urandom(723)]

    def datagram(self):
        raw = bytearray(self.chance.choice(self.seeds))
        for _ in range(self.chance.randrange(4)):
            raw[self.chance.randrange(len(raw))] = self.chance.randrange(256)
        return bytes(raw[:self.chance.choice((len(raw), 1 + len(raw) // 2))])


class Votes(Attack):
    """Nodes of a /48 that say another address, and know only each other."""

    def begin(self):
        self.liars = FakeNodes({a: node_id(a) for a in (
            nth("2a0e:b107:2::/48", 256 * i, 64) for i in range(24))},
            ip=("2a0e:b107:2:7::66", 6666))

    def step(self):
        self.liars.introduce(*(n.at(socket.AF_INET6)
                               for n in self.world.nodes))
        time.sleep(2)


class Views(Attack):
    """Relays that exist as descriptors only, all at one address."""

    def begin(self):
        self.fakes = FakeRelays(home(60), 64, lambda i: (home(400 + i), 7881))
        self.first = True

    def step(self):
        if self.first:
            nodes = {bytes.fromhex(n.id()): n.at()
                     for n in self.world.relays}
            self.fakes.announce(nodes, lambda i: wt.relay_key(NETWORK, i))
            self.fakes.answer()
            self.first = False
        time.sleep(0.2)


class ExitAbuse(Attack):
    """Circuits with data to ever new destinations, silent ones and names."""

    def begin(self):
        self.victim = self.chance.choice(self.world.exits)
        self.circuits = stage.IdleCircuits(
            self.world.descriptors[self.victim],
            [home(55), home(56)], each=60, timeout=0.3)
        self.number = 0

    def step(self):
        for circuit in self.circuits.circuits:
            self.number += 1
            where = (self.anybody(), 9)
            if self.number % 5 == 0:
                where = (f"n{self.number}.example.org", 9)
            elif self.number % 5 == 1:
                where = (home6(500 + self.number % 999), 9)
            circuit.data(where, b"x" * 100)
        time.sleep(0.05)


class Reflection(Attack):
    """EXTENDs to whoever is to get the INITs."""

    def begin(self):
        self.circuits = stage.IdleCircuits(self.descriptor, [home(57)],
                                           each=30, timeout=0.3)

    def step(self):
        for circuit in self.circuits.circuits:
            circuit.attempt += 1
            circuit.send(1, [wt.EXTEND, circuit.attempt, os.urandom(32),
                             wt.public_key(os.urandom(32)),
                             wt.compact(self.anybody(), 7881),
                             os.urandom(50)])
        time.sleep(0.2)


ATTACKS = (IdleCircuits, Links, Stores, Flood, AskFlood, InitFlood, Garbage,
           Votes, Views, ExitAbuse, Reflection)


# ---- Honest parties ---------------------------------------------------------

class Honest:
    """One try of each kind after the other; {kind: [well, tries, seconds of
    the longest]}."""

    def __init__(self, world):
        self.world, self.chance = world, world.chance
        self.tries, self.number, self.begun = {}, 100, 0.0

    def somebody(self):
        """Who comes from anywhere, over either family."""
        self.number += 1
        n = 100 + self.number % 800
        return home(n) if self.chance.random() < 0.7 else home6(n)

    def count(self, kind, well, why=""):
        row = self.tries.setdefault(kind, [0, 0, 0.0])
        took = time.monotonic() - self.begun
        row[:] = row[0] + bool(well), row[1] + 1, max(row[2], took)
        if not well:
            self.world.say(f"    {kind} failed after {took:.1f} s: "
                           f"{str(why)[:150]}")
        elif took > SLOW:
            self.world.say(f"    {kind} took {took:.1f} s")

    def circuit(self):
        """Three tries, as who was killed is missed with the next EXTEND."""
        a, b = self.chance.sample(self.world.relays, 2)
        descriptors, somebody = self.world.descriptors, self.somebody()
        for _ in range(3):
            result = circuit_served(descriptors[a], somebody, descriptors[b],
                                    timeout=3)
            if isinstance(result, float):
                break
        self.count("circuit of two hops", isinstance(result, float),
                   f"{a.dir.name} to {b.dir.name}: {result}")

    def data(self):
        exit_node = self.chance.choice(self.world.exits)
        result = data_served(self.world.descriptors[exit_node],
                             self.somebody(), self.world.echo, 3)
        self.count("data through an exit", isinstance(result, float),
                   f"{exit_node.dir.name}: {result}")

    def storing(self):
        node, address = self.chance.choice(self.world.relays), self.somebody()
        to, info_hash = node.at(family_of(address)), os.urandom(20)
        with DhtPeer(address) as peer:
            well = peer.announce(to, info_hash) or \
                peer.announce(to, info_hash)
            found = peer.peers(to, info_hash) or peer.peers(to, info_hash)
        self.count("store and read at a node", well and found,
                   f"{node.dir.name}: taken {well}, found {found}")

    def lookup(self):
        publisher, asker = self.chance.sample(self.world.nodes, 2)
        key = os.urandom(20).hex()
        done = publisher.cli("dht", "announce", key, "--port", 4000)
        found = asker.cli("dht", "get-peers", key)
        publisher.cli("dht", "withdraw", key)
        self.count("announce and look up", found.returncode == 0,
                   f"{done.stdout}{done.stderr} {found.stdout}{found.stderr}")

    def client(self):
        node = self.chance.choice(self.world.clients)
        done = node.cli("tunnel", "send", "--hops", 3, "--timeout", 20,
                        self.world.echo.endpoint, "hello")
        self.count("message over three hops", done.returncode == 0,
                   f"{done.stdout}{done.stderr}")

    def told(self):
        node, address = self.chance.choice(self.world.relays), self.somebody()
        with Stranger(address, timeout=2, again=[0.5, 1]) as stranger:
            try:
                well = bool(stranger.told(node))
            except wt.Failure:
                well = False
        self.count("descriptor asked for", well, node.dir.name)

    def fresh(self):
        """A client that knows nothing but two bootstrap nodes: its circuits."""
        self.number += 1
        node = self.world.add(1000 + self.number,
                              "--tunnel.max_relays_or_exits", "0")
        try:
            node.wait_ready()
            done = node.cli("tunnel", "build", "--hops", 2, "--timeout", 20)
            self.count("circuits of a fresh client", done.returncode == 0,
                       f"{done.stdout}{done.stderr}")
            code, _ = node.stop()
            if code != 0:
                self.world.trouble(f"a fresh client ended with {code}")
        finally:
            self.world.nodes.remove(node)
            node.machine.close()

    def operator(self):
        node = self.chance.choice(self.world.nodes)
        page = node.http("/metrics")[0]
        status = node.cli("status", "--json", timeout=20).returncode
        self.count("status and metrics", page == 200 and status in (0, 1),
                   f"{node.dir.name}: {page}, {status}")

    def all(self):
        for kind in (self.circuit, self.data, self.told, self.storing,
                     self.lookup, self.client, self.operator):
            self.begun = time.monotonic()
            try:
                kind()
            except (Failure, OSError) as error:
                self.count(kind.__name__, False, repr(error))


# ---- Going on and on --------------------------------------------------------

@contextlib.contextmanager
def under(kind, world):
    """A process of its own attacks meanwhile: it takes no turns from honest
    parties here."""
    seed = world.chance.random()
    child = os.fork()
    if child == 0:
        try:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            world.chance.seed(seed)
            attack_for_ever(kind, world)
        except BaseException:  # nothing of this process may go on
            traceback.print_exc()
        os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def attack_for_ever(kind, world):
    """Forgives what strangers have to live with."""
    while True:
        with contextlib.suppress(Failure, wt.Failure, OSError):
            attack = kind(world)
            while True:
                with contextlib.suppress(Failure, wt.Failure, OSError,
                                         KeyError):
                    attack.step()
                    continue
                time.sleep(0.1)


def one_round(world, honest, attacks, number):
    """A minute; returns the memory of each node at its end."""
    with contextlib.ExitStack() as going:
        for attack in attacks:
            going.enter_context(under(attack, world))
        begun, restarted, fresh = time.monotonic(), "", False
        while time.monotonic() < begun + ROUND:
            world.look()
            honest.all()
            if not fresh:
                fresh, honest.begun = True, time.monotonic()
                honest.fresh()
            if not restarted and time.monotonic() > begun + ROUND / 2:
                restarted = world.restart(world.chance.choice(world.nodes))
                time.sleep(8)  # neighbours notice after 6
    memory = {n: n.memory() for n in world.nodes}
    names = ", ".join(a.__name__ for a in attacks)
    well = sum(r[0] for r in honest.tries.values())
    tries = sum(r[1] for r in honest.tries.values())
    world.say(f"minute {number}: {names}; {restarted}; honest {well} of "
              f"{tries}; memory {max(memory.values()) / 2**20:.0f} MB at "
              f"most, {sum(memory.values()) / 2**20:.0f} in all")
    return memory


def verdict(world, honest, memories):
    """The table; whether all is well."""
    well = tries = 0
    print("\nhonest party                 well   of  longest")
    for kind, row in sorted(honest.tries.items()):
        print(f"{kind:27} {row[0]:5} {row[1]:4} {row[2]:6.1f} s")
        well, tries = well + row[0], tries + row[1]
    third = max(len(memories) // 3, 1)
    first = max(max(m.values()) for m in memories[:third])
    last = max(max(m.values()) for m in memories[-third:])
    print(f"memory of the largest: {first / 2**20:.0f} MB in the first third, "
          f"{last / 2**20:.0f} MB in the last")
    if last > 1.5 * first + (16 << 20):
        world.trouble("memory keeps growing")
    if well < ENOUGH * tries:
        world.trouble(f"only {well} of {tries} honest tries went well")
    print(f"{len(world.wrong)} things went wrong")
    return not world.wrong


def main(minutes=10, seed=None):
    if stage.WHY_NOT:
        return 1
    seed = int(seed or time.time())
    print(f"seed {seed}", flush=True)
    chance = random.Random(seed)
    root = pathlib.Path(tempfile.mkdtemp(prefix="warren-soak-"))
    world = World(root, chance)
    try:
        honest, memories = Honest(world), []
        honest.all()
        ends = time.monotonic() + 60 * float(minutes)
        while time.monotonic() < ends:
            memories.append(one_round(world, honest,
                                      chance.sample(ATTACKS, 3),
                                      len(memories) + 1))
        world.close()
        well = verdict(world, honest, memories)
    finally:
        world.kill()
    if well:
        shutil.rmtree(root, ignore_errors=True)
    else:
        print(f"the logs are in {root}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
