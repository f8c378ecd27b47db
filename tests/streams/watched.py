# SPDX-License-Identifier: MIT
"""A client on a machine of its own, and every packet that leaves it by cable.
Needs root and iproute2 (machines.py)."""
import pathlib
import select
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "process"))
from machines import SpaceTest  # noqa
from nameserver import Dns  # noqa

from scene import Web  # noqa
from stage import PATIENCE, UdpEcho  # noqa

RELAYS = 6
LEAF = "10.77.0.100"
LEAF6 = "fd77::100"
WEB = "10.78.0.201"
WEB6 = "fd78::201"
NAMES = "10.77.0.210"
POLICY = f"accept {WEB}/32:*, accept {WEB6}/128:*, accept *:*"
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


class Watched(SpaceTest):
    """Relays, an exit and a name server on one machine, a web server behind
    them on another, and a client on a third, whose every packet is seen."""
    IPV6 = False  # addresses and a way out of it too

    def setUp(self):
        super().setUp()
        self.core, self.leaf = self.lan()
        self.core_nodes(self.core, RELAYS, ipv6=False)
        self.core.address("c0", f"{NAMES}/24")
        self.leaf.address("l0", f"{LEAF}/24")
        # What leaks has a way out, to be seen there.
        self.leaf.ip("route", "add", "default", "via", "10.77.0.1")
        if self.IPV6:
            self.core.address("c0", "fd77::1/64")
            self.leaf.address("l0", f"{LEAF6}/64")
            self.leaf.ip("route", "add", "default", "via", "fd77::1")
        site = self.site = self.machine("site")
        self.cable(self.core, "c1", site, "s0")
        self.core.address("c1", "10.78.0.1/24")
        site.address("s0", f"{WEB}/24")
        site.ip("route", "add", "default", "via", "10.78.0.1")
        if self.IPV6:
            self.core.address("c1", "fd78::1/64")
            site.address("s0", f"{WEB6}/64")
        self.dns = self.core.within(
            lambda: Dns(NAMES, {"web.example": [WEB], "none.example": [],
                                "example.org": [WEB]}, 53))
        self.dns.reverse[WEB] = "web.example"
        self.web = site.within(
            lambda: Web((WEB, 80), {"/": b"a page\n"}))
        self.addCleanup(self.web.close)
        self.echo = site.within(lambda: UdpEcho(WEB, 7))
        self.addCleanup(self.echo.close)
        self.leaf.resolv(NAMES)  # what a program would ask by itself
        exit_node = self.node(
            self.core, "--testing-network", "--listen", "10.77.0.50:7881",
            "--bootstrap", "10.77.0.1:7881", "--exit",
            "--exit.policy", POLICY, "--exit.tcp_policy", POLICY,
            "--exit.nameservers", f"{NAMES}:53", "--http", "127.0.0.1:7950")
        self.core.address("c0", "10.77.0.50/24")
        exit_node.start()
        self.client = self.node(
            self.leaf, "--testing-network", "--listen", f"{LEAF}:7881",
            "--bootstrap", "10.77.0.1:7881", "--socks", PROXY, "--dns",
            RESOLVER, "--tunnel.max_relays_or_exits", "0")
        self.client.start()
        for node in (exit_node, self.client):
            self.wait("all join", lambda n=node: n.status()["dht"]["joined"],
                      PATIENCE)

    def record(self):
        return Recorder(self.leaf, "l0")

    def assert_only_tunnels(self, sent):
        """From the daemon's one port to relays, and nothing else."""
        relays = {f"10.77.0.{i}" for i in (*range(1, RELAYS + 1), 50)}
        self.assertEqual({(p, port) for p, _, port, _ in sent},
                         {(socket.IPPROTO_UDP, 7881)})
        self.assertLessEqual({to for _, to, _, _ in sent}, relays)

    def done(self, *args, timeout=PATIENCE, code=0, **more):
        done = self.leaf.run(*args, timeout=timeout, **more)
        self.assertEqual(done.returncode, code, (args, done.stderr))
        return done.stdout
