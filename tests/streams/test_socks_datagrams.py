#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Datagrams through the proxy: UDP ASSOCIATE to servers of an Internet of ours
and to a service, by address and by name, whose they are, what is dropped, and
what becomes of them when circuits end."""
import ipaddress
import pathlib
import socket
import sys
import time
import unittest

from stage import (PATIENCE, SocksError, Streams, UdpEcho, read_exact,
                   wait_for)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "process"))
from nameserver import Dns  # noqa: E402

SHORT = 1.5  # s, in which nothing is to come


def head(host, port, fragment=0):
    """What stands before a datagram: host as an address, or as a name."""
    try:
        ip = ipaddress.ip_address(host).packed
        to = bytes([1 if len(ip) == 4 else 4]) + ip
    except ValueError:
        to = bytes([3, len(host)]) + host.encode()
    return bytes([0, 0, fragment]) + to + port.to_bytes(2, "big")


class Association:
    """A client of UDP ASSOCIATE, by hand."""

    def __init__(self, proxy, user=None, port=0):
        self.control = socket.create_connection(proxy, PATIENCE)
        if user is None:
            self.control.sendall(b"\5\1\0")
            assert read_exact(self.control, 2) == b"\5\0"
        else:
            name, word = (x.encode() for x in user)
            self.control.sendall(b"\5\1\2\1" + bytes([len(name)]) + name +
                                 bytes([len(word)]) + word)
            assert read_exact(self.control, 4) == b"\5\2\1\0"
        self.control.sendall(b"\5\3\0\1\0\0\0\0" + port.to_bytes(2, "big"))
        answer = read_exact(self.control, 10)
        if answer[1] != 0:
            self.control.close()
            raise SocksError(answer[1])
        assert answer[3] == 1
        self.at = (socket.inet_ntoa(answer[4:8]),
                   int.from_bytes(answer[8:], "big"))
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", port))

    def send(self, host, port, data, fragment=0):
        self.sock.sendto(head(host, port, fragment) + data, self.at)

    def receive(self, timeout=PATIENCE):
        self.sock.settimeout(timeout)
        data, source = self.sock.recvfrom(65536)
        assert source == self.at, source
        return data

    def ask(self, host, port, data, timeout=PATIENCE):
        """The answer to data, said again every second, as programs do."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.send(host, port, data)
            try:
                while True:
                    answer = self.receive(1)
                    if answer.endswith(b"echo " + data):
                        return answer
            except TimeoutError:
                pass
        raise AssertionError(f"no answer from {host}:{port}")

    def is_silent(self):
        try:
            self.receive(SHORT)
            return False
        except TimeoutError:
            return True

    def close(self):
        self.sock.close()
        self.control.close()


class SocksDatagrams(Streams):
    def setUp(self):
        super().setUp()
        self.echo = UdpEcho(self.net.prefix + ".201")
        self.closing.append(self.echo)
        self.dns = Dns(f"{self.net.prefix}.210",
                       {"echo.example": [self.echo.at[0]]})
        self.exits = [self.add(flags=(
            "--exit.become_exitnode", "yes", "--exit.policy", "accept *:*",
            "--exit.nameservers", self.dns.endpoint)) for _ in range(2)]

    def associate(self, *args, **more):
        a = Association(*args, **more)
        self.closing.append(a)
        return a

    def test_there_and_back(self):
        client, proxy = self.proxy(
            "max_associations = 6\nmax_associations_per_source = 3\n"
            "[http]\nlisten = 127.0.0.1:0\n")
        host, port = self.echo.at

        # Before there is any circuit.
        a = self.associate(proxy)
        self.assertEqual(a.at[0], "127.0.0.1")
        with self.subTest("by address"):
            self.assertEqual(a.ask(host, port, b"one"),
                             head(host, port) + b"echo one")
        with self.subTest("by name: the answer has the address"):
            self.assertEqual(a.ask("echo.example", port, b"two"),
                             head(host, port) + b"echo two")
            self.assertIn("echo.example", self.dns.asked)
        with self.subTest("an empty one, and a long one"):
            self.assertEqual(a.ask(host, port, b""),
                             head(host, port) + b"echo ")
            long = bytes(range(256)) * 12
            self.assertEqual(a.ask(host, port, long),
                             head(host, port) + b"echo " + long)
        exits = {e.address for e in self.exits}
        self.assertLessEqual({s[0] for _, s in self.echo.seen}, exits)

        with self.subTest("fragments and nonsense are dropped"):
            a.send(host, port, b"fragment", fragment=1)
            a.sock.sendto(b"\0\0\0\7nonsense", a.at)
            a.send("localhost", port, b"here")
            self.assertTrue(a.is_silent())
            self.assertFalse([d for d, _ in self.echo.seen
                              if d in (b"fragment", b"here")])

        with self.subTest("another source is dropped"):
            other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            other.bind(("127.0.0.1", 0))
            other.sendto(head(host, port) + b"other port", a.at)
            far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            far.bind(("127.0.0.2", 0))
            far.sendto(head(host, port) + b"other address", a.at)
            time.sleep(SHORT)
            self.assertFalse([d for d, _ in self.echo.seen
                              if d.startswith(b"other")])
            other.close()
            far.close()
            dropped = "warren_socks_datagrams_dropped_total{reason=\"%s\"}"
            metrics = client.metrics()
            self.assertEqual(metrics[dropped % "strange"], 2)
            self.assertEqual(metrics[dropped % "fragment"], 1)
            self.assertEqual(metrics[dropped % "senseless"], 1)
            self.assertEqual(metrics[dropped % "lost"], 1)

        with self.subTest("users do not share circuits"):
            sources = {}
            for user in (("a", "1"), ("a", "2"), ("b", "1")):
                b = Association(proxy, user=user)
                b.ask(host, port, repr(user).encode())
                sources[user] = {s for d, s in self.echo.seen
                                 if d == repr(user).encode()}
                b.close()
            # Each circuit has a socket of its own at the exit.
            for user, ports in sources.items():
                for another, others in sources.items():
                    if user != another:
                        self.assertFalse(ports & others)

        with self.subTest("the port of the request"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind(("127.0.0.1", 0))
                named = s.getsockname()[1]
            b = self.associate(proxy, port=named)
            other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            other.sendto(head(host, port) + b"first", b.at)
            b.ask(host, port, b"mine")
            self.assertFalse([d for d, _ in self.echo.seen if d == b"first"])
            other.close()

        with self.subTest("the cap of a source, and its end"):
            c = self.associate(proxy)
            with self.assertRaises(SocksError):
                Association(proxy)
            c.close()
            wait_for("there is room", lambda: client.metrics()[
                "warren_socks_associations"] == 2, PATIENCE)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, \
                    self.assertRaises(ConnectionRefusedError):
                s.connect(c.at)
                s.send(b"x")
                s.settimeout(PATIENCE)
                s.recv(1)
            d = self.associate(proxy)
            d.ask(host, port, b"honest")
            self.assertEqual(client.metrics()[
                "warren_socks_associations_crowded_total"], 1)

    def test_circuits_end(self):
        client, proxy = self.proxy("[http]\nlisten = 127.0.0.1:0\n")
        host, port = self.echo.at
        a = self.associate(proxy)
        a.ask(host, port, b"before")
        used = {s for d, s in self.echo.seen if d == b"before"}
        for circuit in client.json("circuits")["circuits"]:
            client.cli("tunnel", "close", str(circuit["id"]))
        self.assertTrue(a.ask(host, port, b"after"))
        after = {s for d, s in self.echo.seen if d == b"after"}
        self.assertFalse(used & after)
        self.assertGreaterEqual(client.metrics()["warren_flow_moves_total"],
                                1)
        # An exit that dies, and the relays that stay find another one.
        for dead in self.exits:
            if dead.address == next(iter(after))[0]:
                dead.kill()
        self.assertTrue(a.ask(host, port, b"and again"))
        self.assertTrue(client.is_running())


class SocksDatagramsToServices(Streams):
    def test_a_service(self):
        echo = UdpEcho("127.0.0.1")
        self.closing.append(echo)
        _, address = self.service([f"53 udp 127.0.0.1:{echo.at[1]}"])
        _, proxy = self.proxy()
        a = Association(proxy)
        self.closing.append(a)
        self.assertEqual(a.ask(address, 53, b"hidden"),
                         head(address, 53) + b"echo hidden")
        # The address that nobody has goes nowhere.
        a.send("nobody.warren", 53, b"x")
        self.assertTrue(a.is_silent())


if __name__ == "__main__":
    unittest.main()
