#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the field met: name servers that are dead, names of no use, and a node
that is its own bootstrap node. Machines are namespaces, each with a resolv.conf
of its own."""
import signal
import socket
import unittest

from nameserver import Dns
from machines import SpaceTest

NET = "10.77.0."
NAMES = {"boot.example": [NET + "1"], "six.example": ["fd77::1"],
         "gone.example": []}


class FieldNames(SpaceTest):
    def setUp(self):
        super().setUp()
        self.core, self.leaf = self.lan()
        self.leaf.address("l0", NET + "100/24")
        self.core.address("c0", NET + "50/24", NET + "51/24")
        self.core_nodes(self.core, 1, ipv6=False)
        self.dns = self.core.within(Dns, NET + "50", NAMES, 53)
        self.mute = self.core.within(self.bind, NET + "51")
        self.addCleanup(self.mute.close)

    @staticmethod
    def bind(address):
        """One that takes what it is asked and never answers."""
        mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        mute.bind((address, 53))
        return mute

    def start(self, *flags):
        return self.node(self.leaf, "--testing-network", "--listen",
                         "0.0.0.0:7881", *flags).start()

    def problem(self, node, code, words, timeout=30):
        def said():
            problem = node.codes().get(code)
            return problem and words in problem["what"] and problem
        return self.wait(f"{code}: ...{words}...", said, timeout)

    def test_the_first_of_two_servers_is_dead(self):
        self.leaf.resolv(NET + "51", NET + "50")
        node = self.start("--bootstrap", "boot.example:7881")
        self.wait("it joins", lambda: node.nodes() > 0, 15)

    def test_a_server_with_a_zone(self):
        """A link-local address, as routers announce."""
        self.core.address("c0", "fe80::53/64")
        names = self.core.within(Dns, "fe80::53%c0", NAMES, 53)
        self.leaf.resolv("fe80::53%l0")
        node = self.start("--bootstrap", "boot.example:7881")
        self.wait("it joins", lambda: node.nodes() > 0, 60)
        self.assertIn("boot.example", names.asked)
        self.assertEqual(self.dns.asked, [])

    def test_a_bootstrap_name_says_why_it_fails(self):
        for server, name, words in (
                ("50", "failing.example", "SERVFAIL"),
                ("50", "nothing.example", "no such name"),
                ("51", "boot.example", "no name server answers"),
                ("", "boot.example", "fe80::1%eth0, must be an interface")):
            with self.subTest(name=name, server=server):
                self.leaf.resolv(NET + server if server else "fe80::2%leaf")
                node = self.start("--bootstrap", f"{name}:7881")
                problem = self.problem(node, "bootstrap_name", words)
                self.assertEqual(problem["level"], "error")
                self.assertIn(name, problem["what"])
                self.assertIn(words, node.log_text())
                node.stop()

    def test_a_name_with_addresses_of_the_other_family(self):
        self.leaf.resolv(NET + "50")
        for flags in (["--listen", "0.0.0.0:7881"], []):
            node = self.node(self.leaf, "--testing-network", *flags,
                             "--bootstrap", "six.example:7881").start()
            problem = self.problem(node, "bootstrap_name", "IPv6", 10)
            self.assertIn("six.example", problem["what"])
            node.stop()

    def test_a_node_that_is_its_own_bootstrap_node(self):
        node = self.start("--bootstrap", NET + "100:7881")
        problem = self.problem(node, "alone", "itself", 10)
        self.assertEqual(problem["level"], "note")
        self.assertEqual(node.http("/health")[0], 200)

    def test_an_exit_whose_only_server_is_dead(self):
        self.leaf.resolv(NET + "51")
        node = self.start("--exit", "--bootstrap", NET + "1:7881")
        self.problem(node, "names_fail", "no name server answers")
        self.assertIn("resolves no names", node.log_text())

    def test_an_exit_without_a_server(self):
        self.leaf.resolv()
        node = self.start("--exit", "--bootstrap", NET + "1:7881")
        problem = self.problem(node, "no_nameserver", "knows no DNS server")
        self.assertEqual(problem["level"], "warning")
        # Named, and the settings read again, it is well.
        self.leaf.resolv(NET + "50")
        node.send_signal(signal.SIGHUP)
        self.wait("it is well", lambda: "no_nameserver" not in node.codes(), 10)

    def test_an_exit_whose_server_is_broken_for_a_while(self):
        self.leaf.resolv(NET + "50")
        self.dns.broken = True
        node = self.start("--exit", "--bootstrap", NET + "1:7881")
        self.problem(node, "names_fail", "SERVFAIL")
        self.dns.broken = False
        self.wait("it is well again", lambda: "names_fail" not in node.codes(),
                  35)

    def test_an_exit_whose_servers_work(self):
        self.leaf.resolv(NET + "51", NET + "50")
        node = self.start("--exit", "--bootstrap", NET + "1:7881")
        self.wait("it joins", lambda: node.nodes() > 0, 15)
        self.assertNotIn("names_fail", node.codes())


if __name__ == "__main__":
    unittest.main()
