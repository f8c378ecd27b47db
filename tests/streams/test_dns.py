#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The resolver of a client: names that exits look up through three hops, and
what is known, refused, dropped, and asked nobody."""
import ipaddress
import pathlib
import socket
import struct
import sys
import time
import unittest

from stage import PATIENCE, Streams, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "process"))
from nameserver import Dns  # noqa: E402

A, PTR, MX, AAAA, HTTPS = 1, 12, 15, 28, 65
FAILED, NO_NAME, NOT_IMPLEMENTED = 2, 3, 4


def question(name, kind, ident=7):
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
    return struct.pack(">HHHHHH", ident, 0x100, 1, 0, 0, 0) + labels + \
        struct.pack(">BHH", 0, kind, 1)


def text_of(data):
    """An address, or a name."""
    if len(data) in (4, 16):
        return str(ipaddress.ip_address(data))
    labels = []
    while data[0]:
        labels.append(data[1:1 + data[0]].decode())
        data = data[1 + data[0]:]
    return ".".join(labels)


def read(answer, asked):
    """The code, and (ttl, address or name) of each record; that there is none
    is said with how long."""
    ident, flags, questions, count, rest, edns = struct.unpack_from(
        ">6H", answer)
    assert ident == struct.unpack_from(">H", asked)[0] and questions == 1
    assert flags & 0x8180 == 0x8180 and not flags & 0x200, hex(flags)
    end = 12 + asked[12:].index(0) + 5
    assert answer[12:end] == asked[12:end]
    records, at = [], end
    for _ in range(count):
        pointer, _, _, ttl, length = struct.unpack_from(">HHHIH", answer, at)
        assert pointer == 0xc00c
        records.append((ttl, text_of(answer[at + 12:at + 12 + length])))
        at += 12 + length
    nothing = flags & 15 == NO_NAME or (flags & 15 == 0 and not records)
    assert rest == nothing
    if nothing:
        assert answer[at:at + 5] == b"\0\0\x06\0\1"  # SOA
        ttl, least = struct.unpack_from(">I20xI", answer, at + 5)
        assert 0 < ttl == least <= 3600, (ttl, least)
        at += 33
    assert edns == struct.unpack_from(">H", asked, 10)[0]
    assert at + 11 * edns == len(answer)
    return flags & 15, records


class Resolver(Streams):
    def setUp(self):
        super().setUp()
        self.host = self.net.prefix + ".201"
        self.dns = Dns(f"{self.net.prefix}.210", {
            "web.example": [self.host, self.net.prefix + ".202"],
            "slow.example": [self.host], "empty.example": []})
        self.add(flags=("--exit.become_exitnode", "yes", "--exit.policy",
                        "accept *:*", "--exit.tcp_policy", "accept *:*",
                        "--exit.nameservers", self.dns.endpoint,
                        "--exit.resolve_timeout", "2s"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            self.at = s.getsockname()
        self.client = self.add(
            f"[dns]\nlisten = 127.0.0.1:{self.at[1]}\ntimeout = 60s\n"
            "max_questions = 4\nmax_questions_per_source = 2\n"
            "[http]\nlisten = 127.0.0.1:0\n")
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(PATIENCE)
        self.closing.append(self.sock)

    def ask(self, name, kind):
        asked = question(name, kind)
        self.sock.sendto(asked, self.at)
        answer, source = self.sock.recvfrom(2048)
        self.assertEqual(source, self.at)
        return read(answer, asked)

    def count(self, what):
        return self.client.metrics()["warren_dns_" + what]

    def test_names(self):
        with self.subTest("a name"):
            code, records = self.ask("Web.example", A)
            self.assertEqual(code, 0)
            self.assertEqual({a for _, a in records},
                             {self.host, self.net.prefix + ".202"})
            self.assertTrue(all(5 <= t <= 3600 for t, _ in records), records)
        with self.subTest("it is known now, and has no other addresses"):
            asked = len(self.dns.asked)
            self.assertEqual(len(self.ask("web.example", A)[1]), 2)
            self.assertEqual(self.ask("web.example", AAAA), (0, []))
            self.assertEqual(len(self.dns.asked), asked)
            self.assertEqual(self.count("cached_total"), 2)
        with self.subTest("there is no such name"):
            self.assertEqual(self.ask("missing.example", A), (NO_NAME, []))
            self.assertEqual(self.ask("missing.example", A), (NO_NAME, []))
            self.assertEqual(self.count("lookups_total"), 2)
        with self.subTest("it has no address, or its servers fail"):
            self.assertEqual(self.ask("empty.example", A), (0, []))
            self.assertEqual(self.ask("empty.example", AAAA), (0, []))
            self.assertEqual(self.ask("failing.example", A), (FAILED, []))
            self.assertEqual(self.count("lookups_total"), 4)
        with self.subTest("the name of an address, and that there is none"):
            self.dns.reverse[self.host] = "web.example"
            back = ipaddress.ip_address(self.host).reverse_pointer
            none = ipaddress.ip_address("203.0.113.9").reverse_pointer
            for _ in range(2):
                code, records = self.ask(back, PTR)
                self.assertEqual((code, [n for _, n in records]),
                                 (0, ["web.example"]))
                self.assertEqual(self.ask(none, PTR), (NO_NAME, []))
            self.assertEqual(self.count("lookups_total"), 6)
        with self.subTest("asked nobody"):
            asked = len(self.dns.asked)
            for name in "a.warren", "a.local", "x.onion", "127.0.0.1":
                self.assertEqual(self.ask(name, A), (NO_NAME, []))
            for name in "a.warren", "x.onion":
                for kind in MX, HTTPS, PTR:
                    self.assertEqual(self.ask(name, kind), (NO_NAME, []))
            for name in "localhost", "www.LOCALHOST":
                self.assertEqual(self.ask(name, A), (0, [(3600, "127.0.0.1")]))
                self.assertEqual(self.ask(name, AAAA), (0, [(3600, "::1")]))
                self.assertEqual(self.ask(name, MX), (0, []))
            self.assertEqual(self.ask("x.example", PTR), (0, []))
            self.assertEqual(self.ask("web.example", HTTPS), (0, []))
            self.assertEqual(self.ask("web.example", MX),
                             (NOT_IMPLEMENTED, []))
            self.assertEqual(self.count("lookups_total"), 6)
            self.assertEqual(len(self.dns.asked), asked)

        with self.subTest("the exit's server says nothing, which is not kept"):
            self.assertEqual(self.ask("silent.example", A), (FAILED, []))
            lookups = self.count("lookups_total")
            self.assertEqual(self.ask("silent.example", A), (FAILED, []))
            self.assertEqual(self.count("lookups_total"), lookups + 1)

        with self.subTest("equal questions wait for one answer"):
            self.dns.delay = 1
            lookups = self.count("lookups_total")
            socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                     for _ in range(3)]
            for i, s in enumerate(socks):
                s.settimeout(PATIENCE)
                s.sendto(question("slow.example", A, i), self.at)
            for i, s in enumerate(socks):
                answer = read(s.recv(2048), question("slow.example", A, i))
                self.assertEqual([a for _, a in answer[1]], [self.host])
                s.close()
            self.assertEqual(self.count("lookups_total"), lookups + 1)
            self.assertEqual(self.count("joined_total"), 2)
        self.assertTrue(self.client.is_running())

    def test_edns(self):
        """Larger answers for who can take them; letters of a name come back
        as they are."""
        many = [f"{self.net.prefix}.{i}" for i in range(100, 108)]
        name = ".".join(["a" * 60] * 4)
        self.dns.names[name] = many
        plain = question(name.replace("aa", "aA"), A)
        for opt, code in ((b"", 0),
                          (struct.pack(">BHHIH", 0, 41, 1232, 0x8000, 0), 0),
                          (struct.pack(">BHHIH", 0, 41, 1232, 1 << 16, 0), 16)):
            with self.subTest(opt=opt):
                asked = plain[:11] + bytes([opt != b""]) + plain[12:] + opt
                self.sock.sendto(asked, self.at)
                answer = self.sock.recv(2048)
                if code == 16:
                    self.assertEqual(answer[-11:], struct.pack(
                        ">BHHIH", 0, 41, 1232, 1 << 24, 0))
                    continue
                self.assertEqual({a for _, a in read(answer, asked)[1]},
                                 set(many))
                if opt:
                    self.assertEqual(answer[-11:], opt)

    def test_its_cap(self):
        """One source has two lookups under way, and another one is served;
        nonsense is answered as such, or dropped."""
        self.assertEqual(self.ask("web.example", A)[0], 0)
        self.dns.delay = 1
        for i in range(3):
            self.sock.sendto(question(f"silent{i}.example", A, i), self.at)
        asked = question("silent2.example", A, 2)
        self.assertEqual(read(self.sock.recv(2048), asked), (FAILED, []))
        self.assertEqual(self.count("crowded_total"), 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(PATIENCE)
            s.bind(("127.1.0.2", 0))
            asked = question("slow.example", A)
            s.sendto(asked, self.at)
            self.assertEqual(read(s.recv(2048), asked)[0], 0)
        for _ in range(2):
            self.sock.recv(2048)
        for text in b"", b"\0\1", question("a", A)[:14], \
                b"\0\1\x81\x80" + question("a", A)[4:]:
            self.sock.sendto(text, self.at)
        self.assertEqual(self.sock.recv(2048),
                         struct.pack(">HHHHHH", 7, 0x8181, 0, 0, 0, 0))
        wait_for("nonsense is counted", lambda: self.count(
            "senseless_total") == 4, PATIENCE)
        self.assertEqual(self.ask("web.example", A)[0], 0)

    def test_dead_exits(self):
        """No exit is left: a question waits, and then has its answer."""
        self.net.nodes[-2].kill()
        self.client.stop()
        began = time.monotonic()
        self.client = self.add(
            f"[dns]\nlisten = 127.0.0.1:{self.at[1]}\ntimeout = 3s\n")
        self.assertEqual(self.ask("web.example", A), (FAILED, []))
        self.assertGreater(time.monotonic() - began, 3)


if __name__ == "__main__":
    unittest.main()
