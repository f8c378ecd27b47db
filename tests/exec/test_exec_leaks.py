#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What leaves the machine while programs run by `warren exec`: datagrams of the
daemon alone, even of one that tries to get out. Addresses are real ones here:
sites and servers are on a cable of their own, and the programs reach them by
name, by IPv4 and IPv6, by TCP and UDP.

Needs root and iproute2 for the machines; the programs get no privileges.
"""
import socket
import textwrap
import unittest

from running import WHY_NOT
from scene import missing
from stage import PATIENCE, Server, UdpEcho, echo
from harness import BINARY
from watched import LEAF, WEB, WEB6, Watched

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
""" % (ECHO, WEB, WEB6, ECHO, WEB6, ECHO)

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
class Leaks(Watched):
    IPV6 = True

    def setUp(self):
        super().setUp()
        self.echoes = [self.site.within(lambda: UdpEcho(WEB, ECHO)),
                       self.site.within(lambda: UdpEcho(
                           WEB6, ECHO, socket.AF_INET6))]
        server = self.site.within(lambda: Server(
            (WEB6, ECHO), echo, family=socket.AF_INET6))
        for made in (*self.echoes, server):
            self.addCleanup(made.close)

    def exec(self, *words, flags=(), before=()):
        done = self.leaf.run(*before, BINARY, "exec", "--data-dir",
                             self.client.dir, "--hops", "2", *flags, *words,
                             timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, (words, done.stderr))
        return done

    def test_only_datagrams_of_tunnels_leave(self):
        recorder = self.record()
        if not missing("curl"):
            for at in "web.example", WEB:
                self.assertEqual(self.exec("curl", "-sS",
                                           f"http://{at}/").stdout, "a page\n")
            self.exec("sh", "-c", "! curl -sS http://no.example/")
        self.assertEqual(
            self.exec("/usr/bin/python3", "-c", HONEST).stdout,
            "echo hello True\necho hello True\necho hello\nhello\n")
        self.assert_only_tunnels(recorder.stop())
        self.assertEqual([{who[0] for _, who in e.seen} for e in self.echoes],
                         [{"10.77.0.50"}, {"fd78::1"}])
        self.assertIn("web.example", self.dns.asked)
        self.assertNotIn(LEAF, {a for a, _ in self.web.seen})

    def test_a_program_that_tries_to_get_out(self):
        recorder = self.record()
        done = self.exec("/usr/bin/python3", "-c", textwrap.dedent(HOSTILE))
        self.assert_only_tunnels(recorder.stop())
        tried = eval(done.stdout)  # what HOSTILE prints
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
        recorder = self.record()
        done = self.exec(
            "curl", "-sS", "http://web.example/", flags=("--allow-leaks",),
            before=("unshare", "--user", "--map-root-user", "sh", "-c",
                    "echo 0 >/proc/sys/user/max_user_namespaces && "
                    "exec \"$@\"", "sh"))
        self.assertEqual(done.stdout, "a page\n")
        self.assertIn("curl runs by torsocks", done.stderr)
        self.assert_only_tunnels(recorder.stop())

    def test_the_recorder_sees_a_leak(self):
        """The test can fail. But HOSTILE is never run without `warren exec`:
        with privileges it would do to this machine what it tries."""
        recorder = self.record()
        self.leaf.run("/usr/bin/python3", "-c", """if True:
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.sendto(b"leak", ("10.77.0.1", 4999))""", timeout=PATIENCE)
        self.assertIn((socket.IPPROTO_UDP, "10.77.0.1", 4999),
                      {(p, to, port) for p, to, _, port in recorder.stop()})


if __name__ == "__main__":
    unittest.main()
