#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a node keeps when it is killed, loses, or has nothing to do."""
import contextlib
import pathlib
import random
import threading
import time
import unittest

from harness import (DONE, NO_RELAY, REFUSED, Control, Failure, ProcessTest,
                     warren)

KILLS = 10


class Killed(ProcessTest):
    def test_again_and_again(self):
        """SIGKILL at random moments while clients publish: what was answered
        is there after the restart, and the database is never replaced."""
        seed = int(time.time())
        chance = random.Random(seed)
        first, node = self.network_of(2, *NO_RELAY)
        ident = node.id()
        answered = []

        def publish(number):
            with contextlib.suppress(Failure, OSError):
                with Control(node) as control:
                    for n in range(number, number + 20):
                        target = f"{n:040x}"
                        control.call("dht.announce", target=target)
                        answered.append(target)

        for kill in range(KILLS):
            client = threading.Thread(target=publish, args=(20 * kill + 1,))
            client.start()
            time.sleep(chance.random() / 5)
            node.kill()
            client.join()
            node.start(*NO_RELAY)
            status = node.status()
            with self.subTest(seed=seed, kill=kill, answered=len(answered)):
                self.assertEqual(status["dht"]["ipv4"]["id"], ident)
                self.assertNotIn("store_replaced",
                                 [p["code"] for p in status["problems"]])
                self.assertGreaterEqual(status["store"]["announcements"],
                                        len(answered))
                self.assertEqual(status["dht"]["publications"],
                                 status["store"]["announcements"])
        self.assertEqual(list(node.dir.glob("*corrupt*")), [])
        self.assertGreater(len(answered), 0)
        node.wait_joined()
        found = first.json("dht", "get-peers", answered[-1])
        self.assertEqual([p["address"] for p in found["peers"]],
                         [node.endpoint])


class Conflicts(ProcessTest):
    """Two nodes have one key."""

    def setUp(self):
        super().setUp()
        self.key = self.net.root / "key"
        warren("dht", "key", "new", self.key)

    def put(self, node, value, *flags):
        return node.cli("dht", "put", value, "--key", self.key, *flags)

    def test_wrong_condition_spares_what_was_there(self):
        _, node, other = self.network_of(3, *NO_RELAY)
        target = self.put(node, "one").stdout.strip()
        done = self.put(node, "two", "--cas", "7")
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        self.assertEqual(node.status()["dht"]["publications"], 1)
        node.stop()
        node.start(*NO_RELAY)
        self.assertEqual(node.status()["dht"]["publications"], 1)
        node.wait_joined()
        self.assertEqual(other.cli("dht", "get", target).stdout, "one\n")

    def test_taken_version(self):
        _, node, other = self.network_of(3, *NO_RELAY)
        target = self.put(node, "mine", "--seq", "5").stdout.strip()
        done = self.put(other, "yours", "--seq", "5")
        self.assertEqual(done.returncode, REFUSED, done.stdout)
        self.assertEqual(other.status()["dht"]["publications"], 0)
        # the same value again is no conflict
        self.assertEqual(self.put(other, "mine", "--seq", "5").returncode,
                         DONE)
        self.assertEqual(other.cli("dht", "get", target).stdout, "mine\n")


class Idle(ProcessTest):
    def test_sleeps(self):
        """A node that has joined wakes up for its few timers only."""
        nodes = self.network_of(3, *NO_RELAY)
        time.sleep(4)  # the rounds after joining
        before = [wakeups(n) for n in nodes]
        time.sleep(5)
        for node, count in zip(nodes, before):
            self.assertLess(wakeups(node) - count, 50)


def wakeups(node):
    status = pathlib.Path(f"/proc/{node.process.pid}/status").read_text()
    for line in status.splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise Failure("no count of context switches")


if __name__ == "__main__":
    unittest.main()
