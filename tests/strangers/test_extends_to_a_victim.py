#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A stranger has a relay knock at somebody who knows nothing of it, once for
each EXTEND. It knocks seldom, and others are extended to where they want."""
import os
import socket
import time
import unittest

from stage import (Pace, Stranger, StrangersTest, bound_socket,
                   circuits_served, descriptor_of, home, homes, wt)

RATE, SECONDS, HONEST = 40, 6, 10
EXTEND_BYTES = 28 + wt.SMALL  # with headers


class ExtendsToAVictim(StrangersTest):
    def attack(self, relay, endpoint):
        """EXTENDs to ever other relays, all of which are said to be there;
        returns how many."""
        d = descriptor_of(relay)
        with Stranger(home(50)) as stranger:
            link = stranger.link(d)
            circuits = [stranger.circuit(link, d) for _ in range(30)]
            for i in Pace(RATE, SECONDS):
                circuit = circuits[i % len(circuits)]
                circuit.attempt += 1
                circuit.send(1, [wt.EXTEND, circuit.attempt, os.urandom(32),
                                 wt.public_key(os.urandom(32)),
                                 wt.compact(*endpoint), os.urandom(50)])
            return i + 1

    def arrived(self, sock):
        count = size = 0
        sock.settimeout(3)
        while True:
            try:
                size += 28 + len(sock.recv(2048))
                count += 1
            except socket.timeout:
                return count, size

    def test_a_victim(self):
        relay, next_hop = self.network(2)
        victim = bound_socket(home(70), 5353)
        self.addCleanup(victim.close)
        sent = self.attack(relay, victim.getsockname())
        served, reasons = circuits_served(
            descriptor_of(relay), homes(100, HONEST),
            next_hop=descriptor_of(next_hop))
        count, size = self.arrived(victim)
        print(f"{sent} EXTENDs: {count / sent:.2f} datagrams and "
              f"{size / sent / EXTEND_BYTES:.2f} times the bytes for each; "
              f"{served} of {HONEST} others served {reasons}")
        self.assertEqual(served, HONEST)
        # 2 a second and as many at once
        self.assertLessEqual(count, 2 * (SECONDS + 4))
        self.assertGreater(count, 0)


if __name__ == "__main__":
    unittest.main()
