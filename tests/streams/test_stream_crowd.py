#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A thousand streams whose readers stall, and an exit without descriptors: what
is kept for whom has a bound, and the honest are served meanwhile."""
import resource
import socket
import threading
import unittest

from scene import Scene, descriptors
from stage import (PATIENCE, SocksError, bytes_of, echo, read_all, read_exact,
                   socks, wait_for)

MANY = 1000
KEYS = 4
MUCH = 180_000


def rss(node):
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f
                    if line.startswith("VmRSS"))


def kept(node):
    return int(sum(v for k, v in node.metrics().items()
                   if k.startswith("warren_stream_memory_bytes")))


class Stalled(Scene):
    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertGreater(hard, 2 * MANY + 100)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE,
                        (soft, hard))
        self.over = threading.Event()
        self.addCleanup(self.over.set)

    def more_than_fits(self, _, s):
        """Than a stream's first window, and what kernels keep of it here."""
        s.sendall(bytes(MUCH))
        self.over.wait(10 * PATIENCE)

    def all_stalled(self, at):
        """A thousand whose readers read nothing, of four isolation keys."""
        server = self.server(self.more_than_fits).server_address
        stalled, wrong = [], []

        def some(first):
            for i in range(first, MANY, 20):
                try:
                    stalled.append(socks(at, *server, buffer=4096,
                                         user=(f"key{i % KEYS}", "x")))
                except (OSError, SocksError) as error:
                    wrong.append((i, error))
        threads = [threading.Thread(target=some, args=(i,))
                   for i in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
        return stalled

    def served(self, at, mirror, key):
        data = bytes_of(key, 50_000)
        s = socks(at, *mirror, user=(f"key{key}", "x"))
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        self.assertTrue(read_all(s) == data)
        s.close()

    def test_a_thousand(self):
        """The honest have a key of their own, or share one with 250 that
        stall."""
        node, at = self.proxy()
        mirror = self.server(echo).server_address
        self.served(at, mirror, 0)
        before = {n: rss(n) for n in (node, self.exit)}
        stalled = self.all_stalled(at)
        for key in range(KEYS + 1):
            self.served(at, mirror, key)
        for name, n in ("client", node), ("exit", self.exit):
            print(f"{name}: {kept(n) / 1e6:.1f} MB of streams, RSS "
                  f"{before[n] / 1e6:.0f} to {rss(n) / 1e6:.0f} MB", flush=True)
        self.assertGreater(kept(node), MANY * 30_000)  # they do stall
        self.assertLess(kept(node), MANY * 100_000)
        self.assertLess(kept(self.exit), 64_000_000)
        # With the sanitizers' own, which is most of it.
        for n in node, self.exit:
            self.assertLess(rss(n) - before[n], 1_000_000_000)
        for s in stalled:
            s.close()
        wait_for("nothing of it is kept", lambda: kept(node) < 5_000_000 and
                 kept(self.exit) < 5_000_000, PATIENCE)
        self.served(at, mirror, 0)


class Descriptors(Scene):
    def test_an_exit_without(self):
        """Those that it has go on; who comes is refused, and later served."""
        _, at = self.proxy()
        mirror = self.server(echo).server_address
        early = [socks(at, *mirror) for _ in range(5)]
        limit = descriptors(self.exit.process) + 10
        resource.prlimit(self.exit.process.pid, resource.RLIMIT_NOFILE,
                         (limit, limit))
        held, refused = [], 0
        for _ in range(20):
            try:
                held.append(socks(at, *mirror))
            except SocksError:
                refused += 1
        self.assertGreater(refused, 5)
        self.assertGreater(len(held), 0)
        for i, s in enumerate(early + held):
            s.sendall(b"%d" % i)
            self.assertEqual(read_exact(s, len(b"%d" % i)), b"%d" % i)
        for s in early + held:
            s.close()
        wait_for("there are some again", lambda: descriptors(
            self.exit.process) < limit - 5, PATIENCE)
        s = socks(at, *mirror)
        s.sendall(b"later")
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(s), b"later")
        s.close()
        self.assertTrue(self.exit.is_running())


if __name__ == "__main__":
    unittest.main()
