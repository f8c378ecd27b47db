#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the field met: a node that has lost its network says so within half a
minute, in the status, at /health and in the log. Machines are namespaces."""
import time
import unittest

from machines import SpaceTest

HASH = "0123456789abcdef0123456789abcdef01234567"
SOON = 30  # s: what the operator is told of within


class Losing(SpaceTest):
    """The network is lost, in the ways that a machine can and cannot see."""

    def setUp(self):
        super().setUp()
        # A switch in between: what happens behind it is not seen here.
        self.switch, core, self.leaf = (self.machine(n)
                                        for n in ("s", "core", "leaf"))
        self.switch.ip("link", "add", "name", "switch",
                       "type", "bridge")
        self.switch.ip("link", "set", "switch", "up")
        for machine, inside in ((core, "c0"), (self.leaf, "l0")):
            self.cable(self.switch, f"to{inside}", machine, inside)
            self.switch.ip("link", "set", f"to{inside}", "master",
                           "switch")
        self.core_nodes(core, 2)
        self.leaf.address("l0", "10.77.0.100/24", "fd77::100/64")
        self.node_ = self.node(self.leaf, "--testing-network", "--bootstrap",
                               "10.77.0.1:7881", "--bootstrap",
                               "[fd77::1]:7881").start()
        for family in ("ipv4", "ipv6"):
            self.wait(f"it joins over {family}",
                      lambda f=family: self.node_.nodes(f) == 2, 20)
        self.assertEqual(self.errors(), {})

    def errors(self):
        return {code: p for code, p in self.node_.codes().items()
                if p["level"] == "error"}

    def is_told(self, *codes, timeout=SOON):
        """In the status, at /health and in the log."""
        begun = time.monotonic()
        code = self.wait(f"one of {codes} is an error", lambda: next(
            (c for c in codes if c in self.errors()), None), timeout)
        status, text = self.node_.http("/health")
        self.assertEqual(status, 503)
        print(f"{code} after {time.monotonic() - begun:.1f} s: {text.strip()}")
        self.assertIn(" warn ", self.node_.log_text())

    def is_well_again(self):
        self.wait("all is well again", lambda: not self.errors(), 20)
        self.assertEqual(self.node_.http("/health")[0], 200)

    def test_the_interface_goes(self):
        self.leaf.ip("link", "set", "l0", "down")
        self.is_told("no_network", timeout=5)
        self.leaf.ip("link", "set", "l0", "up")
        self.leaf.address("l0", "fd77::100/64")
        self.is_well_again()

    def test_the_cable_is_pulled(self):
        self.switch.ip("link", "set", "tol0", "down")
        self.is_told("no_network", timeout=5)
        self.switch.ip("link", "set", "tol0", "up")
        self.is_well_again()

    def test_nothing_comes_from_behind_the_switch(self):
        self.switch.ip("link", "set", "toc0", "down")
        self.is_told("silence")
        self.switch.ip("link", "set", "toc0", "up")
        self.is_well_again()

    def test_what_is_asked_by_hand_is_evidence(self):
        self.switch.ip("link", "set", "toc0", "down")
        begun = time.monotonic()
        self.node_.cli("dht", "get-peers", HASH)
        # All contacts may have been asked in vain by then, too.
        self.is_told("silence", "no_nodes",
                     timeout=20 - (time.monotonic() - begun))

    def test_the_kernel_refuses_what_is_sent(self):
        self.leaf.ip("rule", "add", "pref", "0", "prohibit")
        self.leaf.ip("-6", "rule", "add", "pref", "0", "prohibit")
        self.wait("send_failed is an error",
                  lambda: "send_failed" in self.errors(), SOON)
        self.assertRegex(self.errors()["send_failed"]["what"],
                         "Permission denied|unreachable|not permitted")
        for family in ("IPv4", "IPv6"):
            said = [line for line in self.node_.log_text().splitlines()
                    if "send over " + family in line
                    or "sent over " + family in line]
            self.assertLessEqual(len(said), 1, said)

    def test_one_family_of_two(self):
        self.leaf.ip("-6", "rule", "add", "pref", "0", "prohibit")
        self.wait("that IPv6 fails is said",
                  lambda: "send_failed" in self.node_.codes(), SOON)
        problem = self.node_.codes()["send_failed"]
        self.assertEqual(problem["level"], "warning")
        self.assertIn("IPv6", problem["what"])
        self.leaf.ip("-6", "rule", "del", "pref", "0")
        self.leaf.ip("addr", "del", "fd77::100/64", "dev", "l0")
        self.wait("that IPv6 is gone is said",
                  lambda: "family_lost" in self.node_.codes(), 5)
        self.assertEqual(self.errors(), {})


if __name__ == "__main__":
    unittest.main()
