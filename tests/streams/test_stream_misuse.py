#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Clients and servers that misbehave, through the proxy and an exit; each time
somebody honest is served. And ends that are none: a daemon that is killed."""
import os
import resource
import socket
import struct
import threading
import time
import unittest

from scene import Scene, descriptors
from stage import (PATIENCE, SocksError, bytes_of, echo, read_all, read_exact,
                   socks, wait_for)

MANY = 1000
RST = struct.pack("ii", 1, 0)


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    s.close()


class Floods:
    """A server that sends without an end, and counts; and that reads only as
    fast as it is told."""

    def __init__(self):
        self.sent = self.read = 0
        self.reading = threading.Event()

    def pour(self, _, s):
        while True:
            self.sent += s.send(bytes(65536))

    def ignore(self, _, s):
        self.reading.wait(PATIENCE)
        while data := s.recv(65536):
            self.read += len(data)
        s.shutdown(socket.SHUT_WR)


class Misuse(Scene):
    def setUp(self):
        super().setUp()
        self.node, self.at = self.proxy()
        self.mirror = self.server(echo).server_address

    def served(self, text=b"honest", proxy=None):
        s = socks(proxy or self.at, *self.mirror)
        s.sendall(text)
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(s), text)
        s.close()

    def clients(self):
        return int(self.node.metrics()["warren_socks_clients"])

    def all_gone(self):
        wait_for("the proxy has no clients", lambda: self.clients() == 0,
                 PATIENCE, 0.1)

    def test_slow_and_silent(self):
        """Nobody keeps more than a few buffers of what is not read."""
        floods = Floods()
        pours = self.server(floods.pour).server_address
        ignores = self.server(floods.ignore).server_address
        self.served()

        with self.subTest("a reader that does not read"):
            slow = [socks(self.at, *pours) for _ in range(5)]
            before = -1
            while before != floods.sent:  # until nobody takes any more
                before = floods.sent
                time.sleep(1)
            # The kernel's buffers of two sockets each, and the stream's.
            self.assertLess(floods.sent, 5 * 20_000_000)
            self.served()
            read_exact(slow[0], 3_000_000)  # and it goes on
            for s in slow:
                reset(s)
            self.all_gone()

        with self.subTest("a server that does not read"):
            s = socks(self.at, *ignores)
            sent = 0
            s.settimeout(3)
            try:
                while sent < 100_000_000:
                    sent += s.send(bytes(65536))
            except TimeoutError:
                pass
            self.assertLess(sent, 30_000_000)
            self.served()
            floods.reading.set()
            s.settimeout(PATIENCE)
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(s), b"")
            self.assertEqual(floods.read, sent)
            s.close()

        with self.subTest("a slow sender"):
            s = socket.create_connection(self.at, PATIENCE)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in self.request():
                s.sendall(bytes([byte]))
                time.sleep(0.01)
            for byte in b"one by one":
                s.sendall(bytes([byte]))
                time.sleep(0.01)
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(self.after_answers(s), b"one by one")

        with self.subTest("all at once"):
            s = socket.create_connection(self.at, PATIENCE)
            s.sendall(self.request() + b"all at once")
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(self.after_answers(s), b"all at once")

        with self.subTest("all said before there is an answer"):
            self.dns.names["slow.example"] = [self.mirror[0]]
            self.dns.delay = 2
            s = socket.create_connection(self.at, PATIENCE)
            s.sendall(self.request("slow.example") + b"early")
            wait_for("the exit asks", lambda: "slow.example" in self.dns.asked)
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(self.after_answers(s), b"early")

    def request(self, host=None):
        host, port = host or self.mirror[0], self.mirror[1]
        return (b"\5\1\0" b"\5\1\0\3" + bytes([len(host)]) + host.encode() +
                port.to_bytes(2, "big"))

    def after_answers(self, s):
        """What follows the answers to greeting and request."""
        self.assertEqual(read_exact(s, 2), b"\5\0")
        head = read_exact(s, 4)
        self.assertEqual(head[:2], b"\5\0")
        read_exact(s, {1: 4, 4: 16}[head[3]] + 2)
        out = read_all(s)
        s.close()
        return out

    def test_resets_at_each_step(self):
        request = self.request()
        for ending in (reset, socket.socket.close):
            for count in range(len(request) + 1):
                s = socket.create_connection(self.at, PATIENCE)
                s.sendall(request[:count])
                ending(s)
        for ending in (reset, socket.socket.close):
            s = socks(self.at, *self.mirror, early=bytes(10_000))
            ending(s)
        self.all_gone()
        self.served()

        def rude(server, s):  # resets after as many bytes as it was asked for
            count = s.recv(1)[0]
            s.sendall(bytes(count))
            s.recv(1)
            reset(s)
        rudely = self.server(rude).server_address
        for count in 0, 1, 200:
            s = socks(self.at, *rudely)
            s.sendall(bytes([count]))
            read_exact(s, count)
            s.sendall(b"x")
            with self.assertRaises(ConnectionResetError):
                s.recv(1)
            s.close()
        self.served()

    def test_many_at_once(self):
        """A thousand connections, all open at the same time, each with bytes
        of its own."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertGreater(hard, 2 * MANY + 100)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE,
                        (soft, hard))
        found, wrong = [], []

        def some(first):
            for i in range(first, MANY, 20):
                try:
                    s = socks(self.at, *self.mirror, user=(f"k{i % 4}", "x"))
                    s.sendall(bytes_of(i, 100))
                    found.append((i, s))
                except (OSError, SocksError) as error:
                    wrong.append((i, error))
        threads = [threading.Thread(target=some, args=(i,))
                   for i in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
        self.assertEqual(self.clients(), MANY)
        for i, s in found:
            self.assertEqual(read_exact(s, 100), bytes_of(i, 100))
            s.close()
        self.all_gone()
        self.served()

    def test_no_descriptors_left(self):
        """The client's are used up: who comes later waits, and is served when
        others go. Meanwhile it does not turn in circles."""
        self.served()
        pid = self.node.process.pid
        limit = descriptors(self.node.process) + 20
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, limit))
        idle = [socket.create_connection(self.at, PATIENCE)
                for _ in range(40)]
        wait_for("there are none left", lambda: descriptors(
            self.node.process) == limit, PATIENCE)

        def ticks():
            with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                word = f.read().rsplit(")", 1)[1].split()
            return (int(word[11]) + int(word[12])) / os.sysconf("SC_CLK_TCK")
        before = ticks()
        time.sleep(2)
        self.assertLess(ticks() - before, 0.2)
        for s in idle:
            s.close()
        self.served()

    def test_the_killed(self):
        """Who is killed ends no stream well: neither the client's daemon, nor
        the exit."""
        floods = Floods()
        port = self.server(floods.pour).server_address
        s = socks(self.at, *port)
        read_exact(s, 100_000)
        self.node.kill()
        with self.assertRaises(ConnectionResetError):
            while s.recv(65536):
                pass
        s.close()
        self.node.start("--tunnel.max_relays_or_exits", "0", "--config",
                        str(self.node.dir) + ".ini", wait=False)
        self.node.wait_ready()
        self.served()

        s = socks(self.at, *port)
        read_exact(s, 100_000)
        self.exit.kill()
        with self.assertRaises(ConnectionResetError):
            while s.recv(65536):
                pass
        s.close()


class Crowds(Scene):
    def test_over_the_cap(self):
        """Who holds all that one source may have is refused more, and keeps
        nobody else from being served."""
        _, at = self.proxy("max_clients = 64\nmax_clients_per_source = 8\n")
        mirror = self.server(echo).server_address
        own = [socks(at, *mirror) for _ in range(8)]
        for _ in range(20):
            s = socket.create_connection(at, PATIENCE)
            self.assertEqual(s.recv(1), b"")
            s.close()
        s = socket.create_connection(at, PATIENCE, ("127.99.0.1", 0))
        host, port = mirror
        s.sendall(b"\5\1\0" b"\5\1\0\3" + bytes([len(host)]) + host.encode() +
                  port.to_bytes(2, "big") + b"honest")
        s.shutdown(socket.SHUT_WR)
        self.assertTrue(read_all(s).endswith(b"honest"))
        s.close()
        for s in own:
            s.sendall(b"still there")
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(s), b"still there")
            s.close()


if __name__ == "__main__":
    unittest.main()
