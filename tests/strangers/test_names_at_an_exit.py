#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Strangers ask an exit for names that are never answered, and for those that
others may have asked for. Others still get theirs, and nothing is learned."""
import itertools
import time
import unittest

import stage
from nameserver import Dns
from stage import (Echo, Meanwhile, Stranger, StrangersTest, descriptor_of,
                   home, homes, wt)

CIRCUITS = 80
RATE = 200  # questions a second
HONEST = 20
DELAY = 0.1  # s that the DNS takes for a name that it has not cached


def name_served(descriptor, address, name, port, timeout=3.0):
    """A client at this address sends to a name and gets an answer: seconds
    from its question, or the reason why not as a str."""
    with Stranger(address, timeout, (0.5, 1)) as client:
        try:
            link = client.link(descriptor)
            circuit = client.circuit(link, descriptor)
            begun = time.monotonic()
            circuit.data((name, port), b"hello")
            circuit.answer()
            took = time.monotonic() - begun
            circuit.destroy()
            link.close()
        except wt.Failure as failure:
            return str(failure)
    return took


class NamesAtAnExit(StrangersTest):
    def setUp(self):
        super().setUp()
        self.echo = Echo(home(300), self.root / "echo.log")
        self.addCleanup(self.echo.close)
        host, port = self.echo.endpoint.split(":")
        self.port = int(port)
        self.dns = Dns(home(400), {f"n{i}.example": [host]
                                   for i in range(HONEST)}, delay=DELAY)
        node = self.daemon(home(1), flags=[
            "--exit", "--exit.nameservers", self.dns.endpoint])
        node.start()
        self.descriptor = descriptor_of(node)

    def attack(self, addresses):
        attacker = stage.IdleCircuits(self.descriptor, addresses,
                                      each=CIRCUITS // len(addresses))
        self.addCleanup(attacker.close)
        circuits = itertools.cycle(attacker.circuits)
        numbers = itertools.count()

        def ask():
            next(circuits).data((f"silent{next(numbers)}.example", 9), b"x")
            time.sleep(1 / RATE)

        begun = time.monotonic()
        while time.monotonic() < begun + 3:
            ask()
        with Meanwhile(ask):
            results = [name_served(self.descriptor, a, f"n{i}.example",
                                   self.port)
                       for i, a in enumerate(homes(100, HONEST))]
        asked = next(numbers)
        served = sum(isinstance(r, float) for r in results)
        print(f"{len(attacker.circuits)} circuits, {asked} questions in "
              f"{time.monotonic() - begun:.1f} s; {served} of {HONEST} others "
              f"got an answer {[r for r in results if isinstance(r, str)][:1]}")
        return served

    def test_a_zone_that_never_answers(self):
        self.assertEqual(self.attack([home(50)]), HONEST)

    def test_a_zone_that_never_answers_asked_for_by_several(self):
        self.assertEqual(self.attack(homes(50, 8)), HONEST)

    def test_how_long_it_takes_tells_nothing_of_others(self):
        first, second = (name_served(self.descriptor, a, "n1.example",
                                     self.port) for a in homes(100, 2))
        print(f"the first waited {first * 1000:.0f} ms, the second "
              f"{second * 1000:.0f} ms")
        self.assertGreaterEqual(second, DELAY)

    def test_questions_come_from_many_ports(self):
        for i, a in enumerate(homes(100, HONEST)):
            name_served(self.descriptor, a, f"n{i}.example", self.port)
        ports = set(self.dns.ports)
        print(f"{len(self.dns.ports)} questions from {len(ports)} ports")
        self.assertGreaterEqual(len(ports), HONEST - 1)


if __name__ == "__main__":
    unittest.main()
