#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The seven settings of the tunnels in the configuration file of a daemon:
each of them acts."""
import signal
import threading
import time
import unittest

from harness import DONE, UNANSWERED, ProcessTest, wait_for

CIRCUITS = "warren_tunnel_circuits"
READY = "warren_tunnel_circuits_ready"
RELAYS = "warren_tunnel_transits"
SENT = "warren_exit_sent_total"


def ended(why):
    return f'warren_tunnel_circuits_ended_total{{reason="{why}"}}'


class Settings(ProcessTest):
    def start(self, name, bootstrap=(), **sections):
        """A daemon with a file that has these sections."""
        file = self.net.root / f"{name}.conf"
        file.write_text("".join(
            f"[{section}]\n" + "".join(f"{key} = {value}\n"
                                       for key, value in keys.items())
            for section, keys in sections.items()))
        return self.net.add(bootstrap).start("--config", file)

    def pair(self, exit_tunnel=None, become="true", **tunnel):
        """An exit, and a client that keeps circuits of one hop through it."""
        self.exit = self.start("exit", exit={"become_exitnode": become},
                               tunnel=exit_tunnel or {})
        self.client = self.start("client", [self.exit], tunnel={
            "max_relays_or_exits": 0, "build": 1, **tunnel})
        return self.client

    def metric(self, name):
        return self.client.metrics()[name]

    def wait(self, what, condition):
        return wait_for(what, condition, 60)

    def most(self, until):
        """The most circuits that there are at a time until something."""
        most = 0

        def look():
            nonlocal most
            figures = self.client.metrics()
            most = max(most, figures[CIRCUITS])
            return until(figures)
        self.wait("it happens", look)
        return most

    def test_min_circuits(self):
        self.pair(min_circuits=3)
        self.wait("three circuits", lambda: self.metric(READY) == 3)
        time.sleep(1)
        self.assertEqual(self.metric(CIRCUITS), 3)
        self.assertEqual(self.metric("warren_tunnel_ready_ratio"), 1)

    def test_max_circuits_and_max_time(self):
        for room in (1, 2):
            with self.subTest(max_circuits=room):
                self.pair(min_circuits=1, max_circuits=room, max_time="3s")
                self.assertEqual(room, self.most(
                    lambda figures: figures[ended("age")] >= 2))

    def test_max_relays_or_exits(self):
        self.pair({"max_relays_or_exits": 1}, min_circuits=2)
        self.wait("one is refused", lambda: self.metric(ended("full")) >= 1)
        self.wait("one is there", lambda: self.metric(READY) == 1)
        self.assertEqual(self.exit.metrics()[RELAYS], 1)
        self.assertEqual(self.metric("warren_tunnel_ready_ratio"), 0.5)

    def test_max_time_inactive(self):
        self.pair(max_time_inactive="2s")
        self.wait("an idle one goes", lambda: self.metric(ended("idle")) >= 1)
        self.wait("others come", lambda: self.metric(READY) == 2)

    def test_max_time_inactive_of_the_relay(self):
        self.pair({"max_time_inactive": "1s"})
        self.wait("the exit ends it", lambda: self.exit.metrics()[
            'warren_tunnel_transits_ended_total{reason="idle"}'] >= 1)
        self.wait("the client hears of it",
                  lambda: self.metric(ended("idle")) >= 1)

    def test_max_traffic(self):
        self.pair(min_circuits=1, max_traffic="1m")
        self.wait("a circuit", lambda: self.metric(READY) >= 1)
        self.assertEqual(self.metric(ended("traffic")), 0)
        self.client.json("tunnel", "speedtest", "--hops", 1, "--seconds", 2,
                         ok=(DONE, UNANSWERED))
        self.wait("it is used up", lambda: self.metric(ended("traffic")) >= 1)

    def test_become_exitnode(self):
        self.pair(become="false")
        self.wait("the relay is known", lambda: self.metric(
            "warren_directory_relays") == 1)
        self.wait("an exit is missed", lambda: self.client.status()["tunnels"][
            "path"] == "no_exits")
        self.assertEqual(self.metric(READY), 0)
        self.net.add([self.exit]).start("--exit")
        self.wait("circuits", lambda: self.metric(READY) == 2)

    def test_pool_that_a_call_needs_too(self):
        """What the configuration takes up while a call that began the pool
        still runs is kept when that ends; what it drops is kept until
        then."""
        self.exit = self.start("exit", exit={"become_exitnode": "true"})
        self.client = self.start("client", [self.exit],
                                 tunnel={"max_relays_or_exits": 0})
        file = self.net.root / "client.conf"
        ratio = "warren_tunnel_ready_ratio"
        calls = []

        def send():
            calls.append(self.client.cli(
                "tunnel", "send", "--hops", 1, "--timeout", 10,
                f"{self.net.prefix}.201:4007", "x"))

        def reload(build):
            before = self.client.log_text().count("loaded again")
            file.write_text(f"[tunnel]\nmax_relays_or_exits = 0\n{build}")
            self.client.send_signal(signal.SIGHUP)
            self.wait("it is loaded", lambda: self.client.log_text().count(
                "loaded again") > before)

        for first, after, kept in (("", "build = 1\n", 1),
                                    ("build = 1\n", "", 0)):
            reload(first)
            thread = threading.Thread(target=send)
            before = self.exit.metrics()[SENT]
            thread.start()
            self.wait("it is sent",
                      lambda: self.exit.metrics()[SENT] > before)
            reload(after)
            self.assertTrue(thread.is_alive())
            self.assertGreater(self.metric(ratio), 0)
            thread.join()
            self.assertEqual(calls[-1].returncode, UNANSWERED)
            self.assertEqual(self.metric(ratio) > 0, bool(kept))


if __name__ == "__main__":
    unittest.main(verbosity=2)
