#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A channel with traffic whose rendezvous point is killed: it goes on through
another, and how long that takes is printed."""
import pathlib
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "process"))
from harness import wait_for
from test_service_daemon import PATIENCE, RELAYS, Server, Services

JOINED = "warren_meeting_joined_total"
PAUSE = 0.02  # s, between datagrams


class Talk(threading.Thread):
    """Asks all the while; notes when answers come."""

    def __init__(self, to):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(PAUSE)
        self.socket.connect(to)
        self.answers = []
        self.ended = False
        self.start()

    def run(self):
        while not self.ended:
            self.socket.send(b"are you there?")
            try:
                self.socket.recv(100)
            except OSError:
                continue
            self.answers.append(time.monotonic())
            time.sleep(PAUSE)

    def wait_for_more(self, count):
        before = len(self.answers)
        wait_for("answers come", lambda: len(self.answers) >= before + count,
                 PATIENCE)

    def gap(self):
        """The longest time without an answer."""
        return max(after - before for before, after in
                   zip(self.answers, self.answers[1:]))

    def close(self):
        self.ended = True
        self.join()
        self.socket.close()


class Killed(Services):
    def joined(self):
        return {r: r.metrics()[JOINED] for r in self.relays[:RELAYS]
                if r.is_running()}

    def test_rendezvous_point(self):
        server = Server(self.net.prefix + ".201")
        host = self.add(f"[service web]\nport = 9 udp {server.endpoint}\n")
        address = self.wait_fine(host, "web")
        before = self.joined()
        watcher = self.watch(self.add(), "connect", f"{address}:9")
        wait_for("it listens", lambda: watcher.of("listening"), PATIENCE)
        ip, port = watcher.of("listening")[0]["address"].rsplit(":", 1)
        talk = Talk((ip, int(port)))
        self.addCleanup(talk.close)
        talk.wait_for_more(50)
        joined = self.joined()
        points = [r for r in joined if joined[r] > before[r]]
        del talk.answers[:-1]
        for point in points:
            point.kill()
        wait_for("another is used", lambda: any(
            count > joined[r] for r, count in self.joined().items()), PATIENCE)
        talk.wait_for_more(50)
        print(f"{len(points)} killed: a gap of {talk.gap():.3f} s")
        self.assertLess(talk.gap(), 10)


if __name__ == "__main__":
    unittest.main(verbosity=2)
