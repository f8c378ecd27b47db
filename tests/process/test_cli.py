#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the command line says to wrong arguments, and with which exit code."""
import json
import os
import pathlib
import pwd
import socket
import subprocess
import tempfile
import time
import unittest

from harness import (BINARY, DONE, NEGATIVE, NO_DAEMON, NO_RELAY, TROUBLE,
                     UNANSWERED, USAGE, ProcessTest, clean_environment,
                     wait_for, warren)

HASH = "0123456789abcdef0123456789abcdef01234567"

# Arguments, exit code, and what stderr has to say: all of it, but for "...".
WRONG = [
    (["statsu"], USAGE, "warren: there is no verb 'statsu'; did you mean "
                        "'warren status'?"),
    (["quux"], USAGE, "warren: there is no verb 'quux'; 'warren help' shows "
                      "what there is"),
    (["dht", "get-pears", HASH], USAGE,
     "warren: there is no verb 'dht get-pears'; did you mean 'warren dht "
     "get-peers'?"),
    (["dht", "get-peers", "0123"], USAGE,
     "warren: HASH must be exactly 40 hex digits (0-9, a-f), or a magnet "
     "link; '0123' has 4 characters"),
    (["dht", "get-peers", "g" + HASH[1:]], USAGE,
     "warren: HASH must be exactly 40 hex digits (0-9, a-f), or a magnet "
     f"link; 'g{HASH[1:]}' has 40 characters, some of them no hex digits"),
    (["dht", "get-peers", "magnet:?dn=x"], USAGE,
     "warren: the magnet link is not for a torrent: it has no "
     "xt=urn:btih:HASH"),
    (["dht", "get", HASH + "0"], USAGE,
     f"warren: TARGET must be exactly 40 hex digits (0-9, a-f); '{HASH}0' "
     "has 41 characters"),
    (["dht", "find-node", ""], USAGE,
     "warren: ID must be exactly 40 hex digits (0-9, a-f); '' has 0 "
     "characters"),
    (["dht", "announce", "x"], USAGE,
     "warren: HASH must be exactly 40 hex digits (0-9, a-f), or a magnet "
     "link; 'x' has 1 character"),
    (["dht", "withdraw", "x"], USAGE, "warren: HASH must be ..."),
    (["dht", "announce", HASH, "--port", "0"], USAGE,
     "warren: --port must be a whole number from 1 to 65535, not '0'"),
    (["dht", "announce", HASH, "--port", "http"], USAGE,
     "warren: --port must be a whole number from 1 to 65535, not 'http'"),
    (["dht", "announce", HASH, "--port"], USAGE,
     "warren: --port needs a value after it: --port P"),
    (["dht", "announce", HASH, "--prot", "1"], USAGE,
     "warren: 'warren dht announce' has no flag --prot; did you mean --port?"),
    (["dht", "nodes", "--frobnicate"], USAGE,
     "warren: 'warren dht nodes' has no flag --frobnicate; 'warren dht nodes "
     "--help' shows what it takes"),
    (["dht", "nodes", "--json=yes"], USAGE, "warren: --json takes no value"),
    (["dht", "nodes", "x"], USAGE,
     "warren: 'warren dht nodes' takes no arguments besides flags"),
    (["dht", "nodes", "-x"], USAGE,
     "warren: 'warren dht nodes' has no flag -x; 'warren dht nodes --help' "
     "shows what it takes"),
    (["dht", "get-peers"], USAGE,
     "warren: 'warren dht get-peers' needs an argument: warren dht get-peers "
     "HASH"),
    (["dht", "get-peers", HASH, HASH], USAGE,
     "warren: 'warren dht get-peers' has too many arguments: warren dht "
     "get-peers HASH"),
    (["dht", "ping", "localhost"], USAGE,
     "warren: HOST:PORT must be an address or a name and a port, like "
     "192.0.2.1:7881, [2001:db8::1]:7881 or node.example.org:7881, not "
     "'localhost'"),
    (["dht", "ping", "localhost:65536x"], USAGE, "warren: HOST:PORT must ..."),
    (["dht", "ping", "x.Warren.:1"], USAGE,
     "warren: x.Warren. is a hidden service, and no node with an address: "
     "'warren service send' reaches it"),
    (["dht", "ping", "localhost:0"], USAGE, "warren: HOST:PORT must be ..."),
    (["dht", "sample", "1.2.3.4:0"], USAGE, "warren: HOST:PORT must be ..."),
    (["dht", "put"], USAGE,
     "warren: 'warren dht put' needs a value: VALUE, or - for the standard "
     "input, or --file FILE"),
    (["dht", "put", "x", "--file", "y"], USAGE,
     "warren: there are two values: that of --file, and 'x'"),
    (["dht", "put", "--file", "/nonexistent"], TROUBLE,
     "warren: cannot read /nonexistent: No such file or directory"),
    (["dht", "put", "--file", "/"], TROUBLE,
     "warren: cannot read /: Is a directory"),
    (["dht", "put", "--file", "/dev/zero"], USAGE,
     "warren: VALUE is too long..."),
    (["dht", "key", "nwe", "F"], USAGE, "warren: there is no verb 'dht key "
     "nwe'; did you mean 'warren dht key new'?"),
    (["dht", "put", "x", "--salt", "s"], USAGE,
     "warren: --salt, --seq and --cas need --key FILE: an item without a key "
     "cannot change"),
    (["dht", "put", "x" * 1001], USAGE, "warren: VALUE is too long..."),
    (["dht", "put", "x", "--key", "/nonexistent/key"], TROUBLE,
     "warren: cannot read /nonexistent/key: No such file or directory"),
    (["status", "--timeout", "soon"], USAGE,
     "warren: --timeout must be a duration from 100ms to 1d, like 30s, 15m or "
     "2h, or a number of seconds, not 'soon'"),
    (["status", "--timeout", "0"], USAGE, "warren: --timeout must be a dur..."),
    (["status", "--timeout", "2d"], USAGE, "warren: --timeout must be a d..."),
    (["status", "--timeout", ""], USAGE, "warren: --timeout must be a dur..."),
    (["dht", "announce", HASH, "--port", "--timeout", "1"], USAGE,
     "warren: --port needs a value after it: --port P"),
    (["status", "--config", "/nonexistent"], TROUBLE,
     "warren: /nonexistent: cannot be read: No such file or directory"),
    (["run", "--lissten", "127.0.0.1:1"], USAGE,
     "warren: --lissten: unknown flag; did you mean --listen?"),
    (["run", "--lisen", "1", "--frobnicate", "2"], USAGE,
     "warren: --lisen: unknown flag; did you mean --listen?"),
    (["run", "--listen", "nowhere"], USAGE, "warren: --listen: ..."),
    (["config", "check", "/nonexistent"], TROUBLE, "/nonexistent..."),
    (["status", "--data-dir", "/nonexistent/d"], NO_DAEMON,
     "warren: no daemon listens on /nonexistent/d/control.sock; start one "
     "with: warren run --data-dir /nonexistent/d"),
    (["dht", "nodes", "--control", "/nonexistent/s"], NO_DAEMON,
     "warren: no daemon listens on /nonexistent/s; start one with: warren run "
     "--control /nonexistent/s"),
]


class WrongArguments(unittest.TestCase):
    def test_table(self):
        for args, code, said in WRONG:
            with self.subTest(args=args):
                done = warren(*args)
                first, *more = done.stderr.splitlines()
                self.assertNotIn("", more)
                if said.endswith("..."):
                    self.assertTrue(first.startswith(said[:-3]), first)
                else:
                    self.assertEqual(first, said)
                self.assertEqual(done.returncode, code)
                self.assertEqual(done.stdout, "")

    def test_json(self):
        for args, code, said in WRONG:
            if args[0] in ("run", "config"):
                continue
            with self.subTest(args=args):
                done = warren(*args, "--json")
                error = json.loads(done.stdout)["error"]
                self.assertEqual(done.returncode, code)
                self.assertEqual(done.stderr, "")
                self.assertTrue(
                    f"warren: {error['text']}".startswith(said.rstrip(".")))
                self.assertEqual(error["code"], {
                    USAGE: "syntax", TROUBLE: "io",
                    NO_DAEMON: "no_daemon"}[code])

    def test_no_daemon_json(self):
        done = warren("status", "--json", "--data-dir", "/nonexistent/d")
        self.assertEqual(done.returncode, NO_DAEMON)
        self.assertEqual(json.loads(done.stdout)["error"]["code"],
                         "no_daemon")


class Help(unittest.TestCase):
    def test_all_verbs(self):
        done = warren("help")
        self.assertEqual(done.returncode, DONE)
        for verb in ("run", "status", "config check F", "config default",
                     "version", "dht nodes", "dht ping HOST:PORT",
                     "dht find-node ID", "dht get-peers HASH",
                     "dht announce HASH", "dht withdraw HASH",
                     "dht put [VALUE]", "dht get TARGET", "dht key new FILE",
                     "dht sample HOST:PORT"):
            self.assertIn(f"\n  {verb} ", done.stdout)
        self.assertIn("\n  tunnel send HOST:PORT DATA  send a", done.stdout)

    def test_flags_that_take_no_value_say_what_they_do(self):
        text = " ".join(warren("run", "--help").stdout.split())
        self.assertIn("--log-json Write the log as JSON, one object a line.",
                      text)

    def test_each_verb(self):
        for verb in (["run"], ["status"], ["config", "check"], ["version"],
                     ["dht", "key", "new"], ["dht", "get-peers"]):
            with self.subTest(verb=verb):
                done = warren(*verb, "--help")
                self.assertEqual(done.returncode, DONE)
                self.assertTrue(done.stdout.startswith(
                    "usage: warren " + " ".join(verb)), done.stdout)
                self.assertEqual(warren("help", *verb).stdout, done.stdout)

    def test_group(self):
        done = warren("dht")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("dht get-peers HASH", done.stderr)
        self.assertEqual(warren("dht", "--help").returncode, DONE)
        done = warren("dht", "key")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("\n  dht key new FILE ", done.stderr)

    def test_without_arguments(self):
        done = warren()
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("usage: warren", done.stderr)

    def test_version(self):
        for args in (["version"], ["--version"], ["-V"]):
            self.assertRegex(warren(*args).stdout, r"^warren \d+\.\d+\.\d+\n$")


class Local(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def test_default_config_is_valid(self):
        path = self.dir / "warren.conf"
        path.write_text(warren("config", "default").stdout)
        done = warren("config", "check", path)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, DONE)
        self.assertEqual(done.stdout, f"{path}: no mistakes\n")

    def test_mistakes_have_lines(self):
        path = self.dir / "warren.conf"
        path.write_text("[node]\nlissten = 1.2.3.4:5\n")
        done = warren("config", "check", path)
        self.assertEqual(done.returncode, USAGE)
        self.assertTrue(done.stderr.startswith(f"{path}:2: "), done.stderr)
        self.assertIn("listen", done.stderr)

    def test_mistakes_are_printable(self):
        """No file can write to the terminal what it likes."""
        path = self.dir / "warren.conf"
        path.write_bytes(b"[node]\n\x1b]0;title\x07 = 1\n")
        done = warren("config", "check", path)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn(r"\x1b]0;title\x07", done.stderr)
        self.assertNotIn("\x1b", done.stderr)

    def test_key_new(self):
        path = self.dir / "key"
        done = warren("dht", "key", "new", path)
        self.assertEqual(done.returncode, DONE)
        self.assertRegex(done.stdout, "^[0-9a-f]{64}\n$")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        secret = path.read_bytes()
        again = warren("dht", "key", "new", path)
        self.assertEqual(again.returncode, TROUBLE)
        self.assertIn("never overwritten", again.stderr)
        self.assertEqual(path.read_bytes(), secret)


    def test_lost_output_of_every_verb(self):
        """Short and long, of help too: whoever writes to a full disk hears
        of it."""
        config = self.dir / "empty.ini"
        config.write_text("")
        for verb in (["help"], ["--help"], ["help", "run"], ["run", "--help"],
                     ["version"], ["--version"], ["config", "default"],
                     ["config", "check", config],
                     ["dht", "key", "new", self.dir / "lost.key"]):
            with self.subTest(verb=verb), open("/dev/full", "w",
                                               encoding="ascii") as full:
                done = subprocess.run([BINARY, *verb], stdout=full,
                                      stderr=subprocess.PIPE, text=True,
                                      timeout=60, check=False)
                self.assertEqual(done.returncode, TROUBLE)
                self.assertRegex(done.stderr, "^warren: cannot write the "
                                 "output(: No space left on device)?\n$")


class SystemDaemon(unittest.TestCase):
    """One that the system runs, beside somebody who types without thinking of
    it. WARREN_TEST_ROOT stands for /."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.root.chmod(0o755)
        self.dir = self.root / "var/lib/warren"
        self.home = self.root / "home"
        self.home.mkdir()
        self.program = self.root / "warren"
        self.program.write_bytes(pathlib.Path(BINARY).read_bytes())
        self.program.chmod(0o755)
        self.socket = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.socket.close)

    def ask(self, *args, **how):
        return subprocess.run(
            [self.program, *args], capture_output=True, text=True, timeout=60,
            check=False, env={**clean_environment(), "HOME": str(self.home),
                              "XDG_STATE_HOME": str(self.home),
                              "WARREN_TEST_ROOT": str(self.root)}, **how)

    def listen(self, directory):
        directory.mkdir(parents=True)
        self.socket.bind(str(directory / "control.sock"))
        self.socket.listen()

    def test_that_can_be_seen(self):
        self.listen(self.root / "run/warren")
        who = {"user": "nobody"} if os.geteuid() == 0 else {}
        done = self.ask("dht", "find-node", HASH, **who)
        sudo = "sudo " if who else ""
        self.assertEqual(done.returncode, NO_DAEMON)
        self.assertEqual(
            done.stderr, "warren: no daemon of yours listens on "
            f"{self.home}/warren/control.sock; that of the system is asked "
            f"with: {sudo}warren dht find-node {HASH} --data-dir "
            f"{self.root}/run/warren\n")
        # flags are typed again too, but for what a shell would read otherwise
        done = self.ask("dht", "announce", HASH, "--port=4000", "--trace",
                        **who)
        self.assertIn(f"warren dht announce --port 4000 --trace {HASH} "
                      "--data-dir ", done.stderr)
        done = self.ask("dht", "put", "a b", **who)
        self.assertIn("warren dht put ... --data-dir ", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "is about two users")
    def test_that_is_closed(self):
        self.listen(self.dir)
        owner = pwd.getpwnam("daemon")
        os.chown(self.dir, owner.pw_uid, owner.pw_gid)
        self.dir.chmod(0o700)
        done = self.ask("status", user="nobody")
        self.assertEqual(done.returncode, NO_DAEMON)
        self.assertIn("that of the system is asked with: sudo -u daemon "
                      f"warren status --data-dir {self.dir}\n", done.stderr)
        done = self.ask("status", "--data-dir", self.dir, user="nobody")
        self.assertEqual(done.returncode, TROUBLE)
        self.assertIn("Permission denied; ask as its owner: sudo -u daemon "
                      f"warren status --control {self.dir}/control.sock\n",
                      done.stderr)

    def test_that_is_not_there(self):
        self.dir.mkdir(parents=True)
        done = self.ask("status", **({"user": "nobody"} if os.geteuid() == 0
                                     else {}))
        self.assertEqual(done.returncode, NO_DAEMON)
        self.assertIn("start one with: warren run", done.stderr)


def close_stdout():
    os.close(1)


class Talking(ProcessTest):
    """Verbs against a node that is alone."""

    def test_output_that_goes_nowhere(self):
        """Not into the socket or the file that has the number of what was
        closed."""
        node = self.net.add()
        node.start(preexec_fn=lambda: os.closerange(0, 3))
        verb = [node.binary, "status", "--data-dir", node.dir]
        with open("/dev/full", "w", encoding="ascii") as full:
            for why, how in (
                    ("Bad file descriptor", {"preexec_fn": close_stdout}),
                    ("No space left on device", {"stdout": full})):
                done = subprocess.run(verb, **how, stderr=subprocess.PIPE,
                                      text=True, timeout=60, check=False)
                self.assertEqual(done.returncode, TROUBLE)
                self.assertEqual(done.stderr, "warren: cannot write the "
                                              f"output: {why}\n")
        for number in range(3):
            self.assertEqual(
                os.readlink(f"/proc/{node.process.pid}/fd/{number}"),
                "/dev/null")
        pid = (node.dir / "lock").read_text(encoding="ascii").strip()
        self.assertEqual(pid, str(node.process.pid))
        self.assertEqual(node.stop()[0], DONE)

    def test_alone(self):
        node = self.net.add().start()
        for args in (["dht", "find-node", HASH], ["dht", "get-peers", HASH],
                     ["dht", "get", HASH]):
            with self.subTest(args=args):
                done = node.cli(*args)
                self.assertEqual(done.returncode, UNANSWERED)
                self.assertIn("no other node is known", done.stderr)
                error = json.loads(node.cli(*args, "--json").stdout)["error"]
                self.assertEqual(error["code"], "no_nodes")
        self.assertNotIn("could not renew", node.log_text())
        self.assertEqual(node.cli("dht", "nodes").returncode, DONE)
        self.assertEqual(node.json("dht", "nodes"), {"nodes": []})
        done = node.cli("dht", "withdraw", HASH)
        self.assertEqual(done.returncode, NEGATIVE)
        self.assertIn("publishes nothing", done.stderr)

    def test_publishing_goes_on(self):
        """Alone it cannot be done now, and need not be done again."""
        node = self.net.add().start(*NO_RELAY)
        for args in (["dht", "announce", HASH], ["dht", "put", "x"]):
            done = node.cli(*args)
            self.assertEqual(done.returncode, UNANSWERED)
            self.assertIn("tries again by itself", done.stderr)
        self.assertEqual(node.status()["dht"]["publications"], 2)

    def test_address_that_cannot_be_sent_to(self):
        node = self.net.add().start()
        for address in ("[::1]:7881", "224.0.0.1:7881"):
            done = node.cli("dht", "ping", address)
            self.assertEqual(done.returncode, USAGE, done.stderr)
            self.assertIn("cannot send there", done.stderr)

    def test_send_that_fails(self):
        """It is said at once: nobody waits for an answer to what has not
        left. The node listens on loopback only, from where nothing gets
        out."""
        node = self.net.add().start()
        for verb in ("ping", "sample"):
            begun = time.monotonic()
            done = node.cli("dht", verb, "192.0.2.1:7881")
            self.assertLess(time.monotonic() - begun, 2)
            self.assertEqual(done.returncode, TROUBLE, done.stderr)
            self.assertRegex(done.stderr, "^warren: (this|the kernel of this) "
                                          "machine ")
        wait_for("nothing runs any more",
                 lambda: node.status()["dht"]["lookups"] == 0)

    def test_lookup_whose_queries_all_fail_to_leave(self):
        node = self.net.add().start("--bootstrap", "192.0.2.1:7881", *NO_RELAY)
        wait_for("the bootstrap node is asked",
                 lambda: node.metrics()["warren_dht_unsent_total"] > 0)
        begun = time.monotonic()
        done = node.cli("dht", "find-node", HASH)
        self.assertLess(time.monotonic() - begun, 2)
        self.assertEqual(done.returncode, TROUBLE, done.stderr)
        self.assertRegex(done.stderr, "^warren: (this|the kernel of this) "
                                      "machine ")

    def test_timeout(self):
        node = self.net.add().start()
        for given, told in ("1", "1"), ("1s", "1"), ("300ms", "0.3"):
            done = node.cli("dht", "ping", "127.255.255.254:9", "--timeout",
                            given)
            self.assertEqual(done.returncode, UNANSWERED)
            self.assertEqual(done.stderr, f"warren: no answer within {told} "
                             "s: --timeout TIME waits longer\n")


if __name__ == "__main__":
    unittest.main()
