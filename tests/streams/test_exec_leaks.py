#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What leaves the machine while programs run by `warren exec`: datagrams of the
daemon alone, even of one that tries to get out. Addresses are real ones here:
sites and servers are on a cable of their own, and the programs reach them by
name, by IPv4 and IPv6, by TCP and UDP.

Needs root and iproute2 for the machines; the programs get no privileges.
"""
import pathlib
import socket
import sys
import textwrap
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "process"))
from harness import BINARY  # noqa
from machines import SpaceTest  # noqa
from nameserver import Dns  # noqa

from running import WHY_NOT  # noqa
from scene import Web, missing  # noqa
from stage import PATIENCE, Server, echo  # noqa
from watched import Recorder  # noqa

RELAYS = 4
LEAF = "10.77.0.100"
NAMES = "10.77.0.210"
SITE, SITE6 = "10.78.0.201", "fd78::201"
ECHO = 4010

HONEST = """
import socket
def udp(to):
    s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET,
                      socket.SOCK_DGRAM)
    s.settimeout(60)
    s.sendto(b"hello", (to, %d))
    data, who = s.recvfrom(999)
    print(data.decode(), who[0] == to)
udp("%s")
udp("%s")
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(60)
s.sendto(b"hello", ("web.example", %d))
print(s.recv(999).decode())
s = socket.create_connection(("%s", %d), 60)
s.sendall(b"hello")
print(s.recv(999).decode())
""" % (ECHO, SITE, SITE6, ECHO, SITE6, ECHO)

# What it tries would do no harm if it succeeded: a hole in `warren exec` is not
# to take the machine down that finds it.
HOSTILE = """
import ctypes, os, socket, struct, subprocess
libc = ctypes.CDLL(None, use_errno=True)
out = []
def tries(what, call):
    try:
        out.append((what, call()))
    except Exception as error:
        out.append((what, type(error).__name__))
def send(kind, proto, to, data=b"leak"):
    s = socket.socket(socket.AF_INET, kind, proto)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
    s.sendto(data, (to, 4999))
    return "sent"
def sh(text):
    return subprocess.run(["sh", "-c", text], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode
def setns():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fd = os.open("/proc/%s/ns/net" % pid, os.O_RDONLY)
        except OSError:
            continue
        if os.fstat(fd).st_ino != os.stat("/proc/self/ns/net").st_ino \\
                and libc.setns(fd, 0) == 0:
            return "moved"
        os.close(fd)
    return "stayed"
def mark():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 36, 0x77)
def bound(device):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
for to in "10.77.0.1", "10.77.0.255", "255.255.255.255", "224.0.0.251", \\
        "10.78.0.201":
    tries("udp " + to, lambda: send(socket.SOCK_DGRAM, 0, to))
tries("raw", lambda: send(socket.SOCK_RAW, 1, "10.77.0.1"))
tries("ping", lambda: send(socket.SOCK_DGRAM, 1, "10.77.0.1"))
tries("sctp", lambda: send(socket.SOCK_SEQPACKET, 132, "10.77.0.1"))
tries("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
tries("mark", mark)
tries("device", lambda: bound(b"l0"))
for words in ("ip route add 192.0.2.77 dev lo", "ip link set lo mtu 60000",
              "nft add table ip of_warrens_test", "umount /etc/resolv.conf",
              "nsenter -t 1 -n true",
              "mount --bind /dev/null /etc/resolv.conf"):
    tries(words, lambda: sh(words))
# In a user namespace of its own it is mighty there, and nowhere else.
tries("nested", lambda: sh(
    "unshare -Ur sh -c 'nft add table ip of_warrens_test || "
    "ip route add 192.0.2.77 dev lo || umount /etc/resolv.conf || "
    "nsenter -t 1 -n true'"))
tries("nested net", lambda: sh("unshare -Urn sh -c 'ip link set lo up; "
                               "ping -c1 -W1 10.77.0.1'"))
tries("setns", setns)
print(dict(out))
"""


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Leaks(SpaceTest):
    def setUp(self):
        super().setUp()
        self.core, self.leaf = self.lan()
        self.core_nodes(self.core, RELAYS, ipv6=False)
        self.core.address("c0", f"{NAMES}/24")
        self.leaf.address("l0", f"{LEAF}/24", "fd77::100/64")
        # What leaks has a way out, to be seen there.
        self.leaf.ip("route", "add", "default", "via", "10.77.0.1")
        self.leaf.ip("route", "add", "default", "via", "fd77::1")
        site = self.machine("site")
        self.cable(self.core, "c1", site, "s0")
        self.core.address("c1", "10.78.0.1/24", "fd78::1/64")
        site.address("s0", f"{SITE}/24", f"{SITE6}/64")
        site.ip("route", "add", "default", "via", "10.78.0.1")
        self.dns = self.core.within(
            lambda: Dns(NAMES, {"web.example": [SITE]}, 53))
        self.web = site.within(lambda: Web((SITE, 80), {"/": b"a page\n"}))
        self.addCleanup(self.web.close)
        for family, at in ((socket.AF_INET, SITE), (socket.AF_INET6, SITE6)):
            self.echo(site, family, at)
        server = site.within(lambda: Server(
            (SITE6, ECHO), echo, family=socket.AF_INET6))
        self.addCleanup(server.close)
        self.leaf.resolv(NAMES)  # what a program would ask by itself
        exit_node = self.node(
            self.core, "--testing-network", "--listen", "10.77.0.50:7881",
            "--bootstrap", "10.77.0.1:7881", "--exit", "--exit.nameservers",
            f"{NAMES}:53", "--exit.policy", self.policy(),
            "--exit.tcp_policy", self.policy(), "--http", "127.0.0.1:7950")
        self.core.address("c0", "10.77.0.50/24")
        exit_node.start()
        self.client = self.node(
            self.leaf, "--testing-network", "--listen", f"{LEAF}:7881",
            "--bootstrap", "10.77.0.1:7881", "--tunnel.max_relays_or_exits",
            "0")
        self.client.start()
        for node in (exit_node, self.client):
            self.wait("all join", lambda n=node: n.status()["dht"]["joined"],
                      PATIENCE)

    def policy(self):
        return f"accept {SITE}/32:*, accept {SITE6}/128:*, accept *:*"

    def echo(self, site, family, at):
        def make():
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.bind((at, ECHO))
            return s

        def talk(s):
            while True:
                data, who = s.recvfrom(999)
                s.sendto(data + b" from " + who[0].encode(), who)
        threading.Thread(target=talk, args=(site.within(make),),
                         daemon=True).start()

    def exec(self, *words, flags=(), before=()):
        return self.leaf.run(*before, BINARY, "exec", "--data-dir",
                             self.client.dir, "--hops", "2", *flags, *words,
                             timeout=PATIENCE)

    def done(self, *words, **more):
        done = self.exec(*words, **more)
        self.assertEqual(done.returncode, 0, (words, done.stderr))
        return done.stdout

    def check(self, recorder):
        sent = recorder.stop()
        relays = {f"10.77.0.{i}" for i in (*range(1, RELAYS + 1), 50)}
        self.assertEqual({(p, port) for p, _, port, _ in sent},
                         {(socket.IPPROTO_UDP, 7881)}, sent)
        self.assertLessEqual({to for _, to, _, _ in sent}, relays)

    def test_only_datagrams_of_tunnels_leave(self):
        recorder = Recorder(self.leaf, "l0")
        if not missing("curl"):
            for at in "web.example", SITE:
                self.assertEqual(self.done("curl", "-sS", f"http://{at}/"),
                                 "a page\n")
            self.assertNotEqual(self.exec(
                "curl", "-sS", "http://no.example/").returncode, 0)
        self.assertEqual(self.done("/usr/bin/python3", "-c", HONEST), (
            "hello from 10.77.0.50 True\nhello from fd78::1 True\n"
            "hello from 10.77.0.50\nhello\n"))
        self.check(recorder)
        self.assertIn("web.example", self.dns.asked)
        self.assertNotIn(LEAF, {a for a, _ in self.web.seen})

    def test_a_program_that_tries_to_get_out(self):
        recorder = Recorder(self.leaf, "l0")
        said = self.done("/usr/bin/python3", "-c", textwrap.dedent(HOSTILE))
        self.check(recorder)
        tried = eval(said)  # what HOSTILE prints
        self.assertEqual(tried["setns"], "stayed")
        for what in ("raw", "ping", "packet", "mark"):
            self.assertIn(tried[what], ("PermissionError", "OSError"), what)
        for what, status in tried.items():
            if " " in what and not what.startswith("udp"):
                self.assertNotEqual(status, 0, what)
        self.assertNotEqual(tried["nested"], 0)

    def test_torsocks_instead(self):
        """Where there are no namespaces, and leaks are allowed."""
        if missing("torsocks", "curl"):
            self.skipTest("no torsocks")
        recorder = Recorder(self.leaf, "l0")
        done = self.exec(
            "curl", "-sS", "http://web.example/", flags=("--allow-leaks",),
            before=("unshare", "--user", "--map-root-user", "sh", "-c",
                    "echo 0 >/proc/sys/user/max_user_namespaces && "
                    "exec \"$@\"", "sh"))
        self.assertEqual((done.returncode, done.stdout), (0, "a page\n"),
                         done.stderr)
        self.assertIn("curl runs by torsocks", done.stderr)
        self.check(recorder)

    def test_the_recorder_sees_a_leak(self):
        """The test can fail. But HOSTILE is never run without `warren exec`:
        with privileges it would do to this machine what it tries."""
        recorder = Recorder(self.leaf, "l0")
        self.leaf.run("/usr/bin/python3", "-c", """if True:
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.sendto(b"leak", ("10.77.0.1", 4999))""", timeout=PATIENCE)
        self.assertIn((socket.IPPROTO_UDP, "10.77.0.1", 4999),
                      {(p, to, port) for p, to, _, port in recorder.stop()})


if __name__ == "__main__":
    unittest.main()
