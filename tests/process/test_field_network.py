#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the field met: networks that begin, hosts with one address family,
addresses that change. Machines are namespaces."""
import time
import unittest

from machines import SpaceTest

HASH = "0123456789abcdef0123456789abcdef01234567"
ANY = ("--listen", "0.0.0.0:7881")


class Founding(SpaceTest):
    """The first two nodes of a network, on public addresses."""

    def test_two_nodes_on_public_addresses_join_each_other(self):
        a, b = self.machine("a"), self.machine("b")
        self.cable(a, "a0", b, "b0")
        a.address("a0", "21.3.0.7/8")
        b.address("b0", "21.200.9.7/8")
        first = self.node(a, *ANY).start()
        second = self.node(b, *ANY, "--bootstrap", "21.3.0.7:7881").start()
        for node in (first, second):
            self.wait("they know each other",
                      lambda n=node: n.nodes() == 1, 20)
        # Both are relays at once: the address is their own, no NAT's.
        self.assertEqual(first.status()["tunnels"]["addresses"],
                         ["21.3.0.7:7881"])


class OneFamily(SpaceTest):
    """A host with one address family that listens on both."""

    def test_lookups_do_not_wait_for_ipv6_where_there_is_none(self):
        core, leaf = self.lan()
        self.core_nodes(core, 5)
        leaf.address("l0", "10.77.0.100/24")
        node = self.node(leaf, "--testing-network", "--bootstrap",
                         "10.77.0.1:7881").start()
        self.wait("it knows all", lambda: node.nodes() == 5, 20)
        self.assertNotIn("family_lost", node.codes())
        self.assertIn("IPv6 has no way out", node.log_text())
        begun = time.monotonic()
        result = node.json("dht", "get-peers", HASH, ok=(0, 1))
        self.assertLess(time.monotonic() - begun, 3)
        self.assertEqual(result["answered"], result["asked"])
        # Tried again when there is some.
        leaf.address("l0", "fd77::100/64")
        self.wait("it joins over IPv6 too", lambda: node.nodes("ipv6") > 0, 15)

    def test_circuits_are_built_over_ipv6_where_that_is_all(self):
        core, leaf = self.lan()
        self.core_nodes(core, 2, "--exit")
        leaf.address("l0", "fd77::100/64")
        node = self.node(leaf, "--testing-network", "--build", "1",
                         "--bootstrap", "[fd77::1]:7881").start()
        self.wait("a circuit is ready",
                  lambda: node.status()["tunnels"]["ready"] > 0, 20)


class Moving(SpaceTest):
    """The address of a relay changes under it."""

    def setUp(self):
        super().setUp()
        self.router = self.machine("r")
        self.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for i in range(1, 5):
            host = self.host(f"n{i}", f"{20 + i}.{3 * i}.0")
            more = ("--bootstrap", "21.3.0.7:7881") if i > 1 else ()
            self.node(host, *ANY, *more).start()
        for node in self.nodes[1:]:
            self.wait("core joins", lambda n=node: n.nodes() > 0, 20)

    def host(self, name, prefix):
        """A machine with a public address of its own behind the router."""
        host = self.machine(name)
        self.cable(self.router, f"v{name}", host, "e0")
        self.router.address(f"v{name}", f"{prefix}.1/24")
        host.address("e0", f"{prefix}.7/24")
        host.ip("route", "add", "default", "via", f"{prefix}.1")
        return host

    def addresses(self, node):
        status = node.status()
        return (status["dht"]["ipv4"].get("external", "").split(":")[0],
                status["tunnels"]["addresses"])

    def knows(self, node, address):
        return self.addresses(node) == (address, [f"{address}:7881"])

    def test_an_address_that_changes_is_published(self):
        leaf = self.host("leaf", "45.10.0")
        node = self.node(leaf, *ANY, "--bootstrap", "21.3.0.7:7881").start()
        self.wait("the address is learned",
                  lambda: self.knows(node, "45.10.0.7"), 20)
        node.json("dht", "announce", HASH, "--port", "4000")
        leaf.ip("addr", "del", "45.10.0.7/24", "dev", "e0")
        leaf.address("e0", "45.10.0.77/24")
        leaf.ip("route", "add", "default", "via", "45.10.0.1")
        self.wait("the new address is published",
                  lambda: self.knows(node, "45.10.0.77"), 20)
        self.wait("what it announced is found there", lambda: "45.10.0.77:4000"
                  in self.nodes[1].cli("dht", "get-peers", HASH).stdout, 20)
        self.assertEqual(node.codes().keys() - {"unreachable"}, set())

    def test_an_interface_that_comes_late(self):
        leaf = self.machine("late")
        node = self.node(leaf, *ANY, "--bootstrap", "21.3.0.7:7881").start()
        self.assertIn("no_network", node.codes())
        time.sleep(8)  # by now the next attempt would be 10 s away
        self.cable(self.router, "vlate", leaf, "e0")
        self.router.address("vlate", "46.10.0.1/24")
        leaf.address("e0", "46.10.0.7/24")
        leaf.ip("route", "add", "default", "via", "46.10.0.1")
        self.wait("it joins at once", lambda: node.nodes() > 0, 5)
        self.assertNotIn("no_network", node.codes())


if __name__ == "__main__":
    unittest.main()
