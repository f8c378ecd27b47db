#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the command line shows fits the terminal: no line is wider, no word is
broken, and one of a thing is called one."""
import os
import pathlib
import pty
import re
import struct
import fcntl
import subprocess
import tempfile
import termios
import unittest

from harness import (BINARY, DONE, NEGATIVE, ProcessTest, clean_environment,
                     wait_for, warren)

HASH = "0123456789abcdef0123456789abcdef01234567"


def in_terminal(columns, *command):
    """What a command prints on a terminal that wide."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ,
                struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([str(word) for word in command], stdin=slave,
                          stdout=slave, stderr=slave,
                          env=clean_environment()) as process:
        os.close(slave)
        out = b""
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # nobody has the other end any more
                break
            if not data:
                break
            out += data
        process.wait(60)
    os.close(master)
    return out.decode().replace("\r\n", "\n")


class Screen(ProcessTest):
    def setUp(self):
        super().setUp()
        self.nodes = self.network_of(5, "--exit")
        self.client = self.nodes[1]
        for node in self.nodes[2:4]:
            node.json("dht", "announce", HASH)
        done = self.client.cli("tunnel", "build", "--hops", "3", timeout=60)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.verbs = [
            ["status"], ["dht", "nodes"], ["peers"], ["circuits"],
            ["dht", "find-node", HASH],
            ["dht", "get-peers", HASH, "--trace"],
            ["tunnel", "speedtest", "--seconds", "1"]]

    def shown(self, verb, columns=None):
        if columns is None:
            done = self.client.cli(*verb)
            self.assertIn(done.returncode, (DONE, NEGATIVE), done.stderr)
            return done.stdout
        text = in_terminal(columns, self.client.binary, *verb, "--data-dir",
                           self.client.dir)
        # A progress line is drawn over and over.
        return re.sub(r"[^\n]*\r|\x1b\[K", "", text)

    def check(self, text, columns):
        for line in text.splitlines():
            self.assertLessEqual(len(line), columns, text)
        self.assertNotRegex(text, r"(?<![\d.,:])1 (?!ms)[a-z]+s\b")

    def test_lines_fit(self):
        for verb in self.verbs:
            for columns in (None, 80, 70):
                with self.subTest(verb=verb, columns=columns):
                    text = self.shown(verb, columns)
                    self.assertNotEqual(text, "")
                    self.check(text, columns or 80)

    def test_words_are_whole(self):
        """All that stands on a wide screen stands on a narrow one."""
        wide = self.shown(["status"], 500)
        narrow = self.shown(["status"], 45)
        for word in ("relay", "listens on", str(self.client.dir),
                     self.client.endpoint,
                     self.client.status()["tunnels"]["identity"]):
            self.assertIn(word, wide)
            self.assertIn(word, narrow)
        table = self.shown(["dht", "nodes"], 45)
        for node in self.client.json("dht", "nodes")["nodes"]:
            self.assertIn(node["address"], table)
            self.assertIn(node["id"][:8] + " ", table)

    def test_wide_screens_show_whole_ids(self):
        table = self.shown(["dht", "nodes"], 120)
        for node in self.client.json("dht", "nodes")["nodes"]:
            self.assertIn(node["id"] + "  ", table)

    def test_what_a_relay_does_is_told(self):
        """Own identity, what was relayed and is now, clients served."""
        self.client.cli("tunnel", "speedtest", "--seconds", "2", "--hops", "3")
        total = {}
        for node in self.nodes:
            tunnels = node.status()["tunnels"]
            self.assertRegex(tunnels["identity"], "^[0-9a-f]{64}$")
            for key in ("served", "relayed_cells", "relayed_bytes",
                        "relayed_rate"):
                total[key] = total.get(key, 0) + tunnels[key]
            metrics = node.metrics()
            self.assertGreaterEqual(
                metrics["warren_tunnel_relayed_bytes_total"],
                tunnels["relayed_bytes"])
        for key, value in total.items():
            self.assertGreater(value, 0, key)
        self.assertGreaterEqual(total["relayed_bytes"],
                                total["relayed_cells"] * 500)
        self.assertIn(f"{self.nodes[0].status()['tunnels']['identity']}\n",
                      self.nodes[0].cli("status").stdout)


class Progress(ProcessTest):
    def test_line_fits(self):
        """What goes over the edge of a line that is drawn over and over would
        stay on the terminal."""
        node = self.net.add().start()
        text = in_terminal(50, node.binary, "tunnel", "build", "--timeout",
                           "3", "--data-dir", node.dir)
        drawn = re.findall(r"\r([^\r\n]+?)\x1b\[K", text)
        self.assertGreater(len(drawn), 2)
        self.assertRegex(drawn[0], r"^building: 1 s, ")
        for line in drawn:
            self.assertLess(len(line), 50)


class Errors(unittest.TestCase):
    def test_lines_fit(self):
        """On a terminal; elsewhere an error is one line."""
        for command in (["dht", "nodes", "--control", "/nonexistent/s"],
                        ["dht", "ping", "localhost"],
                        ["run", "--listen", "nowhere"]):
            for columns in 50, 80:
                text = in_terminal(columns, BINARY, *command)
                self.assertGreater(text.count("\n"), 1)
                for line in text.splitlines():
                    self.assertLessEqual(len(line), columns, text)
                    self.assertRegex(line, "^(warren: |        )[^ ]")
                said = warren(*command).stderr
                self.assertEqual(said.count("\n"), 1, said)
                self.assertEqual(said.split(), text.split())

    def test_what_is_to_be_typed_is_whole(self):
        """A command between backquotes is one word."""
        with tempfile.TemporaryDirectory() as place:
            pathlib.Path(place, "somebody's").write_text("")
            text = in_terminal(40, "timeout", "20", BINARY, "run", "--http",
                               "none", "--data-dir", place)
            self.assertIn(f"`touch {place}/lock`", text)


class Help(unittest.TestCase):
    def test_lines_fit(self):
        words = re.findall(r"^  ((?:[a-z-]+ )+)", warren("help").stdout, re.M)
        self.assertGreater(len(words), 15)
        for verb in ([], ["run"], *(w.split() for w in words)):
            done = warren("help", *verb)
            for line in (done.stdout + done.stderr).splitlines():
                self.assertLessEqual(len(line), 80, line)


if __name__ == "__main__":
    unittest.main()
