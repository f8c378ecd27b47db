# SPDX-License-Identifier: MIT
"""Daemons that are in the mainline DHT too: how they come in, come back, what
they say of themselves, and what they do with strangers' datagrams."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "process"))
from harness import (BINARY, DONE, NO_RELAY, PORT, USAGE, ProcessTest,
                     clean_environment, wait_for, warren)

ON = ("--mainline.enabled=true", *NO_RELAY)


def through(*nodes):
    return "--mainline.bootstrap=" + ", ".join(n.endpoint for n in nodes)


def mainline(node):
    return node.status()["mainline"]


def wait_in(node, count=1, timeout=30.0):
    """Until it knows so many nodes of the mainline DHT."""
    wait_for(f"{node.endpoint} knows {count} of the mainline DHT",
             lambda: mainline(node)["ipv4"]["nodes"] >= count and
             mainline(node)["joined"], timeout)


def problem(node, code):
    found = [p for p in node.status()["problems"] if p["code"] == code]
    return found[0] if found else None


def bencoded_ping(transaction):
    return (b"d1:ad2:id20:" + os.urandom(20) + b"e1:q4:ping1:t2:" +
            transaction + b"1:y1:qe")


class Stranger:
    """A socket that daemons do not know."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.settimeout(5)

    def send(self, node, datagram):
        self.socket.sendto(datagram, (node.address, PORT))

    def ask(self, node, datagram):
        self.send(node, datagram)
        return self.socket.recv(2048)

    def close(self):
        self.socket.close()


class Five(ProcessTest):
    """Nodes whose only DHT traffic is that of the mainline DHT."""

    def setUp(self):
        super().setUp()
        self.first = self.net.add().start(*ON)
        for _ in range(4):
            self.net.add().start(*ON, through(self.first), wait=False)
        for node in self.net.nodes:
            node.wait_ready()
        for node in self.net.nodes:
            wait_in(node, 4)

    def test_both_are_told_apart(self):
        node = self.net.nodes[2]
        status = node.status()
        self.assertFalse(status["dht"]["joined"])
        self.assertNotEqual(status["dht"]["ipv4"]["id"],
                            status["mainline"]["ipv4"]["id"])
        self.assertIn("joined the mainline DHT", node.log_text())
        self.assertNotIn("joined the DHT", node.log_text())
        metrics = node.metrics()
        self.assertEqual(metrics['warren_dht_joined{dht="mainline"}'], 1)
        self.assertEqual(metrics["warren_dht_joined"], 0)
        self.assertEqual(
            metrics['warren_dht_nodes{family="ipv4",dht="mainline"}'], 4)
        self.assertEqual(metrics['warren_dht_nodes{family="ipv4"}'], 0)
        self.assertEqual(metrics["warren_dht_received_total"], 0)
        self.assertGreater(
            metrics['warren_dht_received_total{dht="mainline"}'], 0)
        self.assertEqual(node.http("/health")[0], 200)
        self.assertIsNone(problem(node, "no_mainline"))
        text = node.cli("status").stdout
        self.assertRegex(text, r"(?m)^mainline DHT +joined$")
        self.assertRegex(text, r"(?m)^IPv4 nodes +0 \(")
        self.assertRegex(text, r"(?m)^IPv4 nodes +4 \(4 good")

    def test_everybody_falls_silent(self):
        node = self.net.nodes[4]
        for other in self.net.nodes[:4]:
            other.stop()
        said = wait_for("it is noticed", lambda: problem(node, "silence"), 60)
        self.assertIn("nothing has come from any other node", said["what"])
        self.first.start(*ON)
        wait_for("others answer", lambda: not problem(node, "silence"), 60)

    def test_an_idle_second_engine_is_small(self):
        """1 MB at most, by VmRSS; here it may be as much more by chance."""
        without = self.net.add([self.first]).start(*NO_RELAY)
        both = self.net.add([self.first]).start(*ON, through(self.first))
        without.wait_joined()
        both.wait_joined()
        wait_in(both)
        self.assertLess(both.status()["memory"],
                        without.status()["memory"] + 2 * 2 ** 20)

    def come_back(self, node, before):
        """Without anybody to join through but who was met before."""
        node.start(*ON)
        wait_in(node)
        status = node.status()
        self.assertEqual(status["mainline"]["restored"], 4)
        self.assertIn("looking for the mainline DHT through 4 nodes of the "
                      "last run\n", node.log_text())
        self.assertEqual(status["dht"]["restored"], 0)
        self.assertEqual(status["mainline"]["ipv4"]["id"], before)

    def test_rows_and_id_come_back(self):
        node = self.net.nodes[3]
        before = mainline(node)["ipv4"]["id"]
        node.stop()
        self.come_back(node, before)
        rows = node.status()["store"]
        self.assertEqual(rows["nodes"], 0)
        self.assertEqual(rows["mainline"]["nodes"], 4)
        self.assertEqual(node.metrics()[
            'warren_store_rows{table="mainline_nodes"}'], 4)
        # As soon as they are written, after kill -9 too.
        node.kill()
        self.come_back(node, before)

    def test_who_is_not_in_it_leaves_its_rows_alone(self):
        node = self.net.nodes[1]
        before = mainline(node)["ipv4"]["id"]
        node.stop()
        node.start(*NO_RELAY)
        status = node.status()
        self.assertIsNone(status["mainline"])
        self.assertEqual(status["store"]["mainline"]["nodes"], 4)
        self.assertNotIn("mainline DHT", node.cli("status").stdout)
        self.assertNotIn('dht="mainline"', node.http("/metrics")[1])
        node.stop()
        self.come_back(node, before)


class Ways(ProcessTest):
    """How a node comes in."""

    def test_a_saved_table(self):
        first = self.net.add().start(*ON)
        second = self.net.add()
        table = self.net.root / "table"
        gone = b"".join(socket.inet_aton(f"{self.net.prefix}.{i}") +
                        PORT.to_bytes(2, "big") for i in range(100, 120))
        nodes = (gone + socket.inet_aton(first.address) +
                 PORT.to_bytes(2, "big"))
        table.write_bytes(b"d5:nodes%d:%be" % (len(nodes), nodes))
        second.start(*ON, f"--mainline.bootstrap_files={table}")
        self.assertIn("looking for the mainline DHT through 21 nodes of saved "
                      "tables\n", second.log_text())
        wait_in(second, timeout=60)

    def test_a_table_that_is_none_is_an_error_at_the_start(self):
        node = self.net.add()
        table = self.net.root / "table"
        table.write_bytes(b"x")
        done = subprocess.run(
            [BINARY, "run", *map(str, node.flags()), *ON,
             f"--mainline.bootstrap_files={table}"],
            capture_output=True, text=True, timeout=60, check=False,
            env=clean_environment())
        self.assertEqual(done.returncode, USAGE, done.stderr)
        self.assertIn(f"bootstrap_files in [mainline]: {table} is no saved "
                      "table; what can be read is dht.dat of Transmission or "
                      "aria2 and the session state of libtorrent",
                      done.stderr)
        # Who is not in it does not read them.
        node.start(f"--mainline.bootstrap_files={table}")

    def test_a_table_that_is_missing_is_a_warning(self):
        first = self.net.add().start(*ON)
        node = self.net.add()
        table = self.net.root / "table"
        gone = (f"bootstrap_files in [mainline]: {table} cannot be opened: "
                "No such file or directory")
        missing = (*ON, f"--mainline.bootstrap_files={table}")
        node.start(*missing)
        self.assertIn(gone, node.log_text())
        said = problem(node, "bootstrap_files")
        self.assertEqual((said["level"], said["what"]), ("note", gone))
        self.assertIn("SIGHUP", said["remedy"])
        node.stop()
        node.start(*missing, through(first))
        wait_in(node)
        self.assertIsNone(problem(node, "bootstrap_files"))
        # Who was met is asked.
        node.stop()
        node.start(*missing)
        wait_in(node)

    def test_config_check_looks_for_the_tables(self):
        table = self.net.root / "table"
        config = self.net.root / "conf"

        def check(enabled):
            config.write_text(f"[mainline]\nenabled = {enabled}\n"
                              f"bootstrap_files = {table}\n")
            return warren("config", "check", config)

        done = check("true")
        self.assertEqual(done.returncode, DONE)
        self.assertEqual(done.stderr, f"{config}: bootstrap_files in "
                         f"[mainline]: {table} cannot be opened: No such file "
                         "or directory; a node starts without\n")
        self.assertEqual(done.stdout, f"{config}: no mistakes\n")
        table.write_bytes(b"x")
        done = check("true")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn(f"{table} is no saved table", done.stderr)
        self.assertNotIn("no mistakes", done.stdout)
        self.assertEqual(check("false").stderr, "")

    def test_reload(self):
        first = self.net.add().start(*ON)
        node = self.net.add()
        table = self.net.root / "table"
        config = self.net.root / "conf"

        def settings(*lines):
            config.write_text("\n".join(("[mainline]", *lines, "")))

        settings("enabled = true")
        node.start("--config", config, *NO_RELAY)
        self.assertFalse(mainline(node)["joined"])
        settings("enabled = no", f"bootstrap_files = {table}",
                 f"bootstrap = {first.endpoint}")
        node.send_signal(signal.SIGHUP)
        wait_in(node)
        log = node.log_text()
        self.assertIn("[mainline] enabled is 'true' and stays so until a "
                      "restart; the settings now say 'false'", log)
        self.assertIn(f"{table} cannot be opened: No such file or directory; "
                      "the nodes of before are asked", log)


class Words(ProcessTest):
    """What is said of one that is silent while the other is not."""

    def test_the_mainline_dht_is_silent(self):
        first = self.net.add().start()
        node = self.net.add([first]).start(
            *ON, f"--mainline.bootstrap={self.net.prefix}.199:{PORT}")
        node.wait_joined()
        said = problem(node, "no_mainline")
        self.assertEqual(said["level"], "warning")
        self.assertRegex(said["what"], "no node of the mainline DHT has "
                         "answered for [0-9]+ s, of 1 in `bootstrap`")
        self.assertIn("UDP gets out of this machine", said["remedy"])
        self.assertIn("[mainline]", said["remedy"])
        self.assertEqual(node.http("/health")[0], 200)
        self.assertEqual(node.cli("status").returncode, DONE)
        self.assertIn("looking for the mainline DHT through 1 bootstrap node\n",
                      node.log_text())
        silent = "no node of the mainline DHT has answered for 30 s"
        wait_for("it is in the log", lambda: silent in node.log_text(), 60)
        self.assertNotIn("no node of the DHT has answered", node.log_text())

    def test_the_own_dht_is_silent(self):
        first = self.net.add().start(*ON)
        node = self.net.add([f"{self.net.prefix}.199:{PORT}"]).start(
            *ON, through(first), "--tunnel.build=1")
        wait_in(node)
        said = problem(node, "no_nodes")
        self.assertEqual(said["level"], "error")
        self.assertIn("the mainline DHT answers, so that UDP gets out",
                      said["remedy"])
        # It explains why there are none.
        self.assertIsNone(problem(node, "no_circuits"))

    def test_nobody_is_known(self):
        node = self.net.add().start(*ON)
        said = problem(node, "no_mainline")
        self.assertIn("no other node of the mainline DHT is known or "
                      "configured", said["what"])
        self.assertIn("no node of the mainline DHT is known yet\n",
                      node.log_text())
        self.assertIn("`bootstrap_files`", said["remedy"])
        self.assertEqual(node.http("/health")[0], 200)

    def test_who_is_there_for_the_mainline_dht_is_told_of_nothing_wrong(self):
        first = self.net.add().start(*ON)
        node = self.net.add().start(*ON, through(first))
        wait_in(node)
        self.assertEqual(["mainline_only"],
                         [p["code"] for p in node.status()["problems"]])
        said = " ".join(node.cli("status").stdout.split())
        self.assertRegex(said, "^note: no node of this network's own DHT is "
                               "known or configured: this node has the "
                               "mainline DHT alone. What to do: nothing, if")

    def test_the_way_in_is_looked_for_in_the_mainline_dht(self):
        """Nobody has to be configured, nor is advised."""
        first = self.net.add().start(*ON)
        for provider in ("mainline", "both"):
            node = self.net.add().start(*ON, through(first),
                                        "--tunnel.dht_provider=" + provider)
            wait_in(node)
            self.assertEqual(["finding_relays"],
                             [p["code"] for p in node.status()["problems"]])
            text = node.cli("status").stdout
            self.assertIn("note: relays are being looked for in the mainline "
                          "DHT", text)
            self.assertNotIn("HOST:PORT", text)

    def test_relays_are_looked_for_there(self):
        """Then its silence is an error, and that of the node's own DHT is
        not; with both, as long as nobody answers in either."""
        first = self.net.add().start(*ON)
        node = self.net.add().start(*ON, "--tunnel.dht_provider=mainline")
        self.assertEqual(problem(node, "no_mainline")["level"], "error")
        code, text = node.http("/health")
        self.assertEqual(code, 503)
        self.assertIn("no other node of the mainline DHT is known", text)
        gone = self.net.add([f"{self.net.prefix}.199:{PORT}"])
        gone.start(*ON, through(first), "--tunnel.dht_provider=mainline")
        wait_in(gone)
        self.assertEqual(problem(gone, "no_nodes")["level"], "warning")
        self.assertEqual(gone.http("/health")[0], 200)
        both = self.net.add([f"{self.net.prefix}.199:{PORT}"])
        both.start(*ON, through(first), "--tunnel.dht_provider=both")
        wait_in(both)
        self.assertEqual(problem(both, "no_nodes")["level"], "warning")


class Datagrams(ProcessTest):
    def setUp(self):
        super().setUp()
        self.stranger = Stranger(f"{self.net.prefix}.200")
        self.addCleanup(self.stranger.close)

    def count(self, node, name):
        return node.metrics()[name]

    def test_it_answers_in_bencode(self):
        node = self.net.add().start(*ON)
        answer = self.stranger.ask(node, bencoded_ping(b"xy"))
        self.assertTrue(answer.startswith(b"d2:ip6:"), answer)
        self.assertIn(bytes.fromhex(mainline(node)["ipv4"]["id"]), answer)
        self.assertIn(b"1:t2:xy", answer)

    def test_what_is_no_message_is_dropped_in_silence(self):
        node = self.net.add().start(*ON)
        # A SYN of uTP, a connect of a tracker (BEP 15), plain text.
        for junk in (b"\x41\x00" + bytes(18),
                     b"\x00\x00\x04\x17\x27\x10\x19\x80" + bytes(8), b"hello"):
            self.stranger.send(node, junk)
        self.stranger.send(node, b"d1:")
        answer = self.stranger.ask(node, bencoded_ping(b"zz"))
        self.assertIn(b"1:t2:zz", answer)
        self.assertEqual(self.count(
            node, 'warren_udp_dropped_total{reason="foreign"}'), 3)
        self.assertEqual(self.count(
            node, 'warren_dht_dropped_total{reason="not_bencode",'
                  'dht="mainline"}'), 1)

    def test_it_is_off_by_default(self):
        node = self.net.add().start()
        self.stranger.send(node, bencoded_ping(b"xy"))
        wait_for("it is counted", lambda: self.count(
            node, 'warren_udp_dropped_total{reason="foreign"}') == 1)
        self.stranger.socket.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            self.stranger.socket.recv(2048)


if __name__ == "__main__":
    unittest.main()
