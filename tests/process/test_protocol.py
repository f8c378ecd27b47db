#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A client in another language: msgpack over UDP, as docs/protocol.md says,
and what a node does with datagrams that are not like that."""
import os
import socket
import struct
import threading
import time
import unittest

import msgpack

from harness import ProcessTest, wait_for


def ask(sock, to, method, **arguments):
    """One query and its answer: the whole client. The node may ask us, too."""
    transaction = os.urandom(2)
    arguments["id"] = b"\x11" * 20
    sock.sendto(msgpack.packb({"a": arguments, "q": method, "t": transaction,
                               "y": "q"}), to)
    while True:
        answer = msgpack.unpackb(sock.recv(2048), raw=True)
        # A cell of no session has been answered by a hint, an array.
        if isinstance(answer, dict) and answer[b"y"] != b"q":
            assert answer[b"t"] == transaction, answer
            return answer


class Client(ProcessTest):
    def setUp(self):
        super().setUp()
        self.node = self.net.add().start()
        self.to = (self.node.address, 7881)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((f"{self.net.prefix}.200", 0))
        self.sock.settimeout(5)
        self.addCleanup(self.sock.close)

    def test_ping(self):
        answer = ask(self.sock, self.to, "ping")
        self.assertEqual(answer[b"y"], b"r")
        self.assertEqual(answer[b"r"][b"id"].hex(), self.node.id())
        host, port = self.sock.getsockname()
        self.assertEqual(answer[b"ip"],
                         socket.inet_aton(host) + struct.pack(">H", port))

    def test_find_node(self):
        second = self.net.add([self.node]).start()
        second.wait_joined()
        wait_for("the first node knows the second",
                 lambda: self.node.json("dht", "nodes")["nodes"])
        nodes = ask(self.sock, self.to, "find_node",
                    target=b"\x22" * 20)[b"r"][b"nodes"]
        self.assertEqual(nodes, bytes.fromhex(second.id())
                         + socket.inet_aton(second.address)
                         + struct.pack(">H", 7881))

    def test_announce_and_get_peers(self):
        info_hash = b"\x33" * 20
        answer = ask(self.sock, self.to, "get_peers", info_hash=info_hash)
        self.assertNotIn(b"values", answer[b"r"])
        token = answer[b"r"][b"token"]
        self.assertEqual(len(token), 8)
        answer = ask(self.sock, self.to, "announce_peer", info_hash=info_hash,
                     port=1234, token=token)
        self.assertEqual(answer[b"y"], b"r")
        answer = ask(self.sock, self.to, "get_peers", info_hash=info_hash)
        peer = socket.inet_aton(self.sock.getsockname()[0]) + b"\x04\xd2"
        self.assertEqual(answer[b"r"][b"values"], [peer])

    def test_wrong_token(self):
        answer = ask(self.sock, self.to, "announce_peer",
                     info_hash=b"\x33" * 20, port=1, token=b"12345678")
        self.assertEqual(answer[b"y"], b"e")
        self.assertEqual(answer[b"e"][0], 203)

    def drops(self):
        return {name: value for name, value in self.node.metrics().items()
                if "_dropped_total{" in name}

    def test_malformed_is_counted_by_reason(self):
        query = {"a": {"id": b"\x11" * 20}, "q": "ping", "t": b"aa", "y": "q"}
        good = msgpack.packb(query)
        deep = b"\x81\xa1t" + b"\x91" * 100 + b"\xc0"
        cell = struct.pack(">BBBIBQ", 0x95, 4, 0xce, 77, 0xcf, 1)
        cell += b"\xc4\x15" + bytes(21) + b"\xc5" + struct.pack(">H", 344)
        noise = bytes(48)
        rows = [
            (b"", 'udp_dropped_total{reason="empty"}'),
            (b"d1:ad2:id20:", 'udp_dropped_total{reason="foreign"}'),
            (b"\x93\x01\x02\x03",
             'tunnel_dropped_total{reason="wrong_length"}'),
            (cell + bytes(344), 'tunnel_dropped_total{reason="not_found"}'),
            (cell, 'tunnel_dropped_total{reason="not_msgpack"}'),
            (msgpack.packb([11]),
             'tunnel_dropped_total{reason="unknown_kind"}'),
            (msgpack.packb([2, 1, 1, noise]),
             'tunnel_dropped_total{reason="unexpected"}'),
            (msgpack.packb([6, bytes(8), b"text"]),
             'tunnel_dropped_total{reason="unexpected"}'),
            (b"\x80" * 1501, 'udp_dropped_total{reason="received_too_long"}'),
            (good[:-1], 'dht_dropped_total{reason="not_msgpack"}'),
            (good + b"\xc0", 'dht_dropped_total{reason="trailing"}'),
            (deep, 'dht_dropped_total{reason="too_deep"}'),
            (msgpack.packb({**query, "a": {}}),
             'dht_dropped_total{reason="missing"}'),
            (msgpack.packb({**query, "a": {"id": b"short"}}),
             'dht_dropped_total{reason="wrong_length"}'),
            (msgpack.packb({**query, "n": "elsewhere"}),
             'dht_dropped_total{reason="network"}'),
            (msgpack.packb({"r": {"id": b"\x11" * 20}, "t": b"zz", "y": "r"}),
             'dht_dropped_total{reason="unexpected"}'),
        ]
        for datagram, metric in rows:
            with self.subTest(metric=metric):
                name = "warren_" + metric
                before = self.drops()
                self.assertIn(name, before)
                self.sock.sendto(datagram, self.to)
                wait_for(f"{name} counts",
                         lambda: self.drops()[name] == before[name] + 1)
                after = self.drops()
                after[name] -= 1
                self.assertEqual(after, before)
        # Those that have a transaction and lack something get an error (203).
        for _ in range(2):
            answer = msgpack.unpackb(self.sock.recv(2048), raw=True)
            while not isinstance(answer, dict) or answer[b"y"] == b"q":
                answer = msgpack.unpackb(self.sock.recv(2048), raw=True)
            self.assertEqual((answer[b"y"], answer[b"t"]), (b"e", b"aa"))
            self.assertEqual(answer[b"e"][0], 203)
        # it is as well as before
        self.assertEqual(ask(self.sock, self.to, "ping")[b"y"], b"r")

    def test_garbage(self):
        for size in range(1, 400):
            self.sock.sendto(os.urandom(size), self.to)
        self.sock.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            while True:
                self.sock.recv(2048)  # errors, at most
        self.sock.settimeout(5)
        self.assertEqual(ask(self.sock, self.to, "ping")[b"y"], b"r")


class BehindNat(ProcessTest):
    """What a node makes of where others say that it is."""

    def peer(self, number, seen_port):
        """A DHT node that sees the other one at `seen_port`."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((f"{self.net.prefix}.{210 + number}", 7881))
        own_id = os.urandom(20)
        seen = socket.inet_aton(f"{self.net.prefix}.99")
        seen += struct.pack(">H", seen_port)

        def serve():
            while True:
                datagram, sender = sock.recvfrom(2048)
                query = msgpack.unpackb(datagram, raw=True)
                if not query:  # from close()
                    sock.close()
                    return
                if isinstance(query, dict):  # not an ASK
                    sock.sendto(msgpack.packb({
                        "ip": seen, "r": {"id": own_id, "nodes": b""},
                        "t": query[b"t"], "y": "r"}), sender)

        def close():
            sock.sendto(msgpack.packb([]), sock.getsockname())
            thread.join()

        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(close)
        return f"{self.net.prefix}.{210 + number}:7881"

    def node_seen_at(self, ports):
        """A node that does not know its address from its own socket."""
        peers = [self.peer(i, port) for i, port in enumerate(ports)]
        node = self.net.add(peers)
        flags = node.flags()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("0.0.0.0", 0))
            port = free.getsockname()[1]
        flags[flags.index("--listen") + 1] = f"0.0.0.0:{port}"
        node.flags = lambda: flags
        node.start()
        wait_for("it knows its address",
                 lambda: node.status()["dht"]["ipv4"]["external"])
        return node

    def test_one_port_is_published(self):
        node = self.node_seen_at([4000] * 6)
        seen = f"{self.net.prefix}.99:4000"
        self.assertEqual(node.status()["dht"]["ipv4"]["external"], seen)
        wait_for("it publishes its address", lambda: node.status()["tunnels"][
            "addresses"] == [seen])

    def test_no_port_of_many_is_published(self):
        node = self.node_seen_at(range(4000, 4006))
        time.sleep(2)
        status = node.status()
        self.assertEqual(status["dht"]["ipv4"]["external"],
                         f"{self.net.prefix}.99:0")
        self.assertEqual(status["tunnels"]["addresses"], [])
        self.assertEqual(node.metrics()["warren_directory_published"], 0)
        self.assertIn(f" {self.net.prefix}.99, at another port by each\n",
                      node.cli("status").stdout)


if __name__ == "__main__":
    unittest.main()
