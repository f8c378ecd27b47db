#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""That the stage of the tests of strangers is one: daemons reach each other
and strangers reach them, from whatever public address, over both families."""
import os
import socket
import unittest

from stage import (Crowd, DhtPeer, Pace, StrangersTest, circuit_served,
                   descriptor_of, dht_query, dht_served, family_of, home, home6,
                   homes, homes6, nth)


class Stage(StrangersTest):
    def test_honest_are_served(self):
        relay, next_hop, _ = self.network(3, exits=1, ipv6=True)
        first, second = descriptor_of(relay), descriptor_of(next_hop)
        for address in (home(50), home6(50)):
            self.assertIsInstance(circuit_served(first, address, second),
                                  float)
        self.assertEqual(dht_served(relay, homes(60, 10)), 10)
        self.assertEqual(dht_served(relay, homes6(60, 10)), 10)
        for address in (home(90), home6(90)):
            with DhtPeer(address) as peer:
                to, info_hash = relay.at(family_of(address)), os.urandom(20)
                self.assertTrue(peer.announce(to, info_hash))
                self.assertEqual(len(peer.peers(to, info_hash)), 1)
                target = peer.put(to, "a value")
                self.assertEqual(peer.get(to, target), b"a value")
        client = self.client(40, [relay])
        done = client.cli("tunnel", "build", "--hops", 2, "--timeout", 20)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(client.status()["problems"], [])

    def test_a_crowd_has_many_addresses(self):
        node = self.daemon(home(1), home6(1)).start()
        for family, net, each in ((socket.AF_INET, "198.0.0.0/8", 24),
                                  (socket.AF_INET6, "2a00::/12", 40)):
            with Crowd(family) as crowd:
                to, asked = node.at(family), set()
                for i in Pace(500, 0.5):
                    source = nth(net, i, each)
                    asked.add(source)
                    crowd.send(source, to, dht_query("ping"))
                answered = set()
                while (got := crowd.receive(0.5)) is not None:
                    answered.add(got[0])
                    self.assertEqual(got[1], to)
                self.assertTrue(answered <= asked)
                self.assertGreater(len(answered), 0.9 * len(asked))


if __name__ == "__main__":
    unittest.main()
