#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The mainline DHT through the command line and the control socket: every verb
of the DHT with --mainline, magnet links, and what is said where it is off."""
import asyncio
import base64
import contextlib
import hashlib
import importlib
import json
import pathlib
import socket
import sys
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/process"))
sys.path.insert(0, str(ROOT / "python"))
from harness import (DONE, NEGATIVE, NO_RELAY, TROUBLE, UNANSWERED, USAGE,
                     Control, Failure, ProcessTest, wait_for, warren)

HASH = "5a" * 20
LINK = f"magnet:?dn=some+name&xt=urn:btih:{HASH.upper()}&tr=udp%3A%2F%2Ft"
BASE32 = ("MAGNET:?xt=urn%3Abtih%3A" +
          base64.b32encode(bytes.fromhex(HASH)).decode().lower())
ON = ("--mainline.enabled", "true")


# ---- Bencode, as far as it is needed ----------------------------------------

def encode(value):
    """Of ints, bytes, lists and dicts, whose keys stay in their order."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    return b"d" + b"".join(encode(k) + encode(v)
                           for k, v in value.items()) + b"e"


def token_of(answer):
    """What stands after the key, in an answer of a node of ours."""
    at = answer.index(b"5:token") + len(b"5:token")
    colon = answer.index(b":", at)
    return answer[colon + 1:colon + 1 + int(answer[at:colon])]


class Stranger:
    """A program of the mainline DHT with manners of its own."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.settimeout(5)

    def ask(self, node, method, arguments):
        self.socket.sendto(encode({
            b"a": {b"id": b"i" * 20, **arguments}, b"q": method, b"t": b"aa",
            b"y": b"q"}), (node.address, int(node.endpoint.split(":")[-1])))
        while True:
            answer = self.socket.recv(2048)
            if b"1:y1:q" not in answer:
                return answer

    def answer(self, body):
        """All queries, in another thread, until it is closed."""
        def run():
            with contextlib.suppress(OSError):
                while True:
                    query, node = self.socket.recvfrom(2048)
                    at = query.rindex(b"1:t") + len(b"1:t")
                    colon = query.index(b":", at)
                    end = colon + 1 + int(query[at:colon])
                    self.socket.sendto(encode({
                        b"r": body, b"t": query[colon + 1:end], b"y": b"r"}),
                        node)
        threading.Thread(target=run, daemon=True).start()

    def put(self, node, value):
        target = hashlib.sha1(encode(value)).digest()
        token = token_of(self.ask(node, b"get", {b"target": target}))
        self.ask(node, b"put", {b"token": token, b"v": value})
        return target.hex()

    def close(self):
        self.socket.close()


# ---- On ---------------------------------------------------------------------

class On(ProcessTest):
    """One network for all of them: starting one takes longest. The first node
    is not in the mainline DHT."""

    def setUp(self):
        super().setUp()
        self.off = self.net.add().start(*NO_RELAY)
        first = self.net.add([self.off])
        self.nodes = [first] + [self.net.add([self.off]) for _ in range(4)]
        for node in self.nodes:
            self.start(node, wait=False)
        for node in self.nodes:
            node.wait_ready()
        for node in self.nodes:
            self.wait_joined(node)

    def start(self, node, *flags, wait=True):
        node.start(*NO_RELAY, *ON, "--mainline.bootstrap",
                   self.nodes[0].endpoint, *flags, wait=wait)

    def wait_joined(self, node):
        node.wait_joined()
        wait_for(f"{node.endpoint} joins the mainline DHT",
                 lambda: node.status()["mainline"]["joined"], 30)

    def json(self, number, *args, **kwargs):
        return self.nodes[number].json(*args, "--mainline", **kwargs)

    def cli(self, number, *args, **kwargs):
        return self.nodes[number].cli(*args, "--mainline", **kwargs)

    def id(self, number):
        return self.nodes[number].status()["mainline"]["ipv4"]["id"]

    def test_everything(self):
        for part in (self.nodes_table, self.ping, self.find_node, self.peers,
                     self.package, self.seeds, self.both_apart,
                     self.published, self.items, self.item_out_of_order,
                     self.sample, self.crawl, self.client_goes_away,
                     self.restart):
            with self.subTest(part=part.__name__):
                part()

    def nodes_table(self):
        nodes = self.json(1, "dht", "nodes")["nodes"]
        self.assertTrue({n["address"] for n in nodes} <=
                        {n.endpoint for n in self.nodes})
        self.assertIn(self.nodes[0].endpoint, {n["address"] for n in nodes})
        self.assertNotEqual(self.id(1), self.nodes[1].id())

    def ping(self):
        answer = self.json(1, "dht", "ping", self.nodes[2].endpoint)
        self.assertEqual((answer["id"], answer["address"]),
                         (self.id(2), self.nodes[2].endpoint))
        done = self.cli(1, "dht", "ping", self.off.endpoint, "--timeout", 1)
        self.assertEqual(done.returncode, UNANSWERED, done.stderr)

    def find_node(self):
        found = self.json(4, "dht", "find-node", self.id(2), "--trace")
        self.assertEqual(found["nodes"][0], {
            "id": self.id(2), "address": self.nodes[2].endpoint})
        self.assertIn("answered", {s["outcome"] for s in found["steps"]})

    def peers(self):
        """Whatever a hash is written as."""
        done = self.cli(4, "dht", "get-peers", LINK)
        self.assertEqual(done.returncode, NEGATIVE, done.stderr)
        self.assertNotIn("--mainline", done.stderr)
        announced = self.json(1, "dht", "announce", LINK)
        self.assertEqual(announced["target"], HASH)
        self.assertGreaterEqual(announced["stored"], 3)
        self.assertTrue(announced["kept"])
        self.json(2, "dht", "announce", BASE32, "--port", 4321)
        expected = {self.nodes[1].endpoint, f"{self.nodes[2].address}:4321"}
        for written in (LINK, BASE32, HASH):
            found = self.json(4, "dht", "get-peers", written)
            self.assertEqual({p["address"] for p in found["peers"]}, expected)
        done = self.cli(4, "dht", "get-peers", LINK, "--trace")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn(f"{self.nodes[2].address}:4321", done.stdout)
        with Control(self.nodes[3]) as control:
            found = control.call("dht.get_peers", target=LINK, mainline=True)
        self.assertEqual({p["address"] for p in found["peers"]}, expected)
        self.json(2, "dht", "withdraw", BASE32)
        self.assertEqual(self.cli(2, "dht", "withdraw", HASH).returncode,
                         NEGATIVE)

    def package(self):
        """The same by the Python package."""
        package = importlib.import_module("warren")

        async def ask():
            async with package.open(data_dir=self.nodes[4].dir) as node:
                found = await node.mainline.get_peers(LINK)
                nobody = await node.dht.get_peers(LINK)
            return found.peers, nobody.peers

        found, nobody = asyncio.run(ask())
        self.assertIn(self.nodes[1].endpoint, {p.address for p in found})
        self.assertEqual(nobody, ())

    def seeds(self):
        link = LINK.replace("5A", "5C")
        done = self.cli(4, "dht", "scrape", link)
        self.assertEqual(done.returncode, NEGATIVE, done.stderr)
        self.assertTrue(done.stdout.startswith("Nobody knows of any peers.\n"),
                        done.stdout)
        self.json(1, "dht", "announce", link, "--seed", "--port", 4321)
        self.json(2, "dht", "announce", link)
        self.json(3, "dht", "announce", link)
        count = self.json(4, "dht", "scrape", link)
        self.assertGreaterEqual(count["scraped"], 1)
        self.assertEqual((round(count["seeds"]), round(count["downloaders"])),
                         (1, 2))
        done = self.cli(4, "dht", "scrape", link)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertTrue(done.stdout.startswith(
            "about 1 seed and 2 downloaders, counted by "), done.stdout)
        found = self.json(4, "dht", "get-peers", link, "--no-seeds")
        self.assertEqual({p["address"] for p in found["peers"]},
                         {n.endpoint for n in self.nodes[2:4]})
        self.assertIn(("5c" * 20, True), self.published_seeds(1))
        self.assertIn(("5c" * 20, False), self.published_seeds(2))
        self.assertIn("port 4321, seed",
                      self.cli(1, "dht", "published").stdout)

    def published_seeds(self, number):
        return {(p["target"], p["seed"]) for p in self.json(
            number, "dht", "published")["published"]}

    def both_apart(self):
        """What is in one DHT is not in the other, and who may have meant the
        other one is told, once."""
        node = self.nodes[4]
        done = node.cli("dht", "get-peers", LINK)
        self.assertEqual(done.returncode, NEGATIVE)
        self.assertIn("No peers were found.", done.stdout)
        self.assertEqual(done.stderr.count("--mainline"), 1, done.stderr)
        for verb in ("scrape", "withdraw"):
            done = node.cli("dht", verb, LINK)
            self.assertEqual((done.returncode,
                              done.stderr.count("--mainline")), (NEGATIVE, 1))
        for told in (node.cli("dht", "get-peers", HASH),
                     node.cli("dht", "get-peers", LINK, "--json"),
                     self.off.cli("dht", "get-peers", HASH)):
            self.assertEqual((told.returncode, told.stderr), (NEGATIVE, ""))
        self.assertEqual(node.json("dht", "published")["published"], [])
        for args, told in ((LINK, 1), (HASH, 0)):
            done = node.cli("dht", "announce", args)
            self.assertEqual((done.returncode,
                              done.stderr.count("--mainline")), (DONE, told))
        self.assertEqual(node.json("dht", "withdraw", LINK)["target"], HASH)

    def published(self):
        self.json(3, "dht", "put", "x")
        kinds = {p["target"]: p["kind"]
                 for p in self.json(3, "dht", "published")["published"]}
        self.assertEqual(sorted(kinds.values()), ["item", "peer"])
        table = self.cli(3, "dht", "published").stdout
        for target in kinds:
            self.assertIn(target, table)

    def items(self):
        done = self.cli(1, "dht", "put", "Hello World!")
        # sha1("12:Hello World!"), BEP 44's own example
        target = "e5f96f6f38320f0f33959cb4d3d656452117aadb"
        self.assertEqual(done.stdout, target + "\n", done.stderr)
        self.assertEqual(self.cli(4, "dht", "get", target).stdout,
                         "Hello World!\n")
        key = self.net.root / "key"
        public = warren("dht", "key", "new", key).stdout.strip()
        done = self.cli(1, "dht", "put", "one", "--key", key)
        self.assertIn("as version 1", done.stderr)
        target = done.stdout.strip()
        done = self.cli(2, "dht", "put", "two", "--key", key)
        self.assertIn("as version 2", done.stderr)
        item = self.json(4, "dht", "get", target)["item"]
        self.assertEqual((item["value"], item["seq"], item["key"]),
                         ("two", 2, public))
        self.assertEqual(self.nodes[4].cli("dht", "get", target).returncode,
                         NEGATIVE)

    def item_out_of_order(self):
        """A value that is no msgpack is given as it came."""
        with contextlib.closing(Stranger(f"{self.net.prefix}.150")) as stranger:
            for node in self.nodes[:4]:
                target = stranger.put(node, {b"b": 1, b"a": b"x"})
        item = self.nodes[4].rpc("dht.get", target=target,
                                 mainline=True)["item"]
        self.assertEqual(item["bencoded"], b"d1:bi1e1:a1:xe")
        self.assertNotIn("value", item)
        done = self.cli(4, "dht", "get", target)
        self.assertEqual((done.returncode, done.stdout),
                         (DONE, "bencoded: d1:bi1e1:a1:xe\n"))

    def sample(self):
        samples = [self.json(0, "dht", "sample", n.endpoint)["samples"]
                   for n in self.nodes[1:]]
        self.assertIn(HASH, sum(samples, []))

    def crawl(self):
        node = self.nodes[3]
        told = self.json(3, "crawl", "--rate", 100)
        self.assertEqual((told["network"], told["mainline"],
                          told["complete"]), (None, True, True))
        self.assertEqual(told["ipv4"]["answered"], 4)
        record = node.dir / "crawl-mainline.state"
        self.assertTrue(record.read_text().startswith(
            "warren mainline crawl 1 1 "))
        self.assertFalse((node.dir / "crawl.state").exists())
        again = self.json(3, "crawl", "--resume")
        self.assertEqual(again["queries"], told["queries"])
        # It goes on in the DHT that it is from, and in no other.
        done = node.cli("crawl", "--resume", "--state", record)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("through the mainline DHT: --mainline", done.stderr)
        node.json("crawl", "--rate", 100)
        done = self.cli(3, "crawl", "--resume", "--state",
                        node.dir / "crawl.state")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("through the DHT of the network main", done.stderr)

    def client_goes_away(self):
        """Its lookups end with it, in the engine that they are of."""
        node = self.nodes[1]
        self.nodes[0].kill()
        with Control(node) as control:
            control.send("dht.ping", address=self.nodes[0].endpoint,
                         mainline=True)
            wait_for("it runs",
                     lambda: node.status()["mainline"]["lookups"] > 0)
        wait_for("it ends", lambda: node.status()["mainline"]["lookups"] == 0,
                 2)

    def restart(self):
        node = self.nodes[1]
        before = self.published_seeds(1)
        self.assertTrue({(HASH, False), ("5c" * 20, True)} <= before)
        node.stop()
        self.start(node, "--mainline.max_lookups", "1",
                   "--mainline.max_publications", "9")
        self.assertEqual(self.published_seeds(1), before)
        self.wait_joined(node)
        # Caps are those of this DHT.
        with Control(node) as control:
            control.send("dht.ping", address="127.255.255.254:9",
                         mainline=True)
            wait_for("it runs",
                     lambda: node.status()["mainline"]["lookups"] == 1)
            done = self.cli(1, "dht", "ping", "127.255.255.254:9")
            self.assertEqual(done.returncode, TROUBLE, done.stderr)
            self.assertIn("max_lookups in the section [mainline]", done.stderr)
            self.assertIn("allows (1)", done.stderr)


# ---- Nobody there -----------------------------------------------------------

class Nobody(ProcessTest):
    """Alone in both, with a bootstrap node of the mainline DHT that is
    silent."""

    def setUp(self):
        super().setUp()
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(silent.close)
        silent.bind((f"{self.net.prefix}.150", 0))
        self.node = self.net.add().start(
            *NO_RELAY, *ON, "--mainline.query_timeout", "1s",
            "--mainline.bootstrap", "%s:%d" % silent.getsockname())

    def test_says_who_is_missing(self):
        for verb in (["dht", "get-peers", LINK], ["dht", "scrape", LINK],
                     ["dht", "announce", LINK], ["dht", "put", "x"],
                     ["crawl"]):
            with self.subTest(verb=verb):
                done = self.node.cli(*verb, "--mainline")
                self.assertEqual((done.returncode, done.stdout),
                                 (UNANSWERED, ""))
                self.assertIn("no node of the mainline DHT is known yet: ",
                              done.stderr)
                self.assertIn("warren status", done.stderr)
        # Of one that is asked by its address nothing else is to be said.
        done = self.node.cli("dht", "ping", "--mainline", "127.255.255.254:9")
        self.assertEqual(done.stderr, "warren: no answer in time\n")
        done = self.node.cli("crawl", "--mainline", "--json")
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "no_nodes")
        self.assertFalse((self.node.dir / "crawl-mainline.state").exists())

    def test_link_in_the_other_one(self):
        for verb in ("get-peers", "scrape", "announce"):
            done = self.node.cli("dht", verb, LINK)
            self.assertEqual(done.returncode, UNANSWERED)
            self.assertIn("no other node is known yet", done.stderr)
            self.assertEqual(done.stderr.count("--mainline"), 1, done.stderr)
            for told in (self.node.cli("dht", verb, HASH),
                         self.node.cli("dht", verb, LINK, "--json")):
                self.assertEqual(told.returncode, UNANSWERED)
                self.assertNotIn("--mainline", told.stderr)


# ---- Off --------------------------------------------------------------------

class Off(ProcessTest):
    VERBS = (["dht", "nodes"], ["dht", "ping", "127.0.0.1:9"],
             ["dht", "find-node", HASH], ["dht", "get-peers", LINK],
             ["dht", "scrape", LINK], ["dht", "announce", LINK],
             ["dht", "withdraw", LINK], ["dht", "sample", "127.0.0.1:9"],
             ["dht", "put", "x"], ["dht", "get", HASH], ["dht", "published"],
             ["crawl"])

    def test_verbs(self):
        node = self.net.add().start(*NO_RELAY)
        self.assertIsNone(node.status()["mainline"])
        for verb in self.VERBS:
            with self.subTest(verb=verb):
                done = node.cli(*verb, "--mainline")
                self.assertEqual((done.returncode, done.stdout),
                                 (TROUBLE, ""))
                self.assertIn("enabled = true in the section [mainline]",
                              " ".join(done.stderr.split()))
                done = node.cli(*verb, "--mainline", "--json")
                self.assertEqual(json.loads(done.stdout)["error"]["code"],
                                 "unsupported")
        self.assertFalse((node.dir / "crawl-mainline.state").exists())
        with self.assertRaisesRegex(Failure, "^unsupported: this node is not"):
            node.rpc("dht.ask", address="127.0.0.1:9", target=HASH,
                     mainline=True)
        with self.assertRaisesRegex(Failure, "^syntax: mainline must be"):
            node.rpc("dht.nodes", mainline=1)
        with self.assertRaisesRegex(Failure, "^syntax: .*magnet link"):
            node.rpc("dht.get_peers", target="magnet:?dn=x")

    def test_arguments(self):
        """What is wrong with a link is said, by whatever takes one."""
        for link, said in (
                ("magnet:?dn=x", "not for a torrent"),
                (f"magnet:?xt=urn:btih:{HASH}0", "has 40 hex digits or 32"),
                (f"magnet:?xt=urn:btmh:{HASH}", "SHA2-256"),
                (f"magnet:?xt=urn:btih:{HASH}&xt=urn:btih:{'5b' * 20}",
                 "several torrents"),
                (HASH + "0", "40 hex digits (0-9, a-f), or a magnet link")):
            for verb in ("get-peers", "scrape", "announce", "withdraw"):
                done = warren("dht", verb, link)
                self.assertEqual(done.returncode, USAGE)
                self.assertIn(said, " ".join(done.stderr.split()))
        # What is no info-hash is not to be had by a link.
        for verb in ("find-node", "get"):
            self.assertIn("exactly 40 hex digits",
                          warren("dht", verb, LINK).stderr)


class Samples(ProcessTest):
    def test_who_knows_nothing_of_them(self):
        node = self.net.add().start(*ON, *NO_RELAY)
        with contextlib.closing(Stranger(f"{self.net.prefix}.150")) as stranger:
            stranger.answer({b"id": b"i" * 20, b"nodes": b""})
            ask = ["dht", "sample", "--mainline",
                   "%s:%d" % stranger.socket.getsockname()]
            done = node.cli(*ask)
            self.assertEqual(done.returncode, NEGATIVE, done.stderr)
            self.assertIn("knows nothing of samples (BEP 51)", done.stdout)
            told = json.loads(node.cli(*ask, "--json").stdout)
            self.assertIsNone(told["samples"])


if __name__ == "__main__":
    unittest.main()
