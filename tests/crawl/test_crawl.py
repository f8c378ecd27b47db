# SPDX-License-Identifier: MIT
"""`warren crawl` through a network of real daemons: everybody is seen once, it
ends when it is told to, goes on after a kill, and says what is wrong with its
arguments and its record."""
import csv
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

import msgpack

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "process"))
from harness import (BINARY, DONE, NO_DAEMON, NO_RELAY, TROUBLE, UNANSWERED,
                     USAGE, Control, Failure, ProcessTest, clean_environment,
                     wait_for, warren)

COUNT = 20


class Silent:
    """Addresses that take queries and never answer, and who asked them."""

    def __init__(self, address, ports):
        self.sockets = []
        for port in ports:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((address, port))
            s.setblocking(False)
            self.sockets.append(s)

    def asked(self):
        """Queries that each has got since the last call."""
        counts = []
        for s in self.sockets:
            counts.append(0)
            try:
                while s.recv(2048):
                    counts[-1] += 1
            except BlockingIOError:
                pass
        return counts

    def close(self):
        for s in self.sockets:
            s.close()


class CrawlTest(ProcessTest):

    def start(self):
        nodes = self.network_of(COUNT, "--dht.query_timeout", "2s", *NO_RELAY)
        time.sleep(1)
        return nodes[3]

    def crawl(self, node, *args, ok=(DONE,), **kwargs):
        done = node.cli("crawl", *args, **kwargs)
        self.assertIn(done.returncode, ok, done.stdout + done.stderr)
        return done

    def begin(self, node, *args):
        return subprocess.Popen(
            [BINARY, "crawl", "--data-dir", str(node.dir), *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=clean_environment())

    def record(self, node, name="crawl.state"):
        path = node.dir / name
        return path.read_text().splitlines() if path.exists() else []

    def test_crawl(self):
        node = self.start()
        self.sees_everybody(node)
        self.asks_once(node)
        self.writes_tables(node)
        self.draws(node)
        self.ends_when_told(node)
        self.goes_on_after_a_kill(node)
        self.goes_on_from_a_cut_line(node)
        self.knows_ports_of_one_host(node)
        self.says_what_is_wrong(node)

    def sees_everybody(self, node):
        done = self.crawl(node, "--rate", 100)
        self.assertIn("IPv4\n", done.stdout)
        self.assertIn(f"{COUNT - 1} nodes answered", done.stdout)
        self.assertEqual("", done.stderr)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)
        told = json.loads(self.crawl(node, "--rate", 100, "--json").stdout)
        self.assertTrue(told["complete"])
        self.assertEqual(told["ipv4"]["answered"], COUNT - 1)
        self.assertEqual(told["ipv4"]["size_by"], "recapture")
        self.assertLessEqual(told["ipv4"]["size"]["low"], COUNT - 1)
        self.assertGreaterEqual(told["ipv4"]["size"]["high"], COUNT - 1)
        self.assertEqual(sum(v["nodes"] for v in told["ipv4"]["versions"]),
                         COUNT - 1)
        self.assertGreater(told["ipv4"]["rtt_ms"]["p50"], 0)
        self.assertTrue((node.dir / "crawl.state.old").exists())

    def asks_once(self, node):
        asked = [line.split()[2] for line in self.record(node)
                 if line.startswith("q ")]
        self.assertEqual(sorted(asked), sorted(set(asked)))
        self.assertEqual(set(asked), {n.endpoint for n in self.net.nodes
                                      if n is not node})

    def writes_tables(self, node):
        where = self.net.root / "tables"
        self.crawl(node, "--resume", "--csv", where)
        with open(where / "nodes.csv", newline="", encoding="ascii") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual({f"{r['address']}:{r['port']}" for r in rows
                          if r["state"] == "answered"},
                         {n.endpoint for n in self.net.nodes
                          if n is not node})
        ids = {n.endpoint: n.id() for n in self.net.nodes}
        for row in rows:
            self.assertEqual(row["id"],
                             ids[f"{row['address']}:{row['port']}"])
            self.assertGreater(float(row["rtt_ms"]), 0)
        with open(where / "networks.csv", newline="", encoding="ascii") as f:
            of24 = [r for r in csv.DictReader(f) if r["bits"] == "24"]
        self.assertEqual(of24[0]["prefix"], f"{self.net.prefix}.0")
        self.assertEqual(of24[0]["nodes"], str(COUNT - 1))
        with open(where / "summary.csv", newline="", encoding="ascii") as f:
            summary = {(r["family"], r["what"]): r for r in csv.DictReader(f)}
        self.assertEqual(summary["all", "complete"]["value"], "1")
        self.assertEqual(float(summary["ipv4", "answered"]["value"]),
                         COUNT - 1)
        self.assertTrue((where / "clusters.csv").exists())

    def draws(self, node):
        where = self.net.root / "picture"
        empty = self.net.root / "nothing"
        empty.mkdir()
        done = subprocess.run(
            [BINARY, "crawl", "--data-dir", str(node.dir), "--plot",
             str(where)], capture_output=True, text=True, timeout=60,
            env={**clean_environment(), "PATH": str(empty)}, check=False)
        self.assertEqual(done.returncode, TROUBLE)
        self.assertIn("gnuplot-nox", " ".join(done.stderr.split()))
        self.assertFalse(where.exists())
        if shutil.which("gnuplot") is None:
            return
        done = self.crawl(node, "--resume", "--plot", where)
        self.assertEqual(done.stderr, "")
        picture = (where / "crawl.png").read_bytes()
        self.assertEqual(picture[:4], b"\x89PNG")
        self.assertGreater(len(picture), 20000)

    def ends_when_told(self, node):
        done = self.crawl(node, "--rate", 100, "--queries", 5, "--json")
        told = json.loads(done.stdout)
        self.assertEqual(told["queries"], 5)
        self.assertFalse(told["complete"])
        (node.dir / "crawl.state").unlink()
        walk = self.begin(node, "--rate", "4", "--json")
        wait_for("five were asked",
                 lambda: sum(line.startswith("q ")
                             for line in self.record(node)) >= 5)
        walk.send_signal(signal.SIGINT)
        out, err = walk.communicate(timeout=10)
        self.assertEqual(walk.returncode, DONE, err)
        told = json.loads(out)
        self.assertFalse(told["complete"])
        self.assertGreaterEqual(told["ipv4"]["answered"], 4)
        self.assertLess(told["ipv4"]["answered"], COUNT - 1)

    def goes_on_after_a_kill(self, node):
        (node.dir / "crawl.state").unlink()
        walk = self.begin(node, "--rate", "4")
        wait_for("five were asked", lambda: sum(
            line.startswith("q ") for line in self.record(node)) >= 5)
        # It is the only one there.
        done = self.crawl(node, ok=(TROUBLE,))
        self.assertIn("another crawl goes on", " ".join(done.stderr.split()))
        walk.kill()
        walk.communicate(timeout=10)
        before = self.record(node)
        done = self.crawl(node, "--resume", "--rate", 100, "--json")
        told = json.loads(done.stdout)
        self.assertTrue(told["complete"])
        self.assertEqual(told["ipv4"]["answered"], COUNT - 1)
        after = self.record(node)
        self.assertEqual(after[:len(before)], before)
        # Those of whom nothing was heard before the kill are asked twice.
        asked = [line.split()[2] for line in after if line.startswith("q ")]
        self.assertLessEqual(len(asked), COUNT - 1 + 2)
        self.assertEqual(told["queries"], len(asked))

    def goes_on_from_a_cut_line(self, node):
        path = node.dir / "crawl.state"
        lines = path.read_text().splitlines(keepends=True)
        cut = next(i for i, line in enumerate(lines)
                   if line.startswith("a ")) + 3
        path.write_text("".join(lines[:cut]) + lines[cut][:9])
        told = json.loads(self.crawl(node, "--resume", "--rate", 100,
                                     "--json").stdout)
        self.assertEqual(told["ipv4"]["answered"], COUNT - 1)
        for line in self.record(node)[1:]:
            self.assertRegex(line, "^[kqafe] ")

    def says_what_is_wrong(self, node):
        for args, code, words in (
                (("--rate", "0"), USAGE, "--rate"),
                (("--rate", "201"), USAGE, "200"),
                (("--queries", "x"), USAGE, "--queries"),
                (("--max-nodes", "0"), USAGE, "--max-nodes"),
                (("--state", "/nowhere/x"), USAGE, "/nowhere/x"),
                (("--resume", "--state", self.net.root / "none"), USAGE,
                 "none"),
                (("here",), USAGE, "crawl")):
            done = self.crawl(node, *args, ok=(code,))
            self.assertIn(words, done.stderr)
        other = self.net.root / "other.state"
        for text, words in (
                ("hello\n", "no record"),
                ("warren crawl 1 main 1 " + "0" * 64 + "\nx 1\n", ":2:"),
                ("warren crawl 1 main 1 " + "0" * 64 + "\nq 5 nowhere\n",
                 ":2:"),
                ("warren crawl 1 other 1 " + "0" * 64 + "\n", "other")):
            other.write_text(text)
            done = self.crawl(node, "--resume", "--state", other, ok=(USAGE,))
            self.assertIn(words, " ".join(done.stderr.split()))

    def test_crawl_of_nobody(self):
        node = self.net.add().start(*NO_RELAY)
        done = self.crawl(node, ok=(UNANSWERED,))
        self.assertIn("no other node is known yet: 'warren status' says why",
                      done.stderr)
        self.assertFalse((node.dir / "crawl.state").exists())
        node.stop()
        done = self.crawl(node, ok=(NO_DAEMON,))
        self.assertIn("no daemon", done.stderr)

    def test_crawl_asks_the_silent_twice(self):
        """A liar names addresses that do not answer: each is asked twice and
        is not counted; what the control socket tells of it is right."""
        nodes = self.network_of(3, "--dht.query_timeout", "1s", *NO_RELAY)
        ports = range(9000, 9008)
        silent = Silent(f"{self.net.prefix}.150", ports)
        self.addCleanup(silent.close)
        liar = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        liar.bind((f"{self.net.prefix}.151", 9000))
        liar.settimeout(0.1)
        self.addCleanup(liar.close)
        named = b"".join(
            os.urandom(20) + socket.inet_aton(f"{self.net.prefix}.150") +
            port.to_bytes(2, "big") for port in ports)
        state = self.net.root / "liar.state"
        endpoint = f"{self.net.prefix}.151:9000"
        state.write_text("warren crawl 1 main 1 " + "5" * 64 +
                         f"\nk - {endpoint}\n")
        walk = self.begin(nodes[0], "--rate", "50", "--resume", "--state",
                          str(state), "--json")
        while walk.poll() is None:
            try:
                data, sender = liar.recvfrom(2048)
            except TimeoutError:
                continue
            query = msgpack.unpackb(data, raw=True, strict_map_key=False)
            if query.get(b"y") == b"q":
                liar.sendto(msgpack.packb({
                    "t": query[b"t"], "y": "r", "v": b"LT\x02\x01",
                    "r": {"id": b"\x77" * 20, "nodes": named}}), sender)
        out, err = walk.communicate(timeout=10)
        told = json.loads(out)["ipv4"]
        self.assertEqual(told["answered"], 3, err)
        self.assertEqual(told["silent"], len(ports))
        self.assertEqual((told["liars"], told["lies"]), (1, len(ports)))
        self.assertIn("LT 2.0.1",
                      [v["version"] for v in told["versions"]])
        self.assertLess(told["size"]["nodes"], 3 + len(ports) / 2)
        asked = [line.split()[2] for line in state.read_text().splitlines()
                 if line.startswith("q ")]
        for port in ports:
            self.assertEqual(
                asked.count(f"{self.net.prefix}.150:{port}"), 2)

    def knows_ports_of_one_host(self, node):
        """A testing network may be on one address: its ports are no crowd."""
        state = self.net.root / "host.state"
        state.write_text("warren crawl 1 main 1 " + "5" * 64 + "\n" + "".join(
            f"k - {self.net.prefix}.160:{port}\n"
            for port in range(20000, 20040)))
        told = json.loads(self.crawl(
            node, "--resume", "--state", state, "--queries", 1, "--json",
            ok=(DONE, UNANSWERED)).stdout)
        self.assertGreaterEqual(told["ipv4"]["named"], 40)
        self.assertEqual(told["left_out"]["host"], 0)

    def test_crawl_by_the_socket(self):
        nodes = self.network_of(3, *NO_RELAY)
        wait_for("the second knows the third", lambda: nodes[2].id() in [
            n["id"] for n in nodes[1].rpc("dht.nodes")["nodes"]])
        with Control(nodes[0]) as control:
            told = control.call("dht.ask", address=nodes[1].endpoint,
                                target="0" * 40)
            self.assertEqual(told["id"], nodes[1].id())
            self.assertEqual(told["address"], nodes[1].endpoint)
            self.assertTrue(told["version"].startswith(b"WR"))
            self.assertIn({"id": nodes[2].id(),
                           "address": nodes[2].endpoint}, told["nodes"])
            for params, code in (({"address": nodes[1].endpoint}, "syntax"),
                                 ({"address": "1.2.3.4:0",
                                   "target": "0" * 40}, "")):
                with self.assertRaises(Failure) as failed:
                    control.call("dht.ask", **params)
                self.assertIn(code, str(failed.exception))
            # A quarter of max_pending, 512, may wait.
            for _ in range(129):
                control.send("dht.ask", address=f"{self.net.prefix}.160:9",
                             target="0" * 40)
            frame = control.receive()
            self.assertEqual(frame[2]["code"], "no_space")
            self.assertIn("max_pending", frame[2]["text"])


if __name__ == "__main__":
    unittest.main()
