#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Names and addresses that real exits are asked for over real circuits: the
exit resolves the names, and sends to none of its operator's own."""
import unittest

from harness import DONE, REFUSED, UNANSWERED, ProcessTest, wait_for
from nameserver import Dns

PATIENCE = 60  # s


class Names(ProcessTest):
    def setUp(self):
        super().setUp()
        self.echo = self.net.echo()
        host, self.port = self.echo.endpoint.split(":")
        self.dns = Dns(f"{self.net.prefix}.210", {
            "echo.example": [host],
            "both.example": ["fe80::1", "169.254.169.254", host],
            "metadata.example": ["169.254.169.254"],
            "local.example": ["fe80::1"],
            "mapped.example": ["::ffff:127.0.0.1"],
            "exit.example": [f"{self.net.prefix}.3"],
            "empty.example": []})
        first = self.net.add().start()
        self.net.add([first]).start()
        self.exit = self.net.add([first]).start(
            "--exit", "--exit.nameservers", self.dns.endpoint,
            "--exit.resolve_timeout", "2s")
        self.client = self.net.add([first]).start(
            "--tunnel.max_relays_or_exits", "0", "--build", "1")
        for node in self.net.nodes:
            node.wait_joined(PATIENCE)
        wait_for("relays are known", lambda: len(self.client.json("peers")[
            "peers"]) == 3, PATIENCE)

    def send(self, to, *more, ok=(DONE,)):
        return self.client.json("tunnel", "send", to, "hello", "--timeout",
                                PATIENCE, *more, ok=ok)

    def refused(self, to, reason):
        with self.subTest(to=to):
            answer = self.send(to, ok=(REFUSED,))
            self.assertEqual((answer["outcome"], answer["reason"]),
                             ("refused", reason))

    def test_names_over_circuits_of_each_length(self):
        for hops in (1, 2, 3):
            answer = self.send(f"echo.example:{self.port}", "--hops", hops)
            self.assertEqual(answer["outcome"], "answered")
            self.assertEqual(answer["source"], self.echo.endpoint)
            self.assertEqual(self.echo.source_of(answer["data"], "hello"),
                             self.exit.address)
        # Each circuit has asked by itself.
        self.assertEqual(self.dns.asked, 3 * ["echo.example"])
        # The first address that will do.
        self.send(f"both.example:{self.port}")

    def test_what_is_not_sent(self):
        self.refused("metadata.example:80", "policy")
        self.refused("exit.example:7881", "policy")
        self.refused(f"{self.exit.address}:7881", "policy")
        self.refused("169.254.169.254:80", "policy")
        self.refused("[fe80::1]:80", "policy")
        self.refused("missing.example:80", "no_name")
        for name in "empty", "local", "mapped":  # it has no IPv6
            self.refused(f"{name}.example:80", "resolve")
        self.assertEqual(self.echo.askers(), set())
        # Nobody else has been asked either: a datagram would have been sent.
        self.assertEqual(self.exit.metrics()["warren_exit_sent_total"], 0)

    def test_dns_that_is_silent(self):
        done = self.client.cli("tunnel", "send", "silent.example:80", "x",
                               "--timeout", 20)
        self.assertIn(done.returncode, (REFUSED, UNANSWERED), done.stderr)
        self.assertIn("no answer in time", done.stderr)
        self.assertIn("silent.example", self.dns.asked)
        self.send(f"echo.example:{self.port}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
