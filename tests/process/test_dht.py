#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The DHT through the command line and the control socket, on a small
network."""
import json
import socket
import time
import unittest

from harness import (DONE, NEGATIVE, NO_RELAY, REFUSED, TROUBLE, UNANSWERED,
                     Control, Failure, ProcessTest, wait_for, warren)


class Verbs(ProcessTest):
    """One network for all of them: starting one takes longest."""

    def setUp(self):
        super().setUp()
        self.nodes = self.network_of(6, *NO_RELAY)

    def test_everything(self):
        for part in (self.find_node, self.ping, self.peers, self.immutable,
                     self.read_from_elsewhere,
                     self.mutable, self.sample, self.nodes_table, self.status,
                     self.client_goes_away, self.many_requests, self.ends):
            with self.subTest(part=part.__name__):
                part()

    def find_node(self):
        wanted = self.nodes[3]
        found = self.nodes[5].json("dht", "find-node", wanted.id())
        self.assertEqual(found["nodes"][0],
                         {"id": wanted.id(), "address": wanted.endpoint})
        self.assertGreaterEqual(found["answered"], 1)
        done = self.nodes[5].cli("dht", "find-node", wanted.id())
        self.assertEqual(done.returncode, DONE)
        self.assertIn(f"{wanted.id()}  {wanted.endpoint}", done.stdout)

    def ping(self):
        answer = self.nodes[1].json("dht", "ping", self.nodes[2].endpoint)
        self.assertEqual(answer["id"], self.nodes[2].id())
        self.assertEqual(answer["address"], self.nodes[2].endpoint)
        self.assertGreater(answer["rtt"], 0)
        # 127.0.0.1 is nobody here: what counts is that the name was resolved
        done = self.nodes[1].cli("dht", "ping", "localhost:9", "--timeout", 1)
        self.assertEqual(done.returncode, UNANSWERED, done.stderr)
        self.assertIn("no answer", done.stderr)
        done = self.nodes[1].cli("dht", "ping", "no-such-host.invalid:9")
        self.assertIn("no-such-host.invalid has no address", done.stderr)

    def peers(self):
        info_hash = "5a" * 20
        self.assertEqual(self.nodes[5].cli("dht", "get-peers",
                                           info_hash).returncode, NEGATIVE)
        self.assertGreaterEqual(
            self.nodes[1].json("dht", "announce", info_hash)["stored"], 3)
        self.assertGreaterEqual(self.nodes[2].json(
            "dht", "announce", info_hash, "--port", "4321")["stored"], 3)
        expected = {self.nodes[1].endpoint, f"{self.nodes[2].address}:4321"}
        found = self.nodes[5].json("dht", "get-peers", info_hash, "--trace")
        self.assertEqual({p["address"] for p in found["peers"]}, expected)
        asked = {s["address"] for s in found["steps"]}
        self.assertTrue(all(s["outcome"] == "timeout" for s in found["steps"]
                            if s["early"]))
        for peer in found["peers"]:  # hop 0: the node stores it itself
            if peer["hop"] == 0:
                self.assertIsNone(peer["from"])
            else:
                self.assertIn(peer["from"], asked)
        done = self.nodes[5].cli("dht", "get-peers", info_hash, "--trace")
        self.assertEqual(done.returncode, DONE)
        for peer in expected:
            self.assertIn(peer, done.stdout)
        self.assertIn("answered", done.stdout)
        self.nodes[2].json("dht", "withdraw", info_hash)
        self.assertEqual(self.nodes[2].status()["dht"]["publications"], 0)

    def immutable(self):
        done = self.nodes[1].cli("dht", "put", "Hello World!")
        self.assertEqual(done.returncode, DONE, done.stderr)
        # sha1("12:Hello World!"), BEP 44's own example
        target = "e5f96f6f38320f0f33959cb4d3d656452117aadb"
        self.assertEqual(done.stdout, target + "\n")
        done = self.nodes[4].cli("dht", "get", target)
        self.assertEqual(done.stdout, "Hello World!\n")
        item = self.nodes[4].json("dht", "get", target)["item"]
        self.assertEqual(item["value"], "Hello World!")
        self.assertFalse(item["mutable"])
        self.assertEqual(self.nodes[4].cli("dht", "get",
                                           "77" * 20).returncode, NEGATIVE)

    def read_from_elsewhere(self):
        """What is stored is what was read, byte for byte."""
        for value, shown in ((b"from a file\n", "from a file\n\n"),
                             (b"\x1b]0;title\x07\xff\x00",
                              "bytes: 1b5d303b7469746c6507ff00\n"),
                             (b"", "\n")):
            path = self.net.root / "value"
            path.write_bytes(value)
            by_file = self.nodes[1].cli("dht", "put", "--file", path)
            self.assertEqual(by_file.returncode, DONE, by_file.stderr)
            with open(path, "rb") as stdin:
                read = self.nodes[2].cli("dht", "put", "-", stdin=stdin)
            self.assertEqual(read.stdout, by_file.stdout)
            target = read.stdout.strip()
            done = self.nodes[4].cli("dht", "get", target)
            self.assertEqual(done.stdout, shown)

    def mutable(self):
        key = self.net.root / "key"
        done = self.put("one", "--key", key, node=1)
        self.assertNotEqual(done.returncode, DONE)  # there is no key yet
        public = warren("dht", "key", "new", key).stdout.strip()
        for damage in (bytes(64), key.read_bytes()[:32] + bytes(32)):
            damaged = self.net.root / "damaged"
            damaged.write_bytes(damage)
            damaged.chmod(0o600)
            done = self.put("one", "--key", damaged, node=1)
            self.assertEqual(done.returncode, TROUBLE)
            self.assertIn("its halves do not belong together", done.stderr)
        done = self.put("one", "--key", key, node=1)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn("as version 1", done.stderr)
        target = done.stdout.strip()
        item = self.nodes[4].json("dht", "get", target)["item"]
        self.assertEqual((item["value"], item["seq"], item["key"]),
                         ("one", 1, public))
        # another node goes on counting
        done = self.put("two", "--key", key, node=2)
        self.assertIn("as version 2", done.stderr)
        self.assertEqual(self.nodes[4].cli("dht", "get", target).stdout,
                         "two\n")
        # what is older, or expects something else, is refused
        done = self.put("late", "--key", key, "--seq", "1", node=3)
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        done = self.put("cas", "--key", key, "--seq", "9", "--cas", "1",
                        node=3)
        self.assertEqual(done.returncode, REFUSED, done.stderr)
        done = self.put("cas", "--key", key, "--seq", "9", "--cas", "2",
                        node=3)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertEqual(self.nodes[5].json("dht", "get",
                                            target)["item"]["seq"], 9)
        # a salt makes it another item
        done = self.put("salted", "--key", key, "--salt", "s", node=1)
        salted = done.stdout.strip()
        self.assertNotEqual(salted, target)
        done = self.nodes[4].cli("dht", "get", salted, "--salt", "s")
        self.assertEqual(done.stdout, "salted\n")

    def put(self, value, *flags, node):
        return self.nodes[node].cli("dht", "put", value, *flags)

    def sample(self):
        has = [node for node in self.nodes[1:]
               if node.status()["dht"]["hashes"] > 0]
        answer = self.nodes[0].json("dht", "sample", has[0].endpoint)
        self.assertIn("5a" * 20, answer["samples"])
        self.assertEqual(answer["num"], len(answer["samples"]))

    def nodes_table(self):
        nodes = self.nodes[0].json("dht", "nodes")["nodes"]
        self.assertEqual({n["address"] for n in nodes},
                         {n.endpoint for n in self.nodes[1:]})
        done = self.nodes[0].cli("dht", "nodes")
        self.assertTrue(done.stdout.startswith("id "), done.stdout)
        self.assertEqual(len(done.stdout.splitlines()), 6)

    def status(self):
        done = self.nodes[1].cli("status")
        self.assertEqual(done.returncode, DONE)
        self.assertTrue(done.stdout.startswith("Nothing is wrong.\n"),
                        done.stdout)
        metrics = self.nodes[1].metrics()
        self.assertEqual(metrics['warren_dht_nodes{family="ipv4"}'], 5)
        self.assertEqual(metrics["warren_dht_joined"], 1)

    def client_goes_away(self):
        """Its lookups end with it."""
        node = self.nodes[1]
        self.nodes[5].kill()
        with Control(node) as control:
            control.send("dht.ping", address=self.nodes[5].endpoint)
            wait_for("it runs", lambda: node.status()["dht"]["pending"] > 0)
        wait_for("it ends", lambda: node.status()["dht"]["lookups"] == 0, 2)

    def many_requests(self):
        """One connection, many answers, in whatever order."""
        with Control(self.nodes[1]) as control:
            sent = {control.send("dht.find_node", target=f"{i:040x}")
                    for i in range(10)}
            sent.add(control.send("status"))
            answered = set()
            while answered != sent:
                frame = control.receive()
                self.assertIsNone(frame[2])
                answered.add(frame[1])

    def ends(self):
        for node in self.nodes[:5]:
            code, seconds = node.stop()
            self.assertEqual(code, 0)
            self.assertLess(seconds, 1)


class Published(ProcessTest):
    """What a node publishes, and what it says when it cannot keep it."""

    def start(self, node, *flags):
        node.start(*NO_RELAY, *flags)
        node.wait_joined()

    def setUp(self):
        super().setUp()
        first, self.node = self.network_of(2, *NO_RELAY)
        self.other = first

    def published(self):
        return self.node.json("dht", "published")["published"]

    def test_list(self):
        node = self.node
        self.assertEqual(node.cli("dht", "published").stdout,
                         "This node publishes nothing.\n")
        key = self.net.root / "key"
        public = warren("dht", "key", "new", key).stdout.strip()
        node.json("dht", "announce", "5a" * 20, "--port", "4321")
        node.json("dht", "announce", "5b" * 20)
        item = node.json("dht", "put", "x")["target"]
        mutable = node.json("dht", "put", "--key", key, "--seq", "7",
                            "y")["target"]
        there = {p["target"]: p for p in self.published()}
        self.assertEqual(set(there), {"5a" * 20, "5b" * 20, item, mutable})
        for p in there.values():
            self.assertEqual((p["stored"], p["state"], p["kept"]),
                             (1, "stored", True))
            self.assertLess(p["since"], 60)
            # What was put is looked up within the minute, and so is what
            # was announced, once others have told our address.
            self.assertIsNone(p["checked"])
            self.assertGreater(p["next"], 15)
        self.assertEqual(there["5a" * 20]["port"], 4321)
        self.assertIsNone(there["5b" * 20]["port"])
        self.assertEqual({t: p["kind"] for t, p in there.items()}, {
            "5a" * 20: "peer", "5b" * 20: "peer", item: "item",
            mutable: "mutable"})
        self.assertEqual((there[mutable]["key"], there[mutable]["seq"]),
                         (public, 7))
        table = node.cli("dht", "published").stdout
        self.assertRegex(table, rf"(?m)^{'5a' * 20} +port 4321 +1 +\d")
        self.assertRegex(table, rf"(?m)^{mutable} +seq 7 +1 +\d")
        self.assertNotIn("kept", table)
        self.assertLessEqual(max(map(len, table.splitlines())), 80)
        self.assertIn("4 by request", node.cli("status").stdout)
        node.json("dht", "withdraw", item)
        self.assertEqual(len(self.published()), 3)

    def test_nobody_there_yet_is_no_failure(self):
        alone = self.net.add().start()
        wait_for("it has tried", lambda: alone.json("dht", "published")[
            "published"], 20)
        time.sleep(1)
        for p in alone.json("dht", "published")["published"]:
            self.assertIn((p["stored"], p["state"]), [(0, "starting")])
        table = alone.cli("dht", "published").stdout
        self.assertIn(" not yet", table)
        self.assertNotIn("failing", table)

    def test_relay_publishes_itself(self):
        relay = self.net.add([self.other]).start()
        found = wait_for("it publishes itself", lambda: relay.json(
            "dht", "published")["published"], 60)
        self.assertFalse(any(p["kept"] for p in found))

    def test_own_cap(self):
        """Nobody else refuses: the key is named, and the exit code is this
        machine's."""
        self.node.stop()
        self.start(self.node, "--dht.max_publications", "2")
        for value in ("x", "y"):
            self.assertEqual(self.node.cli("dht", "put", value).returncode,
                             DONE)
        for verb in (["dht", "put", "z"], ["dht", "announce", "5a" * 20]):
            done = self.node.cli(*verb)
            self.assertEqual(done.returncode, TROUBLE, done.stderr)
            self.assertIn("max_publications in the section [dht]", done.stderr)
            self.assertIn("allows (2)", done.stderr)

    def test_own_cap_of_lookups(self):
        node = self.net.add().start(*NO_RELAY, "--dht.max_lookups", "1")
        with Control(node) as control:
            control.send("dht.ping", address="127.255.255.254:9")
            wait_for("it runs", lambda: node.status()["dht"]["lookups"] == 1)
            done = node.cli("dht", "ping", "127.255.255.254:9")
            self.assertEqual(done.returncode, TROUBLE, done.stderr)
            self.assertIn("max_lookups in the section [dht]", done.stderr)

    def test_full_store(self):
        """It would be renewed until the next start and then be forgotten."""
        for value in ("x", "y", "z"):
            self.node.json("dht", "put", value)
        for number in range(5):
            self.node.json("dht", "announce", f"5{number}" * 20)
        self.node.stop()
        self.start(self.node, "--dht.max_publications", "2")
        for p in self.published():
            self.node.json("dht", "withdraw", p["target"])
        for verb in (["dht", "put", "new"], ["dht", "announce", "5a" * 20]):
            done = self.node.cli(*verb)
            self.assertEqual(done.returncode, TROUBLE, done.stderr)
            self.assertIn("forgotten", done.stderr)
        self.assertEqual([p["kept"] for p in self.published()],
                         [False, False])
        # what is on disk beyond the cap can be withdrawn too
        done = self.node.cli("dht", "withdraw", "54" * 20)
        self.assertEqual(done.returncode, DONE, done.stderr)
        done = self.node.cli("dht", "withdraw", "54" * 20)
        self.assertEqual(done.returncode, NEGATIVE, done.stderr)


class ControlSocket(ProcessTest):
    def test_errors(self):
        node = self.net.add().start()
        rows = [
            ("nonsense", {}, "unsupported: there is no method"),
            ("dht.ping", {}, "syntax: the parameter address is missing"),
            ("dht.ping", {"address": 1}, "syntax: address must be"),
            ("dht.ping", {"address": "127.0.0.1:1", "x": 1},
             'syntax: there is no parameter "x"'),
            ("dht.get_peers", {"target": "00"},
             "syntax: target must be exactly 40 hex digits"),
            ("dht.put", {"value": 1.5}, "syntax: value must be"),
            ("dht.put", {"value": b"x", "seq": 1}, "missing: key, signature"),
            ("dht.put", {"value": b"x", "seq": 1, "key": "00" * 32,
                         "signature": "00" * 64}, "signature:"),
        ]
        for method, params, said in rows:
            with self.subTest(method=method, params=params):
                with self.assertRaises(Failure) as failure:
                    node.rpc(method, **params)
                self.assertTrue(str(failure.exception).startswith(said),
                                failure.exception)

    def test_silent_client_costs_nothing(self):
        """One that asks without reading, and one that sends half a frame."""
        node = self.net.add().start()
        greedy = Control(node)
        self.addCleanup(greedy.socket.close)
        half = socket.socket(socket.AF_UNIX)
        self.addCleanup(half.close)
        half.connect(str(node.dir / "control.sock"))
        half.sendall(b"\x94\x00")
        greedy.socket.settimeout(1)
        try:
            for _ in range(100000):
                greedy.send("status")
        except OSError:
            pass  # cut off, or nobody takes more
        begun = time.monotonic()
        self.assertEqual(node.cli("status").returncode, DONE)
        self.assertLess(time.monotonic() - begun, 2)
        self.assertLess(node.metrics()["process_resident_memory_bytes"],
                        300e6)  # with sanitizers

    def test_results_are_json(self):
        node = self.net.add().start()
        json.loads(node.cli("status", "--json").stdout)
        json.loads(node.cli("dht", "nodes", "--json").stdout)


if __name__ == "__main__":
    unittest.main()
