#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A relay behind a NAT knows its address from others alone. It is published
when it was reached there, soon, and not where liars say that it is."""
import shutil
import subprocess
import time
import unittest

from stage import (PORT, FakeNodes, Machine, PublicNode, StrangersTest,
                   circuit_served, descriptor_of, home, homes, join, node_id,
                   wait_for)

FALSE = ("66.6.6.6", 6666)
SOON = 20


class Nat(StrangersTest):
    def setUp(self):
        super().setUp()
        if shutil.which("iptables") is None:
            self.skipTest("iptables is not installed")
        self.addCleanup(subprocess.run, ["iptables", "-w", "-t", "nat", "-F"])

    def translate(self, chain, *rule):
        done = subprocess.run(["iptables", "-w", "-t", "nat", "-A", chain,
                               *rule], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            self.skipTest(f"iptables: {done.stderr.strip()}")

    def behind_a_nat(self, bootstrap, n=50):
        """A daemon that has a private address, and home(n) for others."""
        private, outside = f"10.77.{n}.2", home(n)
        to = ["-d", outside, "-j", "DNAT", "--to-destination", private]
        machine = Machine([private])
        self.addCleanup(machine.close)
        self.translate("PREROUTING", *to)
        self.translate("OUTPUT", *to)
        self.translate("POSTROUTING", "-s", private, "-j", "SNAT",
                       "--to-source", outside)
        node = PublicNode(self.root / f"behind{n}", machine, [])
        node.bootstrap = [join(b.outside) for b in bootstrap]
        node.listen, node.outside = [f"0.0.0.0:{PORT}"], outside
        self.nodes.append(node)
        return node

    def others(self):
        first = self.network(5, first=10)[0]
        first.outside = first.addresses[0]
        return first

    def published(self, relay):
        begun = time.monotonic()
        wait_for("it is published", lambda: relay.status()["tunnels"][
            "published"], SOON)
        print(f"published after {time.monotonic() - begun:.1f} s")
        relay.addresses = [relay.outside]  # as seen from the Internet
        descriptor = descriptor_of(relay)
        self.assertEqual(descriptor.endpoints, [(relay.outside, PORT)])
        for address in homes(100, 5):
            self.assertIsInstance(circuit_served(descriptor, address), float)

    def test_it_is_published_when_it_was_reached(self):
        self.published(self.behind_a_nat([self.others()]).start())

    def test_a_network_of_such_relays_begins(self):
        relays = []
        for n in range(50, 55):
            relays.append(self.behind_a_nat(relays[:1], n))
            relays[-1].start()
        for relay in relays:
            self.published(relay)

    def test_liars_publish_it_nowhere_else(self):
        relay = self.behind_a_nat([self.others()]).start()
        liars = FakeNodes({a: node_id(a) for a in homes(300, 24)}, ip=FALSE)
        self.addCleanup(liars.close)
        said = set()
        for _ in range(12):
            liars.introduce((relay.outside, PORT))
            time.sleep(0.5)
            said.add(relay.status()["dht"]["ipv4"]["external"])
        print(f"after {liars.asked} lies the votes are for {said}")
        self.assertIn(join(*FALSE), said)
        self.published(relay)


if __name__ == "__main__":
    unittest.main()
