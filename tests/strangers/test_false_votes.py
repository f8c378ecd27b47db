#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Many sockets of one IPv6 /48 tell a relay that it is elsewhere. It stays
where it is, and others find it there."""
import time
import unittest

from stage import (FakeNodes, StrangersTest, circuit_served, descriptor_of,
                   home6, homes6, join, node_id, nth)

NET = "2a0e:b107:1::/48"
FALSE = ("2a0e:b107:1:7::66", 6666)


class FalseVotes(StrangersTest):
    def test_a_relay_on_every_address(self):
        first = self.network(3, ipv6=True, first=10)[0]
        relay = self.daemon(home6(1), bootstrap=[first])
        relay.listen = ["[::]:7881"]
        relay.start()
        relay.wait_joined()
        liars = FakeNodes({a: node_id(a) for a in (
            nth(NET, 256 * i, 64) for i in range(24))}, ip=FALSE)
        self.addCleanup(liars.close)
        said = set()
        for _ in range(16):
            liars.introduce(relay.at())
            time.sleep(0.5)
            status = relay.status()
            said.add(status["dht"]["ipv6"]["external"])
            said |= set(status["tunnels"]["addresses"])
        print(f"after {liars.asked} lies the relay says it is at {said}")
        self.assertGreater(liars.asked, 24)
        descriptor = descriptor_of(relay)
        for address in homes6(100, 5):
            self.assertIsInstance(circuit_served(descriptor, address), float)
        self.assertEqual(said - {None}, {join(home6(1))})


if __name__ == "__main__":
    unittest.main()
