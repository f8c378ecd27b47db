#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The control socket and the HTTP pages under clients that do not know how to
talk, or hold what they do not need: each request is answered, or the
connection ends with a reason, and somebody honest is served meanwhile."""
import contextlib
import http.client
import os
import random
import socket
import subprocess
import threading
import time
import unittest

import msgpack

from harness import (BINARY, DONE, HTTP_PORT, NO_RELAY, Control, ProcessTest,
                     wait_for)

SEED = int(os.environ.get("WARREN_TEST_SEED", "0")) or random.getrandbits(32)
CONNECTIONS = int(os.environ.get("WARREN_TEST_CLIENTS", "150"))
METHODS = ("status dht.nodes dht.ping dht.find_node dht.get_peers dht.announce "
           "dht.withdraw dht.get dht.put dht.sample dht.ask tunnel.peers "
           "tunnel.circuits tunnel.build tunnel.stop tunnel.send tunnel.ping "
           "tunnel.speedtest tunnel.close tunnel.active tunnel.data cancel "
           "stream.write stream.read stream.shutdown stream.reset "
           "stream.accept stream.refuse no.such").split()


class Fuzz:
    """Random requests; `dice` decides all of it."""

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def value(self, depth=0):
        dice = self.dice
        return dice.choice([
            lambda: None, lambda: True, lambda: dice.randrange(-9, 2**64),
            lambda: dice.random(), lambda: dice.randbytes(dice.randrange(99)),
            lambda: "x" * dice.randrange(99),
            lambda: [] if depth > 3 else [self.value(depth + 1)] * 2,
            lambda: {} if depth > 3 else {"a": self.value(depth + 1)},
        ])()

    def right(self, name):
        """What the parameter should be, as far as one can tell."""
        dice = self.dice
        return {
            "address": "127.9.9.9:7881", "target": dice.randbytes(20).hex(),
            "port": 7, "value": dice.randbytes(9), "salt": b"s", "trace": True,
            "stream": True, "hops": dice.randint(1, 4), "count": 1,
            "circuit": dice.randrange(1, 5), "to": "127.9.9.9:53",
            "data": dice.randbytes(dice.randrange(500)), "timeout": 50,
            "duration": 50, "key": dice.randbytes(32).hex(),
            "signature": dice.randbytes(64).hex(), "seq": dice.randrange(9),
            "cas": 1, "after": dice.randbytes(32).hex(),
            "call": dice.randrange(4), "credit": dice.randrange(2**32),
            "visit": dice.randrange(4), "type": "data"}[name]

    NAMES = ("address target port value salt trace stream hops count circuit "
             "to data timeout duration key signature seq cas after call "
             "credit visit type").split()

    def params(self):
        dice = self.dice
        names = dice.sample(self.NAMES, dice.randrange(5))
        return {n: self.right(n) if dice.random() < 0.8 else self.value()
                for n in names + ["timeout"] * (dice.random() < 0.5)}

    def request(self):
        """Bytes, and the msgid when they must be answered."""
        dice = self.dice
        msgid = dice.randrange(4)
        frame = [0, msgid, dice.choice(METHODS), [self.params()]]
        kind = dice.random()
        if kind < 0.05:
            wrong = dice.randrange(2)
            frame[wrong] = dice.choice([None, "x", -1, 2**32, [], 1, 2, 7]
                                       [:5 + 3 * (wrong == 0)])
            return msgpack.packb(frame), None if wrong == 1 else msgid
        if kind < 0.15:
            frame[dice.randrange(2, 4)] = self.value()
        elif kind < 0.2:
            del frame[dice.randrange(2, 4):]
        elif kind < 0.25:
            frame += [self.value()]
        return msgpack.packb(frame), msgid


class Random(ProcessTest):
    def setUp(self):
        super().setUp()
        self.node = self.net.add().start(
            *NO_RELAY, "--dht.query_timeout", "100ms")

    def test_random_clients(self):
        print(f"WARREN_TEST_SEED={SEED}", flush=True)
        fuzz = Fuzz(SEED)
        for number in range(CONNECTIONS):
            with self.subTest(number=number):
                self.one_client(fuzz)
        wait_for("they are gone", lambda:
                 self.node.metrics()["warren_control_clients"] == 0)
        self.assertEqual(self.node.cli("status").returncode, DONE)
        self.assertTrue(self.node.is_running())

    def one_client(self, fuzz):
        due, ends, sent = [], False, b""
        for _ in range(fuzz.dice.randrange(1, 30)):
            frame, msgid = fuzz.request()
            if len(frame) > 8192:
                continue
            sent += frame
            if msgid is None:
                ends = True
                break
            due.append(msgid)
        cut = fuzz.dice.random() < 0.2 and not ends
        if cut:  # the last is not whole, and nobody waits for it
            sent = sent[:-1]
            due.pop()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60)
            sock.connect(str(self.node.dir / "control.sock"))
            for at in range(0, len(sent), 3000):
                sock.sendall(sent[at:at + 3000])
            if fuzz.dice.random() < 0.5:
                sock.shutdown(socket.SHUT_WR)
            self.check(sock, due, ends, cut)

    def check(self, sock, due, ends, cut):
        unpacker = msgpack.Unpacker()
        last = None
        while (due and not ends) or (ends and last is None):
            try:
                data = sock.recv(65536)
            except ConnectionResetError:
                data = b""
            self.assertTrue(data, f"ends, but {due} wait and nothing was said")
            unpacker.feed(data)
            for frame in unpacker:
                self.assertIsNone(last, "something comes after the last frame")
                if frame[0] == 1:
                    due.remove(frame[1])
                    self.assertTrue(frame[2] is None or
                                    set(frame[2]) == {"code", "text"}, frame)
                elif frame[1] == "closed":
                    self.assertTrue(ends or cut and frame[2][1]["code"] ==
                                    "missing", frame)
                    last = frame


class Stops(ProcessTest):
    def test_who_waits_is_told_that_the_daemon_stops(self):
        node = self.net.add().start(*NO_RELAY)
        waiting = subprocess.Popen(
            [BINARY, "tunnel", "build", "--hops", "3", "--timeout", "60",
             "--data-dir", node.dir], stderr=subprocess.PIPE, text=True)
        wait_for("it waits", lambda: node.metrics()[
            "warren_control_requests_total"] == 1)
        self.assertEqual(node.stop()[0], 0)
        self.assertIn("the daemon closed the connection: the daemon stops",
                      waiting.communicate(timeout=20)[1])
        self.assertNotEqual(waiting.returncode, 0)

    def test_answers_come_after_the_last_request(self):
        """As `printf ... | socat - UNIX:control.sock` asks."""
        node = self.net.add().start(*NO_RELAY)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(node.dir / "control.sock"))
            sock.sendall(msgpack.packb([0, 1, "tunnel.build", [
                {"hops": 1, "timeout": 300}]]))
            sock.sendall(msgpack.packb([0, 2, "status", []]))
            sock.shutdown(socket.SHUT_WR)
            unpacker = msgpack.Unpacker()
            while data := sock.recv(65536):
                unpacker.feed(data)
            self.assertEqual([frame[1] for frame in unpacker], [2, 1])


class Readers(ProcessTest):
    def test_who_does_not_read_is_cut_off(self):
        """Of both sockets; the others are served meanwhile."""
        node = self.net.add().start()
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.connect(str(node.dir / "control.sock"))
        sock.setblocking(False)
        many = b"".join(msgpack.packb([0, n, "status", []])
                        for n in range(1000))
        deadline = time.monotonic() + 60
        while (node.metrics()["warren_control_slow_clients_total"] == 0 and
               time.monotonic() < deadline):
            try:
                sock.send(many)
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:
                break
        wait_for("it is cut off", lambda:
                 node.metrics()["warren_control_slow_clients_total"] == 1)
        for _ in range(30):
            page = socket.create_connection((node.address, 7882))
            self.addCleanup(page.close)
            page.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        self.assertEqual(node.cli("status", "--timeout", "5").returncode, DONE)
        self.assertEqual(node.stop()[0], 0)


class Crowd(ProcessTest):
    """More clients than there are places for."""

    @staticmethod
    def hold(node, count):
        """A process that connects so often, and asks nothing."""
        code = ("import socket, sys\n"
                "held = []\n"
                "for _ in range(int(sys.argv[2])):\n"
                "    held.append(socket.socket(socket.AF_UNIX))\n"
                "    held[-1].connect(sys.argv[1])\n"
                "print(flush=True)\n"
                "sys.stdin.read()")
        return subprocess.Popen(["/usr/bin/python3", "-c", code,
                                 node.dir / "control.sock", str(count)],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def crowd(self, node, processes, count):
        for _ in range(processes):
            one = self.hold(node, count)
            self.addCleanup(one.communicate)
            one.stdout.readline()

    def assert_served(self, node, seconds):
        for _ in range(5):
            begun = time.monotonic()
            self.assertEqual(node.cli("status", "--timeout", "5").returncode,
                             DONE)
            self.assertLess(time.monotonic() - begun, seconds)

    def test_status_is_served_beside_idle_clients_of_one_process(self):
        node = self.net.add().start(*NO_RELAY)
        with Control(node) as first:
            self.crowd(node, 1, 16)
            self.assert_served(node, 2)
            # Another program keeps its place, though it has been idle longer.
            self.assertEqual(first.call("status")["pid"], node.process.pid)

    def test_status_is_served_beside_idle_clients_of_many_processes(self):
        node = self.net.add().start(*NO_RELAY)
        self.crowd(node, 18, 1)
        self.assert_served(node, 2)
        self.assertLess(node.metrics()["warren_control_clients"], 17)

    def test_status_is_served_beside_one_process_at_work(self):
        """All places are taken by requests that run for minutes."""
        node = self.net.add().start(*NO_RELAY)
        busy = []
        for _ in range(16):
            busy.append(Control(node))
            self.addCleanup(busy[-1].socket.close)
            busy[-1].send("tunnel.build", hops=3, timeout=120000)
        self.assert_served(node, 2)

    def test_idle_client_is_told_why_it_ends(self):
        node = self.net.add().start(*NO_RELAY, "--node.max_control_clients",
                                    "1")
        with Control(node) as idle:
            self.assertEqual(idle.call("status")["pid"], node.process.pid)
            self.assert_served(node, 2)
            frame = idle.receive()
            self.assertEqual(frame[:2], [2, "closed"])
            self.assertEqual(frame[2][1]["code"], "full")


def ask(node, path, *headers, version="1.1"):
    """Status and text of a page, with these headers and no others."""
    request = [f"GET {path} HTTP/{version}", *headers, "", ""]
    with socket.create_connection((node.address, HTTP_PORT), 10) as sock:
        sock.sendall("\r\n".join(request).encode())
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        return answer.status, answer.read().decode()


class Pages(ProcessTest):
    def slow(self, node):
        """A connection whose request does not end."""
        sock = socket.create_connection((node.address, HTTP_PORT), 10)
        self.addCleanup(sock.close)
        sock.sendall(b"GET /health HTTP/1.1\r\n")
        return sock

    def assert_quick(self, node, seconds):
        for _ in range(5):
            begun = time.monotonic()
            self.assertIn(node.http("/health")[0], (200, 503))
            self.assertLess(time.monotonic() - begun, seconds)

    def test_slow_clients_do_not_keep_the_pages_from_others(self):
        node = self.net.add().start(*NO_RELAY)
        slow = [self.slow(node) for _ in range(40)]
        self.assert_quick(node, 2)
        self.assertLess(sum(not self.is_closed(s) for s in slow), 17)

    @staticmethod
    def is_closed(sock):
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            return sock.recv(1) == b""
        return False

    def test_slow_clients_that_come_again_do_not_either(self):
        node = self.net.add().start(*NO_RELAY)
        enough = threading.Event()

        def crowd():
            mine = []
            while not enough.is_set():
                mine.append(self.slow(node))
                if len(mine) > 16:
                    mine.pop(0).close()

        crowds = [threading.Thread(target=crowd) for _ in range(2)]
        for thread in crowds:
            thread.start()
        try:
            time.sleep(0.5)
            self.assert_quick(node, 3)
        finally:
            enough.set()
            for thread in crowds:
                thread.join()

    def test_pages_are_not_for_names_of_strangers(self):
        node = self.net.add().start(*NO_RELAY, "--http.hosts",
                                    "node.example, monitor")
        for path in "/metrics", "/health":
            for host in ("evil.example", f"evil.example:{HTTP_PORT}",
                         f"{node.address}.evil.example"):
                status, text = ask(node, path, f"Host: {host}")
                self.assertEqual(status, 421, host)
                self.assertIn("hosts in [http]", text)
                self.assertNotIn("warren_", text)
            for host in (node.address, f"{node.address}:{HTTP_PORT}",
                         "localhost:1", "[::1]:7882", "Node.Example:80",
                         "monitor"):
                self.assertIn(ask(node, path, f"Host: {host}")[0], (200, 503))
        self.assertEqual(ask(node, "/health")[0], 400)
        self.assertEqual(ask(node, "/health", "Host: ::1", "Host: evil")[0],
                         400)
        self.assertIn(ask(node, "/health", version="1.0")[0], (200, 503))


if __name__ == "__main__":
    unittest.main()
