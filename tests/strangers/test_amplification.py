#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A stranger asks in the name of his victim. What the victim gets is at most
three times of what was sent, headers counted; those who really ask get all."""
import os
import unittest

import msgpack

from stage import Crowd, DhtPeer, StrangersTest, home, homes, nth

HEADERS = 20 + 8  # IPv4 and UDP
BOUND = 3.0


class Amplification(StrangersTest):
    def full_node(self, client, node):
        """With much to tell; returns an item's target and an info-hash."""
        done = client.cli("dht", "put", "v" * 990)
        self.assertEqual(done.returncode, 0, done.stderr)
        target, info_hash = done.stdout.split()[-1], os.urandom(20)
        for address in homes(100, 60):
            with DhtPeer(address) as peer:
                self.assertTrue(peer.announce(node.at(), info_hash))
        for address in homes(200, 25):
            with DhtPeer(address) as peer:
                self.assertTrue(peer.announce(node.at(), os.urandom(20)))
        return target, info_hash.hex()

    def forged(self, node, method, **arguments):
        """How many times as much comes back, to whoever is named."""
        query = msgpack.packb({"a": {"id": bytes(20), **arguments},
                               "q": method, "t": b"a", "y": "q"})
        with Crowd() as crowd:
            sent = got = 0
            for i in range(10):
                crowd.send(nth("198.0.0.0/8", 66_000 * i), node.at(), query)
                sent += HEADERS + len(query)
            while (answer := crowd.receive(0.1)) is not None:
                got += HEADERS + len(answer[2])
        return got / sent

    def test_answers_to_the_forged(self):
        node, *others = self.network(7, ipv6=True)
        client = self.client(40, [node], ipv6=True)
        client.wait_joined()
        target, info_hash = self.full_node(client, node)
        key, peers = bytes.fromhex(target), bytes.fromhex(info_hash)
        both = {"want": ["n4", "n6"]}
        factors = {}
        for name, method, arguments in (
                ("ping", "ping", {}),
                ("find_node", "find_node", {"target": key}),
                ("find_node, both", "find_node", {"target": key, **both}),
                ("get_peers", "get_peers", {"info_hash": peers}),
                ("get_peers, both", "get_peers",
                 {"info_hash": peers, **both}),
                ("get", "get", {"target": key}),
                ("get, both", "get", {"target": key, **both}),
                ("sample_infohashes", "sample_infohashes", {"target": key}),
                ("samples, both", "sample_infohashes",
                 {"target": key, **both}),
                ("unknown", "whatever", {"target": key, **both})):
            factors[name] = round(self.forged(node, method, **arguments), 1)
        print(factors)
        asker = self.client(41, [others[0]])
        asker.wait_joined()
        self.assertEqual(asker.cli("dht", "get", target).stdout,
                         "v" * 990 + "\n")
        found = asker.json("dht", "get-peers", info_hash)["peers"]
        self.assertGreaterEqual(len(found), 50)
        samples = asker.json("dht", "sample", node.endpoint)
        self.assertGreaterEqual(len(samples["samples"]), 20)
        for name, factor in factors.items():
            self.assertLessEqual(factor, BOUND, name)


if __name__ == "__main__":
    unittest.main()
