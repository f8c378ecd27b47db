#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Verbs about hidden services: what they say of wrong arguments, of a node
that is alone, and of services that do not run."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "process"))
from harness import (DONE, NEGATIVE, TROUBLE, UNANSWERED, USAGE, ProcessTest,
                     clean_environment, wait_for, warren)

VERBS = ("list", "show", "peers", "size", "probe", "new", "remove",
         "access add", "access remove", "access list", "key export",
         "key import", "register", "connect", "send", "receive")
# No service has this address: another network's checksum.
FOREIGN = "a" * 56 + ".warren"

# Arguments and what stderr has to say; nothing of it reaches a daemon.
WRONG = [
    (["service", "new"],
     "warren: 'warren service new' needs an argument: warren service new NAME"),
    (["service", "new", "a", "b"],
     "warren: 'warren service new' has too many arguments: warren service new "
     "NAME"),
    (["service", "new", "a", "--string", "x" * 256],
     "warren: --string must have 1 to 255 bytes, not 256"),
    (["service", "new", "a", "--string", ""],
     "warren: --string must have 1 to 255 bytes, not 0"),
    (["service", "new", "a", "--group", "--string", "b"],
     "warren: --group makes the string, so that it does not go with --string; "
     "leave one"),
    (["service", "register", ""],
     "warren: ID must be a string of 1 to 255 bytes, or an address that ends "
     "in .warren"),
    (["service", "register", "a", "--hops", "4"],
     "warren: --hops must be a whole number from 1 to 3, not '4'"),
    (["service", "send", "p1.peer.warren", "x", "--access", "1234"],
     "warren: --access must be exactly 64 hex digits, as 'warren service "
     "access add' prints them"),
    (["service", "send", "p1.peer.warren", "x" * 7001],
     "warren: DATA has 7001 bytes; at most 7000 can be sent at once"),
    (["service", "send", "p1.peer.warren"],
     "warren: 'warren service send' needs an argument: warren service send TO "
     "DATA"),
    (["service", "key", "import", "a", "/dev/null"],
     "warren: /dev/null is empty; it must be the line that 'warren service "
     "key export' prints"),
    (["service", "access", "add", "a"],
     "warren: 'warren service access add' needs an argument: warren service "
     "access add NAME LABEL"),
    (["service", "lst"],
     "warren: there is no verb 'service lst'; did you mean 'warren service "
     "list'?"),
]

# The same of what a daemon says, with its exit code; "web" is a service of
# it, "club" one of a string.
REFUSED_BY_DAEMON = [
    (["new", "web"], "there is a service web already", TROUBLE),
    (["new", "a/b"], "'a/b' cannot be a name: 1 to 31 letters, digits, '-', "
     "'_' and '.', beginning with a letter or a digit", USAGE),
    (["new", "x", "--string", "y.warren"],
     "a string cannot end in .warren, as addresses do", USAGE),
    (["show", "no"], "there is no service 'no'; `warren service list` shows "
     "those of this node", NEGATIVE),
    (["remove", "no"], "there is no service 'no'; `warren service list` shows "
     "those of this node", NEGATIVE),
    (["remove", "web"], "the configuration has a section [service web]: take "
     "that out and send SIGHUP first", TROUBLE),
    (["receive", "no"], "there is no service 'no'; `warren service list` shows "
     "those of this node", NEGATIVE),
    (["access", "add", "club", "x"], "a string has no access secrets: the "
     "string itself is what others have to know", TROUBLE),
    (["access", "remove", "web", "x"],
     "there is no access secret with the label 'x'", NEGATIVE),
    (["probe", "club"], "only a service with an address can be probed; "
     "`warren service size` tells how many members of a string are found",
     TROUBLE),
    (["size", FOREIGN], "a service with an address has no members; service "
     "must be a string, or the name of one in `warren service list`", USAGE),
    (["send", "there", "x"], "to must be a peer, like p17.peer.warren or "
     "p17.peer.warren:53, or the address of a service and a port, like <56 "
     "characters>.warren:53", USAGE),
    (["send", "p99.peer.warren:1", "x"], "there is no such peer (any more); "
     "`warren service peers` shows who is there", NEGATIVE),
    (["connect", FOREIGN], "to must be the address of a service and a port, "
     "like <56 characters>.warren:53", USAGE),
    (["send", "abc.warren:1", "x"],
     "an address has 56 characters before .warren", USAGE),
]


class WrongArguments(unittest.TestCase):
    def test_table(self):
        for args, said in WRONG:
            with self.subTest(args=args):
                done = warren(*args)
                self.assertEqual(done.stderr.split("\n")[0], said)
                self.assertEqual(done.returncode, USAGE)
                self.assertEqual(done.stdout, "")

    def test_help(self):
        for verb in VERBS:
            with self.subTest(verb=verb):
                done = warren("service", *verb.split(), "--help")
                self.assertEqual(done.returncode, DONE)
                self.assertTrue(done.stdout.startswith(
                    f"usage: warren service {verb} "), done.stdout)
                self.assertIn("--json", done.stdout)
                for line in done.stdout.splitlines():
                    self.assertLessEqual(len(line), 80, line)


class Alone(ProcessTest):
    """A node that knows nobody: all but being reached works."""

    def setUp(self):
        super().setUp()
        self.node = self.net.add()
        self.ini = str(self.node.dir) + ".ini"

    def start(self, config):
        self.write(config)
        self.node.start("--config", self.ini)

    def write(self, config):
        with open(self.ini, "w", encoding="utf-8") as f:
            f.write(config)

    def names(self):
        return [s["name"] for s in
                self.node.json("service", "list")["services"]]

    def test_daemon_says_what_is_wrong(self):
        self.start("[service web]\n[service club]\nstring = chess\n")
        for args, said, code in REFUSED_BY_DAEMON:
            with self.subTest(args=args):
                done = self.node.cli("service", *args)
                self.assertEqual(done.stderr, f"warren: {said}\n")
                self.assertEqual(done.returncode, code)
                answer = json.loads(
                    self.node.cli("service", *args, "--json").stdout)
                self.assertEqual(answer["error"]["text"], said)

    def test_tables_fit_the_screen(self):
        self.start("[service a-name-that-is-quite-long.012]\n"
                   "port = 1 udp unix:/tmp/a/path/that/is/longer/than/others\n"
                   "[service club]\nstring = chess\n")
        for verb in (["list"], ["peers"], ["show", "club"],
                     ["show", "a-name-that-is-quite-long.012"]):
            done = self.node.cli("service", *verb)
            self.assertEqual(done.returncode, DONE, done.stderr)
            for line in done.stdout.splitlines():
                self.assertLessEqual(len(line), 80, line)

    def test_nobody_answers(self):
        self.start("[service web]\n")
        address = self.node.json("service", "show", "web")["address"]
        other = self.net.add().start()
        done = other.cli("service", "send", f"{address}:1", "x", "--timeout",
                         "2s")
        self.assertEqual(done.returncode, UNANSWERED)
        self.assertRegex(done.stderr, "^warren: no answer: .")
        done = other.cli("service", "receive", "--timeout", "1s")
        self.assertEqual(done.returncode, NEGATIVE)
        done = other.cli("service", "connect", f"{address}:1", "--listen",
                         "0.0.0.0:0")
        self.assertEqual(done.returncode, TROUBLE)
        self.assertIn("loopback", done.stderr)

    def test_one_that_does_not_run_is_named(self):
        self.start("[service web]\n")
        self.node.stop()
        key = self.node.dir / "services/web.key"
        line = key.read_text()
        key.write_text(line[:40])
        self.node.start("--config", self.ini)
        problem = next(p for p in self.node.status()["problems"]
                       if p["code"] == "service_stopped")
        self.assertIn("the service web does not run", problem["what"])
        self.assertIn("backup", problem["what"])
        self.assertIn("service web does not run", self.node.log_text())
        self.assertIs(self.node.json("service", "show", "web")["runs"], False)
        os.chmod(key, 0o644)
        key.write_text(line)
        self.node.send_signal(signal.SIGHUP)
        wait_for("the mode is said", lambda: "chmod 600" in self.node.json(
            "service", "show", "web")["text"])
        os.chmod(key, 0o600)
        self.node.send_signal(signal.SIGHUP)
        wait_for("it runs", lambda: self.node.json("service", "show",
                                                   "web")["runs"])
        self.assertNotIn("service_stopped", [
            p["code"] for p in self.node.status()["problems"]])

    def test_reload_starts_and_stops(self):
        self.start("[service a]\n")
        self.write("[service b]\nhops = 4\n")
        self.node.send_signal(signal.SIGHUP)
        wait_for("the mistake is said", lambda: "a circuit has four hops" in
                 self.node.log_text())
        self.assertEqual(self.names(), ["a"])
        self.write("[service b]\nhops = 2\n")
        self.node.send_signal(signal.SIGHUP)
        wait_for("b runs instead", lambda: self.names() == ["b"])
        self.assertEqual(self.node.json("service", "show", "b")["hops"], 2)
        # Its key stays, for when it comes back.
        self.assertTrue((self.node.dir / "services/a.key").exists())

    def test_more_services_than_there_may_be(self):
        self.start("[services]\nmax_services = 2\n"
                   "[service a]\n[service b]\n[service c]\n")
        runs = {s["name"]: s["runs"] for s in
                self.node.json("service", "list")["services"]}
        self.assertEqual(runs, {"a": True, "b": True, "c": False})
        self.assertIn("max_services", self.node.json("service", "show",
                                                     "c")["text"])
        done = self.node.cli("service", "new", "d")
        self.assertIn("max_services", done.stderr)
        self.assertFalse((self.node.dir / "services/d.key").exists())

    def test_key_goes_by_hand(self):
        self.start("")
        made = self.node.cli("service", "new", "web")
        address = made.stdout.strip()
        self.assertRegex(address, r"^[a-z2-7]{56}\.warren$")
        secret = self.node.cli("service", "access", "add", "web", "friend")
        self.assertRegex(secret.stdout, r"^[0-9a-f]{64}\n$")
        line = self.node.cli("service", "key", "export", "web").stdout
        self.assertTrue(line.startswith("warren-service-1."))
        other = self.net.add().start()
        done = subprocess.run(
            [other.binary, "service", "key", "import", "web", "--data-dir",
             str(other.dir)], input=line, text=True, capture_output=True,
            env=clean_environment(), check=False)
        self.assertEqual(done.stdout.strip(), address, done.stderr)
        self.assertEqual(
            other.json("service", "access", "list", "web")["labels"],
            ["friend"])
        group = other.cli("service", "new", "club", "--group")
        self.assertRegex(group.stdout, r"^[0-9a-f]{32}\n$")
        # Nothing of a key is in the database.
        self.node.stop()
        seed = bytes.fromhex(line.strip().split(".")[1])[3:35]
        self.assertNotIn(seed, (self.node.dir / "warren.db").read_bytes())


if __name__ == "__main__":
    unittest.main(verbosity=2)
