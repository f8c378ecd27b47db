#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A channel with traffic whose relays are killed, one of each role: it goes on
over others, and how long that takes is printed."""
import unittest

from killing import ROLES, Channel
from test_service_daemon import PATIENCE, Server, Services


class Killed(Services):
    relays_wanted = 12

    def test_each_role(self):
        server = Server(self.net.prefix + ".201")
        host = self.add(f"[service web]\nport = 9 udp {server.endpoint}\n")
        address = self.wait_fine(host, "web")
        client = self.add()
        channel = Channel(client, host, address,
                          self.relays[:self.relays_wanted], PATIENCE)
        self.addCleanup(channel.close)
        for role in ROLES:
            relay, gap = channel.kill(role)
            print(f"{role} killed: a gap of {1000 * gap:.0f} ms", flush=True)
            self.assertLess(gap, 30)
            relay.start(wait=False)
            relay.wait_ready()
        # It is the same channel all the while.
        for node, opened in ((client, True), (host, False)):
            peers = node.json("service", "peers")["peers"]
            self.assertEqual([p["opened"] for p in peers], [opened])
        age = host.json("service", "peers", "web")["peers"][0]["age"]
        self.assertGreaterEqual(age, len(ROLES))


if __name__ == "__main__":
    unittest.main(verbosity=2)
