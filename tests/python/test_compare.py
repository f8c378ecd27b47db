#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench/ beside other networks: what it says of those that are not there, and
its load through SOCKS5. No daemon runs, and neither tor nor py-ipv8."""
import contextlib
import io
import os
import pathlib
import socket
import struct
import sys
import threading
import time
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import compare  # noqa: E402
from measure import PAYLOAD, Failure, Figures  # noqa: E402
from socks_load import Load  # noqa: E402

OURS = Figures(rate=100, cost=15, build=5, idle=6)


class Other:
    """A network that measures itself at half of ours, and is quick."""
    title = "other 1.0"
    INSTALL = DIFFERENCES = ("about the other",)
    made = []

    def __init__(self, directory, prefix):
        self.directory, self.prefix = directory, prefix
        self.is_closed = False
        self.made.append(self)

    def start(self):
        pass

    def relay_pids(self):
        return [os.getpid()]

    def transfer(self, seconds):
        return 50, 7.5 * seconds

    def build(self):
        return 1, 2.5

    def remove(self, circuit):
        pass

    def close(self):
        self.is_closed = True


def run(*others):
    with contextlib.redirect_stdout(io.StringIO()) as out, \
            mock.patch.object(compare, "OTHERS", others):
        compare.run(OURS, "127.1.2", 1)
    return out.getvalue()


class CompareTest(unittest.TestCase):
    def test_ratios(self):
        text = run(("other", Other, Other))
        self.assertIn("Beside other 1.0:", text)
        self.assertIn("about the other", text)
        rows = text.splitlines()
        for row in rows[-5], rows[-4], rows[-2]:
            self.assertIn(" 2.00x ", row)

    def test_not_installed(self):
        with mock.patch.dict(os.environ, PATH="/nowhere",
                             WARREN_TEST_IPV8_PYTHON="/bin/false"):
            text = run(*compare.OTHERS)
        self.assertIn("Not compared with tor: ", text)
        self.assertIn("install --no-install-recommends tor\n", text)
        self.assertIn("Not compared with py-ipv8: ", text)
        self.assertIn("pip install pyipv8 ipv8-rust-tunnels\n", text)

    def check_ended(self, other, why):
        """It is told of, nothing of it is left, and the next one runs."""
        text = run(("bad", other, other), ("other", Other, Other))
        self.assertIn(f"Not compared with bad, which failed: {why}", text)
        self.assertTrue(other.made[-2].is_closed)
        self.assertFalse(other.made[-2].directory.exists())
        self.assertIn("Beside other 1.0:", text)

    def test_failure(self):
        class Bad(Other):
            def build(self):
                raise ValueError("no circuit")

        self.check_ended(Bad, "ValueError: no circuit")

    def test_limit(self):
        class Bad(Other):
            def start(self):
                time.sleep(30)

        with mock.patch.object(compare, "LIMIT", 0):
            self.check_ended(Bad, "Failure: not done within 1 s")


class Proxy(threading.Thread):
    """SOCKS5 for one connection: forwards a stream, or datagrams."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.start()

    def run(self):
        sock = self.listener.accept()[0]
        sock.recv(3)
        sock.sendall(b"\x05\x00")
        request = sock.recv(10)
        with contextlib.suppress(OSError), sock:
            (self.stream if request[1] == 1 else self.datagrams)(
                sock, request)

    @staticmethod
    def destination(request):
        return (socket.inet_ntoa(request[4:8]),
                *struct.unpack(">H", request[8:10]))

    def answer(self, sock, bound):
        sock.sendall(b"\x05\x00\x00\x01" + socket.inet_aton(bound[0]) +
                     struct.pack(">H", bound[1]))

    def stream(self, sock, request):
        with socket.create_connection(self.destination(request)) as server:
            self.answer(sock, server.getsockname())
            while data := sock.recv(65536):
                server.sendall(data)

    def datagrams(self, sock, _):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside:
            inside.bind(("127.0.0.1", 0))
            inside.settimeout(5)
            self.answer(sock, inside.getsockname())
            program = None
            while True:
                data, source = inside.recvfrom(2048)
                program = program or source
                if source == program:
                    head = data[:10]
                    inside.sendto(data[10:], self.destination(head))
                else:
                    inside.sendto(head + data, program)


class LoadTest(unittest.TestCase):
    def load(self):
        load = Load(Proxy().address, "127.0.0.1")
        self.addCleanup(load.stop)
        return load

    def test_stream(self):
        load = self.load()
        attached = []
        load.start_stream(lambda: attached.append(True))
        rate, cost = load.measure([os.getpid()], 1)
        self.assertGreater(rate, 1)
        self.assertGreater(cost, 0)
        self.assertEqual(attached, [True])

    def test_datagrams(self):
        load = self.load()
        load.window.value = 64
        load.start_datagrams()
        rate, _ = load.measure([os.getpid()], 1)
        # Acknowledged: without, a window each RESEND_AFTER is 0.7 MB/s.
        self.assertGreater(rate, 2)
        load.stop()
        self.assertEqual(load.count.value % PAYLOAD, 0)

    def test_nothing_comes(self):
        load = self.load()
        with self.assertRaises(Failure):
            load.measure([os.getpid()], 0.1)


if __name__ == "__main__":
    unittest.main()
