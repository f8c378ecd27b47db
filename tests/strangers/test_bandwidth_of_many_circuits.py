#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""One address has hundreds of circuits through a relay that passes on so much
a second, and sends more on each than it gets. Somebody else has one circuit,
and as good a share."""
import os
import time
import unittest

import stage
from stage import (Meanwhile, Pace, Stranger, StrangersTest, descriptor_of,
                   home, wt)

BANDWIDTH = 100_000  # bytes a second, of all cells that the relay passes on
CIRCUITS = 300
RATE, SECONDS = 30, 4  # PINGs of the honest one: a quarter of all, both ways


class BandwidthOfManyCircuits(StrangersTest):
    def pings(self, client, circuit):
        """Sends some a second to the second hop; how many were answered."""
        client.timeout = 0.001
        answered = sent = 0

        def take(wait):
            nonlocal answered
            client.timeout = wait
            try:
                answered += circuit.receive("PONG")[1][0] == wt.M_PONG
                return True
            except wt.Failure:
                return False

        for _ in Pace(RATE, SECONDS):
            circuit.send(2, [wt.M_PING, int.from_bytes(os.urandom(7), "big")])
            sent += 1
            take(0.01)
        while take(1):
            pass
        return answered, sent

    def test_one_circuit_beside_hundreds(self):
        next_hop = self.daemon(home(2)).start()
        relay = self.daemon(home(1), flags=[
            "--tunnel.bandwidth", BANDWIDTH]).start()
        first, second = descriptor_of(relay), descriptor_of(next_hop)
        client = Stranger(home(90))
        self.addCleanup(client.close)
        honest = client.circuit(client.link(first), first)
        honest.extend(second)
        attacker = stage.IdleCircuits(first, [home(50)] * 4, timeout=3,
                                      each=CIRCUITS // 4, next_hop=second)
        self.addCleanup(attacker.close)

        def flood():
            for circuit in attacker.circuits:
                circuit.send(2, [wt.M_PING, 7])
                time.sleep(0.0005)

        with Meanwhile(flood) as flooding:
            time.sleep(2)
            answered, sent = self.pings(client, honest)
        print(f"{len(attacker.circuits)} circuits of one address sent "
              f"{flooding.count * len(attacker.circuits)} cells; {answered} "
              f"of {sent} PINGs of somebody else were answered")
        self.assertGreaterEqual(len(attacker.circuits), CIRCUITS // 2)
        self.assertGreaterEqual(answered, 0.9 * sent)


if __name__ == "__main__":
    unittest.main()
