#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Paths as the field has them, made of network namespaces: with an MTU that
nobody tells, with several addresses at one end."""
import pathlib
import shutil
import subprocess
import unittest

from harness import DONE
from machines import SpaceTest

ECHO = pathlib.Path(__file__).with_name("echo.py")


# Asks a node COUNT times in one train, through a socket that takes answers
# from the address alone that was asked; prints how many came.
ASK = """
import socket, sys
import msgpack
to, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sock = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET,
                     socket.SOCK_DGRAM)
sock.connect((to, port))
sock.settimeout(2)
asked = [msgpack.packb({"a": {"id": b"\\x11" * 20}, "q": "ping",
                        "t": b"%02d" % i, "y": "q"}) for i in range(count)]
UDP_SEGMENT = 103
sock.sendmsg([b"".join(asked)], [(socket.IPPROTO_UDP, UDP_SEGMENT,
             len(asked[0]).to_bytes(2, "little"))] if count > 1 else [])
answers = 0
try:
    while answers < count:
        answers += msgpack.unpackb(sock.recv(2048), raw=True)[b"y"] == b"r"
except TimeoutError:
    pass
print(answers)
"""


class Paths(SpaceTest):
    def setUp(self):
        super().setUp()
        for tool in "iptables", "ip6tables", "sysctl":
            if shutil.which(tool) is None:
                self.skipTest(f"{tool} is not installed")

    def do(self, machine, *command):
        done = machine.run(*command)
        self.assertEqual(done.returncode, DONE, done.stderr)
        return done.stdout

    def node_on(self, machine, listen, *flags):
        return self.node(machine, "--testing-network", "--listen",
                         f"{listen}:7881", *flags)

    def echo(self, machine, address):
        process = subprocess.Popen(
            ["ip", "netns", "exec", machine.name, "/usr/bin/python3", ECHO,
             address, "4007"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def line(self, mtu, silent):
        """A client, two routers with a path of this MTU between them, and
        behind them an exit and a server."""
        leaf, near, far, out, server = map(
            self.machine, ("leaf", "near", "far", "exit", "server"))
        self.cable(leaf, "l0", near, "a0")
        self.cable(near, "a1", far, "b0")
        self.cable(far, "b1", out, "e0")
        self.cable(far, "b2", server, "d0")
        leaf.address("l0", "10.71.0.2/24", "fd71::2/64")
        near.address("a0", "10.71.0.1/24", "fd71::1/64")
        near.address("a1", "10.72.0.1/24", "fd72::1/64")
        far.address("b0", "10.72.0.2/24", "fd72::2/64")
        far.address("b1", "10.73.0.1/24", "fd73::1/64")
        out.address("e0", "10.73.0.2/24", "fd73::2/64")
        far.address("b2", "10.74.0.1/24")
        server.address("d0", "10.74.0.2/24")
        for machine, via in ((leaf, "10.71.0.1"), (leaf, "fd71::1"),
                             (near, "10.72.0.2"), (near, "fd72::2"),
                             (out, "10.73.0.1"), (out, "fd73::1"),
                             (server, "10.74.0.1")):
            machine.ip("route", "add", "default", "via", via)
        far.ip("route", "add", "10.71.0.0/24", "via", "10.72.0.1")
        far.ip("route", "add", "fd71::/64", "via", "fd72::1")
        for router in near, far:
            self.do(router, "sysctl", "-qw", "net.ipv4.ip_forward=1",
                    "net.ipv6.conf.all.forwarding=1")
            if silent:
                self.do(router, "iptables", "-A", "OUTPUT", "-p", "icmp",
                        "-j", "DROP")
                self.do(router, "ip6tables", "-A", "OUTPUT", "-p", "icmpv6",
                        "--icmpv6-type", "packet-too-big", "-j", "DROP")
        near.ip("link", "set", "a1", "mtu", mtu)
        far.ip("link", "set", "b0", "mtu", mtu)
        self.echo(server, "10.74.0.2")
        return leaf, out

    def client(self, leaf, out, at="10.73.0.2", anywhere="0.0.0.0"):
        exit_node = self.node_on(out, at, "--exit").start()
        client = self.node_on(leaf, anywhere, "--build", "1", "--bootstrap",
                              f"{at}:7881").start()
        self.wait("a circuit is ready",
                  lambda: client.status()["tunnels"]["ready"] > 0, 30)
        return client, exit_node

    def send(self, client, text, timeout=4):
        return client.cli("tunnel", "send", "--hops", "1", "10.74.0.2:4007",
                          text, "--timeout", timeout).returncode == DONE

    def check_narrow(self, client, exit_node):
        self.assertTrue(self.send(client, "short", 10))
        self.wait("a long datagram passes",
                  lambda: self.send(client, "x" * 1100), 20)
        # From now on each does, both ways, and the node says why.
        for _ in range(3):
            self.assertTrue(self.send(client, "x" * 1100))
        self.wait("the client has seen that halves pass", lambda: client.
                  status()["tunnels"]["links_in_parts"] == 1, 10)
        self.assertIn("halves", client.cli("status").stdout)
        self.assertIn("narrow_path", client.codes())
        self.assertGreater(
            client.metrics()["warren_tunnel_parts_out_total"], 0)
        self.assertGreater(
            exit_node.metrics()["warren_tunnel_parts_out_total"], 0)

    def test_a_narrow_path_without_icmp_carries_long_datagrams(self):
        self.check_narrow(*self.client(*self.line(1420, True)))

    def test_a_path_of_1280_bytes_does_too(self):
        self.check_narrow(*self.client(*self.line(1280, True)))

    def test_a_narrow_path_does_over_ipv6(self):
        leaf, out = self.line(1420, True)
        self.check_narrow(*self.client(leaf, out, "[fd73::2]", "[::]"))

    def test_a_wide_path_is_left_alone(self):
        client, _ = self.client(*self.line(1500, False))
        self.assertTrue(self.send(client, "x" * 1100, 10))
        self.assertEqual(client.status()["tunnels"]["links_in_parts"], 0)
        self.assertEqual(
            client.metrics()["warren_tunnel_parts_out_total"], 0)

    # ---- Several addresses -------------------------------------------------

    def pair(self):
        """Two machines on one wire, of which one has two addresses of each
        family."""
        asker, asked = self.machine("asker"), self.machine("asked")
        self.cable(asker, "a0", asked, "b0")
        asker.address("a0", "10.75.0.1/24", "fd75::1/64")
        asked.address("b0", "10.75.0.2/24", "10.75.0.3/24", "fd75::2/64",
                      "fd75::3/64")
        return asker, asked

    def answers(self, asker, to, count):
        return int(self.do(asker, "/usr/bin/python3", "-c", ASK, to, "7881",
                           count))

    def test_answers_leave_from_the_address_that_was_asked(self):
        asker, asked = self.pair()
        node = self.node_on(asked, "0.0.0.0", "--listen", "[::]:7881").start()
        for to in "10.75.0.2", "10.75.0.3", "fd75::2", "fd75::3":
            for count in 1, 10:
                self.assertEqual(self.answers(asker, to, count), count, to)
        self.assertGreater(node.metrics()["warren_udp_trains_sent_total"], 0)
        # One of the addresses goes, while peers that have asked there live.
        asked.ip("address", "delete", "10.75.0.3/24", "dev", "b0")
        self.assertEqual(self.answers(asker, "10.75.0.2", 10), 10)

    # ---- What is refused -----------------------------------------------------

    def test_a_firewall_that_refuses_is_named_once(self):
        asker, asked = self.pair()
        other = "10.75.0.1:7881"
        self.node_on(asker, "10.75.0.1").start()
        node = self.node_on(asked, "0.0.0.0", "--listen", "[::]:7881",
                            "--bootstrap", other).start()
        node.wait_joined()
        self.do(asked, "iptables", "-A", "OUTPUT", "-o", "b0", "-p", "udp",
                "-j", "DROP")
        dropped = 'warren_udp_dropped_total{reason="send_refused"}'
        refused = 'warren_udp_refused{family="%s"}'
        for _ in range(2):
            node.cli("dht", "ping", other)
        figures = node.metrics()
        self.assertGreater(figures[dropped], 1)
        self.assertGreater(figures[refused % "ipv4"], 1)
        self.assertEqual(figures[refused % "ipv6"], 0)
        self.assertEqual(node.log_text().count("refuses to send over IPv4"), 1)
        self.assertEqual(self.answers(asker, "fd75::3", 1), 1)
        self.do(asked, "iptables", "-F")
        self.assertEqual(node.cli("dht", "ping", other).returncode, DONE)
        self.assertEqual(node.metrics()[refused % "ipv4"], 0)


if __name__ == "__main__":
    unittest.main()
