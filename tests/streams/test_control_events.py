#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Events over the control socket: who subscribes hears of circuits and
datagrams, several at once; one that does not read loses some, is told how many,
and disturbs nobody. Requests that run are cancelled."""
import json
import socket
import subprocess
import time
import unittest

from stage import CLIENT, PATIENCE, ProcessTest, wait_for
from caller import Caller
from harness import BINARY, DONE, USAGE

EXIT = ("--exit.become_exitnode", "yes",
        "--exit.policy", "reject *:9, accept *:*")
ALL = ["circuits", "data", "peers", "services", "streams"]


class Events(ProcessTest):
    def setUp(self):
        super().setUp()
        self.network_of(4, *EXIT)
        self.node = self.net.add([self.net.nodes[0]])
        self.node.start(*CLIENT, wait=False)
        self.node.wait_ready()
        self.node.wait_joined()

    def caller(self):
        caller = Caller(self.node)
        self.addCleanup(caller.socket.close)
        return caller

    def subscribed(self, **params):
        """A client, and the number of its subscription."""
        caller = self.caller()
        events = caller.send("events", **params)
        caller.hear(events, "subscribed")
        return caller, events

    def circuit(self, caller):
        """One of two hops that is ready."""
        built = caller.ask("tunnel.build", hops=2, count=1,
                           timeout=PATIENCE * 1000)
        self.assertIsInstance(built, dict, built)
        return built["circuits"][0]

    def test_two_clients_hear_of_circuits_and_datagrams(self):
        echo = self.net.echo()
        every, all_of_it = self.subscribed()
        self.assertEqual(every.told(all_of_it, "subscribed"),
                         [{"kinds": ALL}])
        circuits, only_these = self.subscribed(kinds="circuits")
        asks = self.caller()
        circuit = self.circuit(asks)
        for caller, events in ((every, all_of_it), (circuits, only_these)):
            self.assertEqual(
                caller.hear(events, "circuit", circuit=circuit),
                {"event": "ready", "circuit": circuit, "hops": 2, "hop": 0,
                 "reason": None, "text": None})

        with self.subTest("circuits are listed"):
            active = asks.ask("tunnel.active", hops=2)
            self.assertIn(circuit, active["circuits"])
            self.assertEqual(active["hops"], 2)
            self.assertGreater(active["ready"], 0)
            self.assertEqual(asks.ask("tunnel.active", hops=4)["circuits"], [])

        with self.subTest("a datagram goes out, and one comes back"):
            self.assertEqual(asks.ask("tunnel.data", circuit=circuit,
                                      to=echo.endpoint, data=b"hello"), {})
            self.assertEqual(
                every.hear(all_of_it, "data", direction="out"),
                {"direction": "out", "circuit": circuit, "to": echo.endpoint,
                 "data": b"hello"})
            came = every.hear(all_of_it, "data", direction="in")
            self.assertEqual(came["circuit"], circuit)
            self.assertEqual(came["source"], echo.endpoint)
            self.assertIn(b"hello from ", came["data"])

        with self.subTest("a large one, and one that is too large"):
            big = bytes(range(256)) * 32
            self.assertEqual(asks.ask("tunnel.data", circuit=circuit,
                                      to=echo.endpoint, data=big), {})
            every.hear(all_of_it, "data", direction="out", data=big)
            self.assertEqual(asks.ask("tunnel.data", circuit=circuit,
                                      to=echo.endpoint, data=bytes(60_000)),
                             "too_large")

        with self.subTest("an exit refuses"):
            refused = self.net.prefix + ".200:9"
            asks.ask("tunnel.data", circuit=circuit, to=refused, data=b"x")
            told = every.hear(all_of_it, "refused", reason="policy")
            self.assertEqual(told["circuit"], circuit)
            self.assertTrue(told["text"])

        with self.subTest("what is wrong is named"):
            for code, params in {
                    "not_found": {"circuit": 2**32 - 1, "to": "192.0.2.1:53"},
                    "syntax": {"to": "192.0.2.1:53"},
                    "unsupported": {"circuit": circuit, "to": "192.0.2.1:53",
                                    "type": "speedtest"}}.items():
                self.assertEqual(asks.ask("tunnel.data", data=b"x", **params),
                                 code)
            for to in ("192.0.2.1", "192.0.2.1:0", "", "x" * 999):
                self.assertIn(asks.ask("tunnel.data", circuit=circuit, to=to,
                                       data=b"x"), ("syntax", "address"))
            self.assertEqual(asks.ask("tunnel.data", data=b"x",
                                      to="p99.peer.warren:5"), "not_found")
            for kinds in ("", "circuit", "circuits,", "data,,peers", 5):
                self.assertEqual(asks.ask("events", kinds=kinds), "syntax")

        with self.subTest("a circuit is closed"):
            asks.ask("tunnel.close", circuit=circuit)
            for caller, events in ((every, all_of_it), (circuits, only_these)):
                told = caller.hear(events, "circuit", event="closed",
                                   circuit=circuit)
                self.assertEqual(told["reason"], "requested")
        circuits.settle()
        self.assertEqual(circuits.told(only_these, "data"), [])

    def test_one_that_does_not_read_is_told_what_it_has_lost(self):
        slow, lies = self.subscribed(kinds="data")
        quick, sees = self.subscribed(kinds="data")
        asks = self.caller()
        circuit = self.circuit(asks)
        to = self.net.prefix + ".200:9"
        sent = 0
        while self.node.metrics()["warren_control_lost_total"] < 20:
            for _ in range(50):
                self.assertEqual(asks.ask("tunnel.data", circuit=circuit,
                                          to=to, data=bytes(9000)), {})
                sent += 1
            self.assertLess(sent, 2000)
            quick.until("all was told", lambda n=sent: len(
                quick.told(sees, "data")) == n)
        metrics = self.node.metrics()
        self.assertEqual(metrics["warren_control_slow_clients_total"], 0)
        self.assertEqual(quick.told(sees, "lost"), [])
        quick.settle(1)  # exits refuse some

        def whole():
            lost = slow.told(lies, "lost")
            return len(slow.told(lies)) - len(lost) + \
                sum(p["count"] for p in lost) == len(quick.told(sees))
        slow.until("what was lost is told", whole)
        self.assertGreaterEqual(slow.told(lies, "lost")[0]["count"], 20)
        asks.ask("tunnel.data", circuit=circuit, to=to, data=b"last")
        slow.hear(lies, "data", data=b"last")

    def test_the_verb_prints_them(self):
        caller = self.caller()
        verb = subprocess.Popen(
            [BINARY, "events", "--timeout", "3s", "--json", "--data-dir",
             self.node.dir], stdout=subprocess.PIPE, text=True)
        self.assertIn('"subscribed"', verb.stdout.readline())
        circuit = self.circuit(caller)
        printed, _ = verb.communicate(timeout=PATIENCE)
        news = [json.loads(line) for line in printed.splitlines()]
        self.assertIn({"news": "circuit", "event": "ready",
                       "circuit": circuit, "hops": 2, "hop": 0,
                       "reason": None, "text": None}, news)
        self.assertGreater(news[-1]["told"], 0)
        self.assertEqual(news[-1]["lost"], 0)
        self.assertEqual(verb.returncode, DONE)
        verb = subprocess.Popen(
            [BINARY, "events", "--timeout", "3s", "--kinds", "circuits,data",
             "--data-dir", self.node.dir], stdout=subprocess.PIPE, text=True)
        wait_for("it listens", lambda: self.node.metrics()
                 ["warren_control_clients"] == 2)
        time.sleep(0.3)
        caller.ask("tunnel.data", circuit=circuit, to="192.0.2.7:99",
                   data=b"a\tb")
        caller.ask("tunnel.close", circuit=circuit)
        printed, _ = verb.communicate(timeout=PATIENCE)
        self.assertIn(f"data to 192.0.2.7:99 by circuit {circuit}: a", printed)
        self.assertIn(f"circuit {circuit} of 2 hops closed: ", printed)
        done = self.node.cli("events", "--kinds", "tea")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("kinds must be some of circuits, data", done.stderr)

    def test_what_runs_is_cancelled(self):
        caller, events = self.subscribed()
        self.assertEqual(caller.ask("cancel", call=999), "not_found")
        waits = caller.send("service.receive")
        self.assertEqual(caller.ask("cancel", call=waits), {})
        self.assertEqual(caller.end(waits), "cancelled")
        self.assertEqual(caller.ask("cancel", call=events), {})
        self.assertEqual(caller.end(events), "cancelled")
        self.assertEqual(caller.ask("cancel", call=events), "not_found")
        told = len(caller.news)
        self.circuit(caller)
        self.assertEqual(len(caller.news), told)
        for call in (None, -1, 2**32, "x"):
            self.assertEqual(caller.ask("cancel", call=call), "syntax")

    def test_many_subscribers_come_and_go(self):
        for _ in range(3):
            callers = [self.subscribed()[0] for _ in range(8)]
            for caller in callers:
                caller.socket.close()
        wait_for("they are gone", lambda: self.node.metrics()
                 ["warren_control_clients"] == 0)
        caller, events = self.subscribed(kinds="circuits,data")
        self.assertEqual(caller.told(events, "subscribed"),
                         [{"kinds": ["circuits", "data"]}])
        circuit = self.circuit(caller)
        caller.hear(events, "circuit", event="ready", circuit=circuit)
        caller.socket.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    unittest.main()
