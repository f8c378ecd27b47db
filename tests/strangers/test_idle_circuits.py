#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A stranger fills a relay with circuits that carry nothing, and opens
another wherever one is refused or ended. Others still get theirs."""
import itertools
import time
import unittest

import stage
from stage import (Meanwhile, Stranger, StrangersTest, circuits_served,
                   descriptor_of, home, homes)

CAP = 240
HONEST = 20


class IdleCircuits(StrangersTest):
    def relays(self):
        """One to be filled, and one with room for ten times as many."""
        victim, other = self.network(2)
        for node, cap in ((victim, CAP), (other, 10 * CAP)):
            node.stop()
            node.start("--tunnel.max_relays_or_exits", cap)
        return victim, other

    def attacker(self, *args, **kwargs):
        attacker = stage.IdleCircuits(*args, each=1, timeout=0.3, **kwargs)
        self.addCleanup(attacker.close)
        return attacker

    def attack(self, relay, attackers):
        """Fills until nothing was got for half a second, and goes on while
        honest clients come; how many of them are served."""
        turns = itertools.cycle([(a, link) for a in attackers
                                 for link in a.links])

        def another():
            attacker, link = next(turns)
            return attacker.more(link, 1)

        begun = last = time.monotonic()
        while time.monotonic() < min(last + 0.5, begun + 15):
            if another():
                last = time.monotonic()
        opened = sum(len(a.circuits) for a in attackers)
        with Meanwhile(lambda: (another(), time.sleep(0.01))):
            served, reasons = circuits_served(
                descriptor_of(relay), homes(100, HONEST))
        print(f"{opened} circuits opened in {last - begun:.1f} s where {CAP} "
              f"fit; served {served} of {HONEST} {reasons}")
        return served

    def in_use(self, relay):
        """A circuit of somebody honest, used already."""
        client = Stranger(home(90))
        self.addCleanup(client.close)
        d = descriptor_of(relay)
        circuit = client.circuit(client.link(d), d)
        self.assertTrue(circuit.ping(1))
        return circuit

    def test_from_two_addresses(self):
        relay, _ = self.relays()
        attacker = self.attacker(descriptor_of(relay),
                                 [home(50), home(51)] * 2)
        circuit = self.in_use(relay)
        self.assertEqual(self.attack(relay, [attacker]), HONEST)
        self.assertTrue(circuit.ping(1))

    def test_through_an_honest_relay(self):
        """Most of the circuits come from another relay, as honest ones do:
        over one link with many clients behind it."""
        relay, other = self.relays()
        first, direct = descriptor_of(other), descriptor_of(relay)
        attackers = [
            self.attacker(first, [home(50), home(51)], next_hop=direct),
            self.attacker(direct, [home(50)])]
        circuit = self.in_use(relay)
        self.assertEqual(self.attack(relay, attackers), HONEST)
        self.assertTrue(circuit.ping(1))


if __name__ == "__main__":
    unittest.main()
