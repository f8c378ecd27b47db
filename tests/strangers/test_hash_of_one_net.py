#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sixteen sockets of one IPv6 /48, with ids that are allowed there, sit around
an info-hash and say that nobody has announced it. Others find its peers."""
import os
import time
import unittest

from stage import FakeNodes, StrangersTest, home6, near, nth

NET = "2a0e:b107:1::/48"
HONEST = 16
LOOKUPS = 8


def net_of(network, i):
    """The i-th /56."""
    return f"{nth(network, i, 56)[:-1]}/56"


class HashOfOneNet(StrangersTest):
    def honest(self):
        """Nodes that speak IPv6 only: nothing is found over IPv4."""
        nodes = []
        for n in range(1, HONEST + 1):
            nodes.append(self.daemon(home6(n), bootstrap=nodes[:1], flags=[
                "--tunnel.max_relays_or_exits", "0"]).start(wait=False))
        for node in nodes:
            node.wait_ready()
        for node in nodes:
            node.wait_joined()
        return nodes

    def found(self, nodes, info_hash, peer):
        count = 0
        for node in nodes:
            answer = node.json("dht", "get-peers", info_hash, ok=(0, 1, 4))
            count += peer in [p["address"] for p in answer["peers"]]
        return count

    def test_lookups(self):
        nodes = self.honest()
        target = os.urandom(20)
        liars = FakeNodes(dict(near(net_of(NET, i), target)
                               for i in range(16)))
        self.addCleanup(liars.close)
        for _ in range(6):
            liars.introduce(*(n.at() for n in nodes))
            time.sleep(0.5)
        publisher, *askers = nodes[-LOOKUPS - 1:]
        peer, counts = f"[{publisher.addresses[0]}]:4000", []
        for key in (target.hex(), os.urandom(20).hex()):
            publisher.cli("dht", "announce", key, "--port", 4000)
            counts.append(self.found(askers, key, peer))
        print(f"{liars.asked} questions came to the liars; their hash was "
              f"found by {counts[0]} of {LOOKUPS}, another by {counts[1]}")
        self.assertGreater(liars.asked, 16)
        self.assertEqual(counts, [LOOKUPS, LOOKUPS])


if __name__ == "__main__":
    unittest.main()
