#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Circuits through real daemons, built by the implementation that was written
from docs/protocol-tunnel.md: whoever writes another gets along with them."""
import contextlib
import importlib.util
import pathlib
import resource
import socket
import stat
import struct
import sys
import threading
import time
import unittest

from harness import DONE, ProcessTest, wait_for

if importlib.util.find_spec("nacl") is None:
    print("skipped: python3-nacl is missing, ./dev setup installs it")
    sys.exit(0)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
import warren_tunnel as w

NETWORK = "main"
HOPS = 4
ADDRESS, DEPTH, NO_EXIT = 7, 8, 15


class Echo(threading.Thread):
    """A UDP server that sends back what it gets, and notes from whom."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.endpoint = self.sock.getsockname()
        self.senders = []
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                payload, sender = self.sock.recvfrom(65536)
                if not payload:
                    return
                self.senders.append(sender)
                self.sock.sendto(payload, sender)

    def close(self):
        self.sock.sendto(b"", self.endpoint)
        self.join(5)
        self.sock.close()


def descriptor_of(client, node):
    client.timeout = 0.5
    try:
        return client.descriptor((node.address, 7881))
    except w.Failure:
        return None
    finally:
        client.timeout = 5


class PythonCircuit(ProcessTest):
    def setUp(self):
        super().setUp()
        for i in range(HOPS):
            self.net.add().start(*(["--exit"] if i == 2 else []), wait=False)
        for node in self.net.nodes:
            node.wait_ready()
        self.echo = Echo(f"{self.net.prefix}.200")
        self.addCleanup(self.echo.close)
        self.client = w.Client(f"{self.net.prefix}.201", NETWORK)
        self.addCleanup(self.client.close)
        self.hops = [wait_for(f"{node.endpoint} tells its descriptor",
                              lambda n=node: descriptor_of(self.client, n),
                              30)
                     for node in self.net.nodes]
        self.link = w.Link(self.client, self.hops[0])

    def circuit(self, length):
        c = w.Circuit(self.link, self.hops[0])
        for hop in self.hops[1:length]:
            c.extend(hop)
        return c

    def test_three_hops_and_an_echo(self):
        self.assertEqual([d.roles & 2 for d in self.hops], [0, 0, 2, 0])
        c = self.circuit(3)
        for hop in (1, 2, 3):
            self.assertTrue(c.ping(hop))
        for payload in b"hello", bytes(range(200)), b"x" * 1200:
            c.data(self.echo.endpoint, payload)
            self.assertEqual(c.answer(), (self.echo.endpoint, payload))
        self.assertEqual(len(set(self.echo.senders)), 1)
        self.assertEqual(self.echo.senders[0][0], self.net.nodes[2].address)
        c.destroy()

    def test_two_circuits_on_one_link_and_a_long_life(self):
        first, second = self.circuit(3), self.circuit(3)
        for i in range(200):
            for c, name in ((first, b"first"), (second, b"second")):
                payload = b"%s %d" % (name, i)
                c.data(self.echo.endpoint, payload)
                self.assertEqual(c.answer()[1], payload)
        self.assertEqual(len(set(self.echo.senders)), 2)

    def test_files_that_strangers_take_leave_enough_for_others(self):
        """With 128 files: 200 circuits that each want a socket."""
        few = {"preexec_fn": lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (64, 128))}
        exit_node = self.net.nodes[2]
        self.assertEqual(exit_node.stop()[0], 0)
        exit_node.start("--exit", **few)
        self.assertIn("may have 128 files open", exit_node.log_text())
        descriptor = wait_for("it tells its descriptor again", lambda:
                              descriptor_of(self.client, exit_node), 30)
        other = w.Client(f"{self.net.prefix}.202", NETWORK)
        self.addCleanup(other.close)
        honest = w.Circuit(w.Link(other, descriptor), descriptor)
        honest.data(self.echo.endpoint, b"before")
        self.assertEqual(honest.answer()[1], b"before")
        link = w.Link(self.client, descriptor)
        crowd = []
        for _ in range(200):
            crowd.append(w.Circuit(link, descriptor))
            crowd[-1].data(self.echo.endpoint, b"a socket of my own")
            if len(crowd) % 20 == 0:
                honest.data(self.echo.endpoint, b"during")
                self.assertEqual(honest.answer()[1], b"during")
        self.assertEqual(exit_node.cli("status", "--timeout", "5").returncode,
                         DONE)
        self.assertIn(exit_node.http("/health")[0], (200, 503))
        figures = exit_node.metrics()
        self.assertGreater(figures["warren_exit_sockets"], 20)
        self.assertLess(figures["warren_exit_sockets"], 90)

    def test_what_is_refused(self):
        c = self.circuit(2)
        c.data(self.echo.endpoint, b"you are no exit")
        self.assertEqual(c.receive("FAILED"), (2, [w.FAILED, 0, NO_EXIT]))
        with self.assertRaisesRegex(w.Failure, rf"\[3, 1, {ADDRESS}\]"):
            w.Circuit(self.link, self.hops[0]).extend(self.hops[0])
        c = self.circuit(4)
        with self.assertRaisesRegex(w.Failure, rf"\[3, 4, {DEPTH}\]"):
            c.extend(self.hops[1])

    def test_what_is_said_again_is_answered_again(self):
        c = w.Circuit(self.link, self.hops[0], times=3)
        for hop in self.hops[1:]:
            c.extend(hop, times=3)
        for hop in 1, 2, 3, 4:
            self.assertTrue(c.ping(hop))
        for node in self.net.nodes:
            self.assertEqual(node.metrics()["warren_tunnel_transits"], 1)
        with self.assertRaisesRegex(w.Failure, rf"\[3, 4, {DEPTH}\]"):
            c.extend(self.hops[1], times=3)

    def test_what_is_sent_twice_counts_once(self):
        c = self.circuit(3)
        sent = []
        send = self.client.sock.sendto
        self.client.sock = Recorder(self.client.sock, sent)
        c.data(self.echo.endpoint, b"once")
        self.assertEqual(c.answer()[1], b"once")
        self.client.sock = self.client.sock.sock
        for datagram, to in sent:
            send(datagram, to)
        self.client.timeout = 1
        with self.assertRaisesRegex(w.Failure, "no answer"):
            c.answer()
        self.assertEqual(len(self.echo.senders), 1)
        self.assertTrue(c.ping(3))


DAY = 24 * 3600


class KeyRotation(ProcessTest):
    """Who has a descriptor from before a rotation gets along for 25 hours,
    whatever happens to the relay meanwhile."""

    def setUp(self):
        super().setUp()
        self.node = self.net.add()
        self.client = w.Client(f"{self.net.prefix}.201", NETWORK)
        self.addCleanup(self.client.close)

    def start(self):
        self.node.start()
        return wait_for("it tells its descriptor",
                        lambda: descriptor_of(self.client, self.node), 30)

    def file(self, name):
        return self.node.dir / f"handshake.{name}"

    def set_age(self, name, seconds):
        made = struct.pack(">Q", int(time.time()) - seconds)
        self.file(name).write_bytes(made + self.file(name).read_bytes()[8:])

    def circuit_goes(self, descriptor):
        self.client.timeout = 1
        try:
            circuit = w.Circuit(w.Link(self.client, descriptor), descriptor)
            return circuit.ping(1)
        except w.Failure:
            return False

    def test_key_before_is_taken_for_25_hours(self):
        old = self.start()
        self.assertTrue(self.circuit_goes(old))
        self.node.stop()
        self.assertFalse(self.file("previous").exists())
        secret = self.file("key").read_bytes()[8:]
        self.set_age("key", 8 * DAY)
        new = self.start()
        self.assertNotEqual(old.handshake_key, new.handshake_key)
        self.assertEqual(self.file("previous").read_bytes()[8:], secret)
        self.assertEqual(stat.S_IMODE(self.file("previous").stat().st_mode),
                         0o600)
        for age, taken in (0, True), (25 * 3600 - 60, True), (25 * 3600, False):
            self.node.kill()
            self.set_age("previous", age)
            again = self.start()
            self.assertEqual(again.handshake_key, new.handshake_key)
            self.assertTrue(self.circuit_goes(new))
            self.assertEqual(self.circuit_goes(old), taken)
            self.assertEqual(self.file("previous").exists(), taken)


class Recorder:
    """A socket that remembers what it sends."""

    def __init__(self, sock, sent):
        self.sock, self.sent = sock, sent

    def sendto(self, datagram, to):
        self.sent.append((datagram, to))
        return self.sock.sendto(datagram, to)

    def __getattr__(self, name):
        return getattr(self.sock, name)


if __name__ == "__main__":
    unittest.main()
