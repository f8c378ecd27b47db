#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The local interfaces of a daemon while some of those who use them hold what
they do not need: somebody honest is served meanwhile."""
import contextlib
import http.client
import socket
import threading
import time
import unittest

from harness import HTTP_PORT, NO_RELAY, ProcessTest


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
