#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The only bootstrap node of fresh clients names nothing but its own four
relays for some seconds. They do not stay the guards of these clients: those of
a client that has not looked around yet are for now, and not remembered."""
import time
import unittest

from stage import StrangersTest, home, join, wait_for

HONEST, BAD, CLIENTS = 14, 4, 4
# Of 8 to 12 guards, 2 are bad in a fair draw; 7 are in one of 1,000.
BOUND = 6


class FirstGuards(StrangersTest):
    def bad_network(self):
        """A bootstrap node that is no relay, and relays at its side."""
        first = self.daemon(home(60), flags=[
            "--tunnel.max_relays_or_exits", "0"]).start()
        relays = [self.daemon(home(61 + i), bootstrap=[first], flags=[
            "--tunnel.addresses", join(home(61 + i)),
            *(["--exit"] if i % 2 else [])]).start() for i in range(BAD)]
        for relay in relays:
            relay.wait_joined()
        return first, {r.endpoint for r in relays}

    def guards(self, clients):
        return [p["addresses"][0] for c in clients
                for p in c.rpc("tunnel.peers")["peers"] if p["guard"]]

    def known(self, client):
        return len(client.rpc("tunnel.peers")["peers"])

    def test_a_bootstrap_node_names_its_own(self):
        honest = self.network(HONEST, exits=4, first=1)
        first, bad = self.bad_network()
        clients = [self.client(40 + i, [first], flags=["--build", "2"])
                   for i in range(CLIENTS)]
        time.sleep(4)
        early = self.guards(clients)
        for node in honest[:3]:
            first.json("dht", "ping", node.endpoint)
        for client in clients:
            wait_for("a client knows the honest", lambda c=client:
                     self.known(c) > HONEST, 30, 0.2)

        for client in clients:
            client.stop()
            client.start("--build", "2")
            wait_for("circuits are ready",
                     lambda c=client: c.status()["tunnels"]["ready"], 30, 0.2)
        guards = self.guards(clients)
        count = sum(g in bad for g in guards)
        print(f"{sum(g in bad for g in early)} of {len(early)} guards after "
              f"4 s were of the bootstrap node, {count} of {len(guards)} "
              f"after a restart")
        self.assertGreaterEqual(len(guards), 2 * CLIENTS)
        self.assertLessEqual(count, BOUND)


if __name__ == "__main__":
    unittest.main()
