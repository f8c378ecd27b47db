#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a daemon makes of its settings: at the start, on SIGHUP, and what it
says when they cannot be followed."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import unittest

from harness import (BINARY, DONE, PORT, TROUBLE, USAGE, ProcessTest,
                     clean_environment, wait_for, warren)

NOBODY = 65534


def run(*flags, **popen):
    """A daemon that does not come up: its CompletedProcess."""
    popen.setdefault("env", clean_environment())
    return subprocess.run([BINARY, "run", *map(str, flags)],
                          capture_output=True, text=True, timeout=60,
                          check=False, **popen)


def listens(sock, address, port):
    with contextlib.suppress(OSError):
        sock.bind((address, port))
        sock.listen()
        return True
    return False


def hold(address, port):
    """Listens there, as soon as another run of this test has ended."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    wait_for(f"{address}:{port} is free", lambda: listens(sock, address, port),
             60)
    return sock


class Start(ProcessTest):
    def flags(self, node, *http):
        return ["--data-dir", node.dir, "--listen", node.endpoint,
                "--testing-network", *http]

    def bare(self, *extra):
        """A node that is given no address for HTTP."""
        node = self.net.add()
        node.flags = lambda: self.flags(node)
        return node.start(*extra)

    def test_all_that_is_wrong_is_said_at_once(self):
        first = self.net.add().start()
        flags = ["--data-dir", first.dir, "--listen", first.endpoint,
                 "--listen", f"{first.address}:{PORT + 1}",
                 "--http", f"{first.address}:7882"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((first.address, PORT + 1))
            done = run(*flags)
        self.assertEqual(done.returncode, TROUBLE)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 4, done.stderr)
        self.assertIn(f"in use by another warren, process "
                      f"{first.process.pid}", lines[0])
        for line, address, flag in (
                (lines[1], first.endpoint, "--listen"),
                (lines[2], f"{first.address}:{PORT + 1}", "--listen"),
                (lines[3], f"{first.address}:7882", "--http")):
            self.assertIn(f"cannot listen on {address}: address already in "
                          "use", line)
            self.assertTrue(line.endswith(f"choose another with {flag}"))
        self.assertEqual(first.stop()[0], DONE)

    def test_second_daemon_goes_on_without_default_pages(self):
        """A data directory and a UDP port of its own are enough for it."""
        with hold("127.0.0.1", 7882):
            node = self.bare()
            self.assertIn("cannot listen on 127.0.0.1:7882: address already "
                          "in use; another warren or program holds it (see "
                          "`ss -tlpn`), choose another with --http; going on "
                          "without /metrics and /health", node.log_text())
            self.assertNotIn("metrics and health on", node.log_text())
            self.assertEqual(node.cli("status").returncode, DONE)
            self.assertEqual(node.stop()[0], DONE)

    def test_pages_that_were_asked_for_have_to_be_there(self):
        config = self.net.root / "http.ini"
        config.write_text("[http]\nlisten = 127.0.0.1:7882\n")
        node = self.net.add()
        flags = self.flags(node)
        with hold("127.0.0.1", 7882):
            for more, env in (
                    (["--http", "127.0.0.1:7882"], {}),
                    (["--config", config], {}),
                    ([], {"WARREN_HTTP_LISTEN": "127.0.0.1:7882"})):
                with self.subTest(more=more, env=env):
                    done = run(*flags, *more, env=clean_environment() | env)
                    self.assertEqual(done.returncode, TROUBLE)
                    self.assertIn("cannot listen on 127.0.0.1:7882",
                                  done.stderr)

    def test_printed_defaults_are_a_configuration(self):
        config = self.net.root / "warren.ini"
        config.write_text(warren("config", "default").stdout)
        for line in config.read_text().splitlines():
            self.assertRegex(line, r"^($|#|\[\w+\]$)")
        with hold("127.0.0.1", 7882):  # the file pins nothing
            node = self.bare("--config", config)
            node.send_signal(signal.SIGHUP)
            wait_for("it loads again", lambda:
                     "configuration loaded again" in node.log_text())
            self.assertNotIn("restart", node.log_text())
            self.assertEqual(node.stop()[0], DONE)

    def test_empty_variables_are_not_set(self):
        node = self.net.add()
        empty = {f"WARREN_{name}": "" for name in (
            "NODE_LISTEN", "NODE_NETWORK", "HTTP_LISTEN", "LOG_LEVEL",
            "DHT_MAX_ITEMS", "TUNNEL_BUILD")}
        done = run(*self.flags(node, "--http", "none"), "--log.level", "x",
                   env=clean_environment() | empty)
        self.assertEqual(done.stderr, "warren: --log.level: level is 'x' but "
                                      "must be one of error, warn, info, "
                                      "debug\n")

    def test_directory_for_all_is_left_alone(self):
        shared = self.net.root / "shared"
        shared.mkdir()
        shared.chmod(0o1777)
        for directory in (shared, "/tmp"):
            done = run("--data-dir", directory, "--listen",
                       self.net.add().endpoint)
            self.assertEqual(done.returncode, TROUBLE)
            self.assertIn(f"--data-dir {directory}/warren", done.stderr)
            self.assertNotIn("chmod", done.stderr)

    @unittest.skipIf(os.geteuid() != 0, "gives a directory away")
    def test_root_leaves_the_directory_of_another_user(self):
        node = self.net.add()
        node.dir.mkdir(mode=0o700)
        os.chown(node.dir, NOBODY, NOBODY)
        done = run(*self.flags(node))
        self.assertEqual(done.returncode, TROUBLE)
        self.assertIn("belongs to nobody (uid 65534), but warren runs as root "
                      "(uid 0)", done.stderr)
        self.assertEqual(list(node.dir.iterdir()), [])

    def test_without_a_home(self):
        """Of a user, that is: root has a directory of its own."""
        env = {name: value for name, value in clean_environment().items()
               if name not in ("HOME", "XDG_STATE_HOME")}
        user = {"user": NOBODY} if os.geteuid() == 0 else {}
        for verb in ("run", "status"):
            try:
                done = subprocess.run([BINARY, verb], capture_output=True,
                                      text=True, timeout=60, env=env,
                                      check=False, **user)
            except PermissionError:
                self.skipTest("others may not run it here")
            self.assertEqual(done.returncode, USAGE)
            self.assertEqual(
                done.stderr, "warren: data_dir: there is no default, because "
                "neither HOME nor XDG_STATE_HOME is set; give a directory "
                "with --data-dir, or set HOME\n")


class Reload(ProcessTest):
    def reload(self, node, text):
        """Writes the settings, reloads, and returns the new lines."""
        before = len(node.log_text())
        (self.net.root / "reload.ini").write_text(text)
        node.send_signal(signal.SIGHUP)
        wait_for("it has loaded again, or not", lambda: re.search(
            "loaded again|has mistakes.*\\n.*\\n", node.log_text()[before:]))
        return node.log_text()[before:]

    def test_reload_names_what_does_not_fit(self):
        """And a later one is not harmed by it."""
        config = self.net.root / "reload.ini"
        config.write_text("")
        node = self.net.add().start("--config", config)
        log = self.reload(node, "[tunnel]\nmin_circuits = 40\n"
                                "max_circuits = 50\ncreate_rate = 7\n")
        self.assertIn("[tunnel] max_circuits is '32' and stays so until a "
                      "restart", log)
        self.assertIn("[tunnel] min_circuits is '2' and stays so until a "
                      "restart; the settings now say '40': ", log)
        self.assertNotIn("keep their old settings", log)
        log = self.reload(node, "[tunnel]\nmin_circuits = 5\n"
                                "family = ours\n")
        self.assertNotIn("restart", log)
        self.assertNotIn("keep", log)
        log = self.reload(node, "[tunnel]\nfamily = my relays\n")
        self.assertIn(f"{config}:2: family is 'my relays' but must be", log)
        self.assertEqual(node.stop()[0], DONE)


if __name__ == "__main__":
    unittest.main()
