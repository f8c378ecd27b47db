#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What leaves the machine of a client while programs use its proxy: datagrams
of the DHT and the tunnels, from the daemon's one port to relays, and nothing
else. Neither a name server nor a destination sees a packet of it.

The machine is a network namespace, and every packet on its cable is recorded.
torsocks is tried here, as it lets nobody connect to loopback, and so is the
resolver as that of the whole machine. Needs root and
iproute2, and says so where they are missing.
"""
import pathlib
import select
import socket
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "process"))
from machines import SpaceTest  # noqa
from nameserver import Dns  # noqa

from page import block, blocks  # noqa
from scene import Web, missing  # noqa
from stage import PATIENCE  # noqa
from test_socks_datagrams import Association, UdpEcho  # noqa

RELAYS = 6
LEAF = "10.77.0.100"
WEB = "10.78.0.201"
NAMES = "10.77.0.210"
PROXY = "127.0.0.1:1080"
RESOLVER = "127.0.0.1:53"
EVERYTHING = 3  # ETH_P_ALL
ARP = 0x0806


class Recorder(threading.Thread):
    """Packets that leave by a device, as (protocol, to, port from, port to);
    those of the kernel itself (ARP, IPv6's own) are left out."""

    def __init__(self, machine, device):
        super().__init__(daemon=True)
        self.sent = set()
        self.over = threading.Event()
        self.sock = machine.within(
            lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                  socket.htons(EVERYTHING)))
        self.sock.bind((device, 0))
        self.start()

    def run(self):
        while not self.over.is_set():
            if not select.select([self.sock], [], [], 0.1)[0]:
                continue
            frame, where = self.sock.recvfrom(65536)
            if where[2] == socket.PACKET_OUTGOING:
                self.look_at(frame)

    def look_at(self, frame):
        kind = int.from_bytes(frame[12:14], "big")
        packet = frame[14:]
        if kind == 0x0800:
            at = (packet[0] & 15) * 4
            self.sent.add((packet[9], socket.inet_ntoa(packet[16:20]),
                           int.from_bytes(packet[at:at + 2], "big"),
                           int.from_bytes(packet[at + 2:at + 4], "big")))
        elif kind == 0x86dd and packet[6] not in (0, socket.IPPROTO_ICMPV6):
            self.sent.add((packet[6], "IPv6", 0, 0))
        elif kind not in (ARP, 0x86dd):
            self.sent.add((hex(kind), "?", 0, 0))

    def stop(self):
        self.over.set()
        self.join()
        self.sock.close()
        return self.sent


class Leaks(SpaceTest):
    def setUp(self):
        super().setUp()
        self.core, self.leaf = self.lan()
        self.core_nodes(self.core, RELAYS, ipv6=False)
        self.core.address("c0", f"{NAMES}/24")
        self.leaf.address("l0", f"{LEAF}/24")
        # What leaks has a way out, to be seen there.
        self.leaf.ip("route", "add", "default", "via", "10.77.0.1")
        site = self.machine("site")
        self.cable(self.core, "c1", site, "s0")
        self.core.address("c1", "10.78.0.1/24")
        site.address("s0", f"{WEB}/24")
        site.ip("route", "add", "default", "via", "10.78.0.1")
        self.dns = self.core.within(
            lambda: Dns(NAMES, {"web.example": [WEB], "none.example": [],
                                "example.org": [WEB]}, 53))
        self.web = site.within(
            lambda: Web((WEB, 80), {"/": b"a page\n"}))
        self.addCleanup(self.web.close)
        self.dns.reverse[WEB] = "web.example"
        self.echo = site.within(lambda: UdpEcho(WEB, 7))
        self.addCleanup(self.echo.close)
        self.leaf.resolv(NAMES)  # what a program would ask by itself
        exit_node = self.node(
            self.core, "--testing-network", "--listen", "10.77.0.50:7881",
            "--bootstrap", "10.77.0.1:7881", "--exit",
            "--exit.nameservers", f"{NAMES}:53", "--exit.tcp_policy",
            f"accept {WEB}/32:*, accept *:*", "--exit.policy", "accept *:*",
            "--http", "127.0.0.1:7950")
        self.core.address("c0", "10.77.0.50/24")
        exit_node.start()
        self.client = self.node(
            self.leaf, "--testing-network", "--listen", f"{LEAF}:7881",
            "--bootstrap", "10.77.0.1:7881", "--socks", PROXY, "--dns", RESOLVER,
            "--tunnel.max_relays_or_exits", "0")
        self.client.start()
        for node in (exit_node, self.client):
            self.wait("all join", lambda n=node: n.status()["dht"]["joined"],
                      PATIENCE)

    def done(self, *args):
        done = self.leaf.run(*args, timeout=PATIENCE, cwd=self.root)
        self.assertEqual(done.returncode, 0, (args, done.stderr))
        return done.stdout

    def assert_tunnels_alone(self, sent):
        relays = {f"10.77.0.{i}" for i in (*range(1, RELAYS + 1), 50)}
        self.assertEqual({(p, port) for p, _, port, _ in sent},
                         {(socket.IPPROTO_UDP, 7881)})
        self.assertLessEqual({to for _, to, _, _ in sent}, relays)

    def test_only_datagrams_of_tunnels_leave(self):
        if missing("curl"):
            self.skipTest("no curl")
        recorder = Recorder(self.leaf, "l0")
        url = "http://web.example/"
        self.assertEqual(self.done("curl", "-sS", "--socks5-hostname", PROXY,
                                   url), "a page\n")
        self.assertEqual(self.done("curl", "-sS", "-p", "-x",
                                   f"http://{PROXY}", url), "a page\n")
        self.leaf.run("curl", "-sS", "--socks5-hostname", PROXY,
                      "http://no.example/", timeout=PATIENCE)
        if not missing("torsocks"):
            self.assertEqual(self.done("sh", "-e", "-c", block("torsocks")),
                             "a page\n")
        if not missing("tor-resolve"):
            self.assertEqual(self.done("tor-resolve", "web.example",
                                       PROXY).strip(), WEB)
        if not missing("proxychains4"):
            config = self.root / "proxychains.conf"
            config.write_text("strict_chain\nproxy_dns\nquiet_mode\n"
                              "[ProxyList]\nsocks5 127.0.0.1 1080\n")
            self.assertEqual(self.done("proxychains4", "-f", config, "curl",
                                       "-sS", url), "a page\n")
        self.assert_tunnels_alone(recorder.stop())
        # Somebody saw it all, and it was not the client.
        self.assertIn("web.example", self.dns.asked)
        self.assertIn("no.example", self.dns.asked)
        self.assertNotIn(LEAF, {a for a, _ in self.web.seen})

    def page_resolver(self):
        """The machine has the name server of docs/applications.md."""
        _, text = next(b for b in blocks("names") if b[0] == "ini")
        self.assertEqual(text, f"[dns]\nlisten = {RESOLVER}\n")
        self.leaf.resolv("127.0.0.1")
        place = pathlib.Path("/etc/netns") / self.leaf.name / "resolv.conf"
        place.write_text(block("names", "text"))

    def test_names_of_the_machine_and_datagrams(self):
        self.page_resolver()
        recorder = Recorder(self.leaf, "l0")
        script = block("names").replace("192.0.2.1", WEB)
        lines = self.done("sh", "-e", "-c", script).splitlines()
        self.assertEqual({x.split()[0] for x in lines}, {WEB}, lines)
        self.assertEqual(lines[-1].split()[1], "web.example")
        for name, code in (("a.warren", 2), ("no.example", 2),
                           ("none.example", 2)):
            done = self.leaf.run("getent", "ahostsv4", name, timeout=PATIENCE)
            self.assertEqual(done.returncode, code, (name, done.stderr))
        self.assertEqual(self.done("getent", "ahostsv4", "localhost").split()[
            0], "127.0.0.1")
        if not missing("dig"):
            self.assertEqual(self.done("dig", "+short", "web.example"),
                             WEB + "\n")
            self.assertIn("status: NOTIMP", self.done("dig", "web.example",
                                                      "MX"))
            self.assertIn("status: NXDOMAIN", self.done("dig", "no.example"))
        # A program by name: it is the address that goes to the proxy.
        if not missing("curl"):
            self.assertEqual(self.done("curl", "-sS", "--socks5", PROXY,
                                       "http://web.example/"), "a page\n")
        self.datagrams()
        self.assert_tunnels_alone(recorder.stop())
        self.assertIn("example.org", self.dns.asked)
        self.assertNotIn("a.warren", self.dns.asked)

    def datagrams(self):
        """By dante's socksify, and by hand."""
        (self.root / "socks.conf").write_text(block("udp", "text"))
        a = self.leaf.within(lambda: Association(("127.0.0.1", 1080)))
        self.assertTrue(a.ask(WEB, 7, b"by address"))
        self.assertTrue(a.ask("web.example", 7, b"by name"))
        a.send("no.example", 7, b"x")
        a.send("a.onion", 7, b"x")
        a.close()  # of two of one key the first may get the other's answers
        if not missing("socksify", "nc"):
            self.wait("socksify", lambda: "hello" in self.done(
                "sh", "-e", "-c", block("udp")), PATIENCE)
        self.assertEqual({s[0] for _, s in self.echo.seen}, {"10.77.0.50"})

    def test_the_recorder_sees_a_leak(self):
        """A program that resolves by itself is seen: the test can fail."""
        if missing("curl"):
            self.skipTest("no curl")
        recorder = Recorder(self.leaf, "l0")
        self.done("curl", "-sS", "--socks5", PROXY, "http://web.example/")
        self.assertIn((NAMES, 53), {(to, port) for _, to, _, port
                                    in recorder.stop()})


if __name__ == "__main__":
    unittest.main()
