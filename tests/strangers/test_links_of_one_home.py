#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whoever has one IPv6 home line, a /56, opens links from all of it until a
relay has room for no more, and keeps them. Others still get a link."""
import contextlib
import time
import unittest

from stage import (Meanwhile, Stranger, StrangersTest, circuits_served,
                   descriptor_of, home, home6, homes, homes6, nth, wt)

CAP = 200
HOME = "2a0e:b107:1:5600::/56"
HONEST = 8


class LinksOfOneHome(StrangersTest):
    def setUp(self):
        super().setUp()
        self.relay = self.daemon(
            home(1), home6(1), flags=["--tunnel.max_links", CAP]).start()
        self.descriptor = descriptor_of(self.relay)
        self.links, self.refused = [], 0

    def open(self, number):
        """Another link, from the /64 of this number; it is kept."""
        client = Stranger(nth(HOME, number % 256, 64), timeout=0.1, again=[])
        try:
            self.links.append(client.link(self.descriptor))
            self.addCleanup(client.close)
            return True
        except wt.Failure:
            client.close()
            self.refused += 1
            return False

    def fill(self):
        """Until 20 in a row were refused."""
        number = in_a_row = 0
        while in_a_row < 20 and number < 3 * CAP:
            in_a_row = 0 if self.open(number) else in_a_row + 1
            number += 1
        return number

    def test_links_of_one_home(self):
        begun = time.monotonic()
        self.fill()
        took, got = time.monotonic() - begun, len(self.links)
        number = iter(range(10 ** 6))

        def again():
            for link in self.links[-CAP:]:
                with contextlib.suppress(OSError):
                    link.send(0, wt.PING)
            self.open(next(number))

        with Meanwhile(again):
            ipv4, why4 = circuits_served(self.descriptor,
                                         homes(100, HONEST), timeout=1)
            ipv6, why6 = circuits_served(self.descriptor,
                                         homes6(100, HONEST), timeout=1)
        print(f"{got} links in {took:.1f} s where {CAP} fit; served over IPv4 "
              f"{ipv4} of {HONEST} {why4}, over IPv6 {ipv6} {why6}")
        self.assertEqual((ipv4, ipv6), (HONEST, HONEST))


if __name__ == "__main__":
    unittest.main()
