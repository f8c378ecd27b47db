#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Strangers have an exit open more sockets than a process may have files.
It still answers its operator, and others still get data through it."""
import os
import time
import unittest

import stage
from stage import (Echo, Meanwhile, StrangersTest, data_served, descriptor_of,
                   home, home6, homes, wt)

CIRCUITS = 560
HONEST = 10


class OpenFiles(StrangersTest):
    def setUp(self):
        super().setUp()
        self.echo = Echo(home(300), self.root / "echo.log")
        self.addCleanup(self.echo.close)

    def attack(self, files):
        """Circuits with a socket of each family; then others come."""
        node = self.daemon(home(1), home6(1), flags=["--exit"])
        node.files = files
        node.start()
        descriptor = descriptor_of(node)
        attacker = stage.IdleCircuits(descriptor, homes(50, 8),
                                      each=CIRCUITS // 8)
        self.addCleanup(attacker.close)
        begun = time.monotonic()
        for circuit in attacker.circuits:
            circuit.data((home(400), 9), b"x")
            circuit.data((home6(400), 9), b"x")
            if circuit.local % 8 == 0:
                time.sleep(0.005)

        def again():
            for circuit in attacker.circuits[:200]:
                circuit.send(1, [wt.DATA, wt.compact(home(400), 9), b"x"])
                time.sleep(0.002)

        with Meanwhile(again):
            results = [data_served(descriptor, a, self.echo)
                       for a in homes(100, HONEST)]
            served = sum(isinstance(r, float) for r in results)
            status = node.cli("status", "--json", timeout=10).returncode
        held = len(os.listdir(f"/proc/{node.process.pid}/fd"))
        print(f"{len(attacker.circuits)} circuits in "
              f"{time.monotonic() - begun:.1f} s, {held} files; status ends "
              f"with {status}; {served} of {HONEST} others got an answer "
              f"{[r for r in results if not isinstance(r, float)][:1]}")
        self.assertIn(status, (0, 1))
        self.assertEqual(node.http("/health")[0], 200)
        self.assertEqual(served, HONEST)

    def test_a_soft_limit(self):
        self.attack((1024, 8192))

    def test_a_hard_limit(self):
        self.attack((1024, 1024))


if __name__ == "__main__":
    unittest.main()
