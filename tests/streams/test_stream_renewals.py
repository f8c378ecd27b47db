#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Circuits end by age while streams go on: a download, an upload and somebody
at an ssh session are through as many of them as an hour has, in seconds."""
import hashlib
import select
import socket
import subprocess
import threading
import time
import unittest

from scene import Scene, missing
from stage import PATIENCE, bytes_of, clean_environment, socks

RENEWALS = 7  # of ten minutes each in an hour, and one more
STEP = 20_000
PAUSE = 0.02


class Paced:
    """Servers that send, or read, until they are told that it is enough."""

    def __init__(self):
        self.enough = threading.Event()
        self.sent = hashlib.sha256()
        self.heard = None

    def pour(self, _, s):
        at = 0
        while not self.enough.is_set():
            data = bytes_of(at, STEP)
            s.sendall(data)
            self.sent.update(data)
            at += 1
            time.sleep(PAUSE)
        s.shutdown(socket.SHUT_WR)

    def hear(self, _, s):
        heard = hashlib.sha256()
        while data := s.recv(65536):
            heard.update(data)
        s.sendall(heard.digest())
        s.shutdown(socket.SHUT_WR)


class Renewals(Scene):
    def setUp(self):
        super().setUp()
        self.node, self.at = self.proxy("[tunnel]\nmax_time = 2s\n")
        self.failed = []

    def moves(self):
        return int(self.node.metrics()["warren_stream_circuit_changes_total"])

    def beside(self, work, *args):
        def run():
            try:
                work(*args)
            except Exception as e:  # noqa: BLE001 - told by the test
                self.failed.append(f"{work.__name__}: {e!r}")
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def download(self, paced):
        s = socks(self.at, *self.server(paced.pour).server_address)
        got = hashlib.sha256()
        while data := s.recv(65536):
            got.update(data)
        s.close()
        assert got.digest() == paced.sent.digest(), "other bytes came"

    def upload(self, paced):
        s = socks(self.at, *self.server(paced.hear).server_address)
        sent, at = hashlib.sha256(), 0
        while not paced.enough.is_set():
            data = bytes_of(-at, STEP)
            s.sendall(data)
            sent.update(data)
            at += 1
            time.sleep(PAUSE)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(100) == sent.digest(), "other bytes arrived"
        s.close()

    def session(self):
        """ssh with a program at the other end that says again what is typed."""
        port, config = self.sshd()
        way = "nc -X 5 -x %s:%d %%h %%p" % self.at
        session = subprocess.Popen(
            ["ssh", "-F", config, "-o", f"ProxyCommand={way}", "-p", str(port),
             "web.example", "cat"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            env=clean_environment())
        self.addCleanup(session.kill)
        return session

    def types(self, session, line):
        """How long it took to be seen."""
        begun = time.monotonic()
        session.stdin.write(line)
        seen = b""
        while seen != line:
            ready = select.select([session.stdout], [], [], PATIENCE)[0]
            self.assertTrue(ready, f"nothing came for {line!r}")
            data = session.stdout.read(100)
            self.assertTrue(data, "the session has ended")
            seen += data
        return time.monotonic() - begun

    def test_streams_outlive_circuits(self):
        paced = Paced()
        work = [self.beside(self.download, paced),
                self.beside(self.upload, paced)]
        session = None if missing("nc") else self.session()
        worst, lines, begun = 0, 0, time.monotonic()
        before = self.moves()
        while self.moves() < before + RENEWALS and not self.failed:
            self.assertLess(time.monotonic(), begun + 2 * PATIENCE)
            if session is not None:
                worst = max(worst, self.types(session, b"line %d\n" % lines))
            lines += 1
            time.sleep(0.1)
        paced.enough.set()
        for thread in work:
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive())
        self.assertEqual(self.failed, [])
        if session is not None:
            session.stdin.close()
            self.assertEqual(session.stdout.read(), b"")
            self.assertEqual(session.wait(PATIENCE), 0, session.stderr.read())
            session.stderr.close()
            session.stdout.close()
        print(f"{lines} lines typed, the slowest was seen after {worst:.2f} s;"
              f" {self.moves() - before} circuits in "
              f"{time.monotonic() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    unittest.main()
