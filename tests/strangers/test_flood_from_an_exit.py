#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A stranger has an exit send to somebody who never answers, over as many
circuits as he gets. That one gets what one circuit could have sent him, and
others get their data through meanwhile."""
import socket
import threading
import time
import unittest

import stage
from stage import (Echo, Meanwhile, StrangersTest, data_served, descriptor_of,
                   home, homes)

CIRCUITS = 200
SECONDS = 10
HONEST = 10
BURST, RATE = 5, 1  # exit.silent_burst, exit.silent_rate


class Victim(threading.Thread):
    """Counts what comes, at any port of some, and answers nothing."""

    def __init__(self, address, ports):
        super().__init__(daemon=True)
        self.count, self.socks = 0, []
        for port in ports:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((address, port))
            sock.setblocking(False)
            self.socks.append(sock)
        self.ends = False
        self.start()

    def run(self):
        while not self.ends:
            for sock in self.socks:
                try:
                    while sock.recv(2048):
                        self.count += 1
                except BlockingIOError:
                    pass
            time.sleep(0.01)

    def close(self):
        self.ends = True
        self.join()
        for sock in self.socks:
            sock.close()


class FloodFromAnExit(StrangersTest):
    def test_one_who_never_answers(self):
        echo = Echo(home(300), self.root / "echo.log")
        self.addCleanup(echo.close)
        ports = [9, 10, 11]
        victim = Victim(home(400), ports)
        self.addCleanup(victim.close)
        node = self.daemon(home(1), flags=["--exit"])
        node.start()
        descriptor = descriptor_of(node)
        attacker = stage.IdleCircuits(descriptor, [home(50)] * 8,
                                      each=CIRCUITS // 8)
        self.addCleanup(attacker.close)
        payload = b"x" * 1200

        def flood():
            for i, circuit in enumerate(attacker.circuits):
                circuit.data((home(400), ports[i % len(ports)]), payload)
                time.sleep(0.8 / CIRCUITS)

        begun = time.monotonic()
        with Meanwhile(flood):
            results = [data_served(descriptor, a, echo)
                       for a in homes(100, HONEST)]
            time.sleep(max(0, begun + SECONDS - time.monotonic()))
            count, took = victim.count, time.monotonic() - begun
        served = sum(isinstance(r, float) for r in results)
        print(f"{len(attacker.circuits)} circuits: {count} datagrams in "
              f"{took:.1f} s; {served} of {HONEST} others got an answer "
              f"{[r for r in results if isinstance(r, str)][:1]}")
        self.assertGreaterEqual(len(attacker.circuits), CIRCUITS / 2)
        self.assertLessEqual(count, BURST + RATE * took + 1)
        self.assertEqual(served, HONEST)


if __name__ == "__main__":
    unittest.main()
