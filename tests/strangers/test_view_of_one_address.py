#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""One IPv4 address is a hundred relays, each of which claims to be at an
address of another network first. A fresh client that meets them beside honest
ones knows mostly honest ones, all of which it finds."""
import contextlib
import time
import unittest

from stage import (NETWORK, Failure, FakeRelays, StrangersTest, home, join,
                   wait_for, wt)

HONEST, EXITS, FAKES = 24, 4, 96
SECONDS = 8
# What one network may have of a client's view: 4, or a 16th of the others.
SHARE = 4


class ViewOfOneAddress(StrangersTest):
    def fakes(self, honest, claim):
        """Found by whoever looks for relays in the DHT of these nodes."""
        nodes = {bytes.fromhex(n.id()): n.at() for n in honest}
        fakes = FakeRelays(home(60), FAKES, claim)
        self.addCleanup(fakes.close)
        fakes.announce(nodes, lambda i: wt.relay_key(NETWORK, i))
        fakes.answer()
        return fakes

    def known(self, client, fakes):
        """(endpoints of the honest that it knows, how many fake ones)"""
        peers = client.rpc("tunnel.peers")["peers"]
        honest = {p["addresses"][0] for p in peers
                  if p["identity"] not in fakes.identities}
        return honest, len(peers) - len(honest)

    def test_claims_of_foreign_networks(self):
        honest = self.network(HONEST, exits=EXITS)
        fakes = self.fakes(honest, lambda i: (home(400 + i), 7881))
        client = self.client(40, [honest[0]], flags=["--build", "2"])
        time.sleep(SECONDS)
        known, fake = self.known(client, fakes)
        print(f"{fakes.told} times told; the client knows {len(known)} of "
              f"{HONEST} honest relays and {fake} fake ones")
        self.assertLessEqual(fake, SHARE)
        self.assertEqual(known, {n.endpoint for n in honest})

    def test_claims_of_the_networks_of_exits(self):
        """Who claims the network of an exit before the client has met it does
        not keep it out."""
        honest = self.network(8)
        places = [home(20 + i) for i in range(EXITS)]
        fakes = self.fakes(honest, lambda i: (
            f"{places[i % EXITS].rsplit('.', 1)[0]}.{1 + i}", 7881))
        client = self.client(40, [honest[0]], flags=["--build", "2"])
        client.wait_joined()
        time.sleep(5)  # it meets the fake ones
        exits = set()
        for place in places:
            exits.add(self.daemon(place, bootstrap=[honest[0]], flags=[
                "--tunnel.addresses", join(place), "--exit"]).start().endpoint)

        def missing():
            return exits - self.known(client, fakes)[0]

        begun = time.monotonic()
        with contextlib.suppress(Failure):
            wait_for("the exits are known", lambda: not missing(), 20)
        print(f"{fakes.told} times told; {len(missing())} of {EXITS} exits "
              f"unknown after {time.monotonic() - begun:.1f} s")
        self.assertFalse(missing())


if __name__ == "__main__":
    unittest.main()
