#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Strangers with forged addresses ask a node more than it answers in all, or
open more links, which costs them next to nothing. Others still get answers."""
import itertools
import os
import time
import unittest

from stage import (NETWORK, Crowd, DhtPeer, Meanwhile, Pace, Stranger,
                   StrangersTest, circuit_served, descriptor_of, dht_query,
                   home, nth, wt)

HONEST = 30
SECONDS = 6


class FloodsOfQuestions(StrangersTest):
    def setUp(self):
        super().setUp()
        self.node = self.network(2)[0]

    def flooded(self, rate, datagram, ask_once):
        """How many honest ones are served meanwhile; by ask_once(address)."""
        node = self.node
        crowd = Crowd()
        self.addCleanup(crowd.close)
        sources = [crowd.source(nth("128.0.0.0/2", i * 65537))
                   for i in range(16000)]
        sent = itertools.count()
        rounds = iter(Pace(rate, 3600))

        def flood():
            next(rounds)
            crowd.send_raw(sources[next(sent) % len(sources)], node.at(),
                           datagram())

        with Meanwhile(flood) as flooding:
            time.sleep(2)  # bursts are over
            begun, busy = time.monotonic(), node.busy()
            count = flooding.count
            served = 0
            for i in range(HONEST):
                served += ask_once(node, home(100 + i))
                time.sleep(0.05)
            took = time.monotonic() - begun
            print(f"{(flooding.count - count) / took:.0f} questions/s "
                  f"for {took:.1f} s; {served} of {HONEST} others answered; "
                  f"{100 * (node.busy() - busy) / took:.0f} % busy")
        return served

    def test_questions_to_the_dht(self):
        def ask_once(node, address):
            with DhtPeer(address, timeout=0.5) as peer:
                return any(peer.ask(node.at(), "find_node",
                                    target=os.urandom(20)) for _ in range(2))

        served = self.flooded(
            5000, lambda: dht_query("find_node", target=os.urandom(20)),
            ask_once)
        self.assertGreaterEqual(served, HONEST - 2)

    def ask_for_the_descriptor(self, rate):
        def ask_once(node, address):
            with Stranger(address, timeout=0.5, again=[]) as stranger:
                try:
                    stranger.told(node)
                except wt.Failure:
                    return False
                return True

        served = self.flooded(
            rate, lambda: wt.ask(NETWORK, os.urandom(8)), ask_once)
        self.assertGreaterEqual(served, HONEST - 2)

    def test_questions_for_the_descriptor(self):
        self.ask_for_the_descriptor(400)

    def test_many_questions_for_the_descriptor(self):
        """So many that addresses have to be proved."""
        self.ask_for_the_descriptor(3000)

    def test_handshakes(self):
        """Above the rate everybody has to prove his address first."""
        d = descriptor_of(self.node)

        def init():
            noise = wt.Noise("link", NETWORK, d.identity, d.handshake_key)
            return wt.init(d.identity, 7, noise.write())[0]

        inits = itertools.cycle([init() for _ in range(500)])
        served = self.flooded(
            2000, lambda: next(inits), lambda _, address: isinstance(
                circuit_served(d, address, timeout=1), float))
        self.assertGreaterEqual(served, HONEST - 2)


if __name__ == "__main__":
    unittest.main()
