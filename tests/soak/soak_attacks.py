# SPDX-License-Identifier: MIT
"""What goes on against the nodes of a soak (soak.py) for a minute each time:
step() is called again and again, in a process of its own."""
import contextlib
import os
import socket
import time

import stage
from stage import (
    NETWORK, Crowd, FakeNodes, FakeRelays, Stranger, dht_query, home, home6,
    node_id, nth, wt)
from test_full_stores import Storer

HOME = "2a0e:b107:1:5600::/56"


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
