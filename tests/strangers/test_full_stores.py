#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whoever has one IPv6 home line, a /56, announces peers and puts items until
a node has room for no more, and goes on. Others can still store, and what
they have stored stays."""
import itertools
import os
import socket
import time
import unittest

import msgpack

from stage import (Crowd, DhtPeer, Meanwhile, StrangersTest, dht_query,
                   family_of, home, home6, homes, homes6, immutable_target,
                   nth)

CAP = 600
HOME = "2a0e:b107:1:5600::/56"


class Storer:
    """Stores what nobody needs, from one /64 after the other."""

    def __init__(self, to):
        self.to, self.crowd = to, Crowd(socket.AF_INET6)
        self.numbers = itertools.count()

    def tokens(self, method, wanted):
        """Asks for one with each key of `wanted` (its number, arguments);
        returns {number: token}."""
        for number, arguments in wanted.items():
            self.crowd.send(nth(HOME, number % 256, 64), self.to, dht_query(
                method, transaction=number.to_bytes(4, "big"), **arguments))
        tokens = {}
        while (got := self.crowd.receive(0.05)) is not None:
            message = msgpack.unpackb(got[2], raw=True)
            token = message.get(b"r", {}).get(b"token")
            number = int.from_bytes(message[b"t"], "big")
            if token and number in wanted:  # no late one
                tokens[number] = token
        return tokens

    def store(self, count):
        """As many peers and as many items; how many got a token."""
        hashes = {next(self.numbers): {"info_hash": os.urandom(20)}
                  for _ in range(count)}
        values = {next(self.numbers): os.urandom(8).hex()
                  for _ in range(count)}
        tokens = self.tokens("get_peers", hashes)
        for number, token in tokens.items():
            self.crowd.send(nth(HOME, number % 256, 64), self.to, dht_query(
                "announce_peer", port=1, token=token, **hashes[number]))
        more = self.tokens("get", {n: {"target": immutable_target(v)}
                                   for n, v in values.items()})
        for number, token in more.items():
            self.crowd.send(nth(HOME, number % 256, 64), self.to, dht_query(
                "put", token=token, v=values[number]))
        return len(tokens) + len(more)


class FullStores(StrangersTest):
    def store(self, node, addresses):
        """[(address, info-hash, target)] of what was taken."""
        stored = []
        for address in addresses:
            with DhtPeer(address) as peer:
                to, info_hash = node.at(family_of(address)), os.urandom(20)
                if peer.announce(to, info_hash):
                    stored.append((address, info_hash,
                                   peer.put(to, os.urandom(8).hex())))
        return stored

    def kept(self, node, stored):
        """How many of these can still be read, by somebody else."""
        count = 0
        for i, (address, info_hash, target) in enumerate(stored):
            reader = home6(300 + i) if ":" in address else home(300 + i)
            with DhtPeer(reader) as peer:
                to = node.at(family_of(address))
                count += bool(target and peer.peers(to, info_hash)
                              and peer.get(to, target))
        return count

    def test_one_home_fills_the_stores(self):
        node = self.daemon(home(1), home6(1), flags=[
            "--dht.max_hashes", CAP, "--dht.max_items", CAP]).start()
        before = self.store(node, [home(80), home6(80)])
        storer = Storer(node.at(socket.AF_INET6))
        self.addCleanup(storer.crowd.close)
        begun = time.monotonic()
        for _ in range(CAP // 50 + 2):
            storer.store(50)
        took, dht = time.monotonic() - begun, node.status()["dht"]
        with Meanwhile(lambda: storer.store(20)):
            stored = self.store(node, homes(100, 10) + homes6(100, 10))
            time.sleep(2)
            kept = self.kept(node, stored)
        print(f"{dht['hashes']} hashes and {dht['items']} items where {CAP} "
              f"fit after {took:.1f} s; {len(stored)} of 20 others could "
              f"store, {kept} of them read it 2 s later")
        self.assertEqual((len(stored), kept), (20, 20))
        self.assertEqual(self.kept(node, before), 2)


if __name__ == "__main__":
    unittest.main()
