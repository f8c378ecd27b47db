#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The life of a daemon: start, stop, kill, restart, and a world that is not
as it should be."""
import fcntl
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import time
import unittest

from harness import (DONE, HTTP_PORT, NEGATIVE, NO_RELAY, TROUBLE, USAGE,
                     Control, Node, ProcessTest, wait_for, warren)


class StartAndStop(ProcessTest):
    def test_run_status_stop(self):
        node = self.net.add().start()
        status = node.status()
        self.assertTrue(status["healthy"])
        self.assertEqual(status["listen"], [node.endpoint])
        self.assertEqual(status["pid"], node.process.pid)
        self.assertEqual(status["problems"][0]["code"], "alone")
        done = node.cli("status")
        self.assertEqual(done.returncode, DONE)
        self.assertTrue(done.stdout.startswith(
            "note: no other node is known and no bootstrap node"), done.stdout)
        self.assertEqual(node.http("/health")[0], 200)
        code, seconds = node.stop()
        self.assertEqual(code, 0)
        self.assertLess(seconds, 1)
        self.assertFalse((node.dir / "control.sock").exists())

    def test_interrupt_stops_too(self):
        node = self.net.add().start()
        code, seconds = node.stop(signal.SIGINT)
        self.assertEqual(code, 0)
        self.assertLess(seconds, 1)

    def test_stops_with_clients_connected(self):
        node = self.net.add().start()
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.connect(str(node.dir / "control.sock"))
        code, seconds = node.stop()
        self.assertEqual(code, 0)
        self.assertLess(seconds, 1)

    def test_not_healthy_until_joined(self):
        node = self.net.add([f"{self.net.prefix}.250:7881"]).start()
        code, text = node.http("/health")
        self.assertEqual(code, 503)
        self.assertIn("no other node has answered", text)
        self.assertEqual(node.cli("status").returncode, NEGATIVE)
        # the bootstrap node comes up late
        late = Node(self.net.root / "late", f"{self.net.prefix}.250")
        self.net.nodes.append(late)
        late.start()
        node.wait_joined(30)
        self.assertEqual(node.http("/health")[0], 200)

    def test_not_healthy_when_all_are_gone(self):
        first, second = self.net.add().start(), self.net.add()
        second.bootstrap = [first.endpoint]
        second.start("--dht.query_timeout", "1s")
        second.wait_joined()
        first.kill()
        for _ in range(3):  # unanswered in a row: bad
            second.cli("dht", "find-node", "ab" * 20)
        wait_for("it notices", lambda: second.http("/health")[0] == 503)
        text = second.http("/health")[1]
        self.assertIn("have fallen silent", text)
        self.assertEqual(second.cli("status").returncode, NEGATIVE)
        self.assertIn("no node of the DHT answers any more",
                      second.log_text())
        first.start()
        second.wait_joined()
        self.assertEqual(second.http("/health")[0], 200)

    def test_log_json(self):
        import json
        node = self.net.add().start("--log-json")
        node.stop()
        for line in node.log_text().splitlines():
            self.assertIn("message", json.loads(line))

    def test_bootstrap_by_name(self):
        """One that does not exist does not keep the other from working."""
        first = self.net.add()
        first.endpoint = f"127.0.0.1:{self.free_port()}"
        first.start()
        second = self.net.add(["no-such-name.invalid:7881",
                               first.endpoint.replace("127.0.0.1",
                                                      "localhost")])
        second.start()
        second.wait_joined()

    def test_ipv6(self):
        try:
            first, second = self.net.add(), self.net.add()
            first.endpoint = f"[::1]:{self.free_port(socket.AF_INET6)}"
            second.endpoint = f"[::1]:{self.free_port(socket.AF_INET6)}"
        except OSError:
            self.skipTest("no IPv6 here")
        first.start()
        second.bootstrap = [first.endpoint]
        second.start()
        second.wait_joined()
        self.assertEqual(second.json("dht", "announce", "66" * 20)["stored"],
                         1)
        found = first.json("dht", "get-peers", "66" * 20)
        self.assertEqual([p["address"] for p in found["peers"]],
                         [second.endpoint])
        self.assertIn("ipv6", second.status()["dht"])
        self.assertNotIn("ipv4", second.status()["dht"])

    def free_port(self, family=socket.AF_INET):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0) if family == socket.AF_INET
                      else ("::1", 0))
            return sock.getsockname()[1]

    def test_nobody_reads_the_log(self):
        """A full pipe as stderr: the node goes on, and says afterwards how
        much was lost."""
        ends = os.pipe()
        for end in ends:
            self.addCleanup(os.close, end)
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
        node = self.net.add()
        node.process = subprocess.Popen(
            [node.binary, "run", *map(str, node.flags()), "--log.rate", "0"],
            stderr=ends[1])
        node.wait_ready()
        for _ in range(100):
            node.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        self.assertEqual(node.cli("status", "--timeout", "5").returncode, DONE)
        self.assertEqual(node.http("/health")[0], 200)
        self.assertGreater(node.metrics()["warren_log_lost_total"], 0)
        os.set_blocking(ends[0], False)
        while len(os.read(ends[0], 65536)) == 65536:
            pass
        node.send_signal(signal.SIGHUP)
        text = wait_for("it writes again", lambda: read_some(ends[0]))
        self.assertRegex(text, r"warn  \d+ lines? (is|are) lost")
        # what others write to the same pipe waits as before
        self.assertTrue(os.get_blocking(ends[1]))
        for _ in range(100):
            node.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        code, seconds = node.stop(timeout=5)
        self.assertEqual(code, 0)
        self.assertLess(seconds, 2)

    def test_without_stdin_stdout_and_stderr(self):
        """Nothing else takes their place, in which log lines would end."""
        node = self.net.add()
        node.process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", node.binary,
             "run", *map(str, node.flags())])
        node.wait_ready()
        for number in range(3):
            self.assertEqual(os.readlink(
                f"/proc/{node.process.pid}/fd/{number}"), "/dev/null")
        self.assertTrue(node.status()["healthy"])
        self.assertEqual(node.stop()[0], 0)

    def test_journald_gets_levels(self):
        ours, its = socket.socketpair()
        with ours, its:
            node = self.net.add()
            inode = os.fstat(its.fileno())
            node.process = subprocess.Popen(
                [node.binary, "run", *map(str, node.flags())], stderr=its,
                env={**os.environ,
                     "JOURNAL_STREAM": f"{inode.st_dev}:{inode.st_ino}"})
            node.wait_ready()
            node.stop()
            lines = ours.recv(65536).decode().splitlines()
        self.assertIn("<6>", {line[:3] for line in lines})
        for line in lines:
            self.assertRegex(line, "^<[3467]>20")

    def test_out_of_descriptors(self):
        """Clients wait until there are some, at no cost."""
        node = self.net.add().start()
        pid = node.process.pid
        used = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, 4096))
        socks = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for sock in socks:
            self.addCleanup(sock.close)
            sock.connect(str(node.dir / "control.sock"))
        for _ in range(3):
            sock = socket.create_connection((node.address, HTTP_PORT))
            self.addCleanup(sock.close)
        for what in ("a control client", "an HTTP connection"):
            wait_for("it says so", lambda: f"cannot accept {what}"
                     in node.log_text())
        before = cpu_seconds(pid)
        time.sleep(1)
        self.assertLess(cpu_seconds(pid) - before, 0.3)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (4096, 4096))
        self.assertEqual(node.cli("status").returncode, DONE)


def read_some(fd):
    try:
        return os.read(fd, 65536).decode()
    except BlockingIOError:
        return None


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
    return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")


class Refusals(ProcessTest):
    """A daemon that cannot start says why, and ends with a code for it."""

    def refused(self, node, *words, code=TROUBLE):
        node.start(wait=False)
        self.assertEqual(node.process.wait(20), code, node.log_text())
        for word in words:
            self.assertIn(word, node.log_text())
        self.assertNotIn("stopped", node.log_text())  # it never ran

    def test_port_in_use(self):
        first = self.net.add().start()
        second = self.net.add()
        second.endpoint = first.endpoint
        self.refused(second, first.endpoint, "use")

    def test_too_few_files(self):
        node = self.net.add()
        node.start(wait=False, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (20, 30)))
        self.assertEqual(node.process.wait(20), TROUBLE)
        self.assertRegex(node.log_text(), "may have 30 files open, which is "
                         "too few: a node needs [0-9]{2}, better [0-9]+; raise "
                         "the hard limit")

    def test_soft_limit_of_files_is_raised(self):
        node = self.net.add()
        node.start("--exit", "--exit.tcp", "no", "--exit.max_sockets", "900",
                   "--exit.max_questions", "10",
                   preexec_fn=lambda: resource.setrlimit(
                       resource.RLIMIT_NOFILE, (64, 4096)))
        soft, hard = resource.prlimit(node.process.pid,
                                      resource.RLIMIT_NOFILE)
        self.assertGreater(soft, 900 + 2 * 10)
        self.assertLess(soft, 1200)
        self.assertEqual(hard, 4096)
        self.assertNotIn("files open", node.log_text())

    def test_same_data_dir(self):
        first = self.net.add().start()
        second = self.net.add()
        second.dir = first.dir
        self.refused(second, str(first.process.pid))
        self.assertEqual(first.cli("status").returncode, DONE)

    def test_live_control_socket(self):
        first = self.net.add().start()
        second = self.net.add()
        second.start("--control", first.dir / "control.sock", wait=False)
        self.assertEqual(second.process.wait(20), TROUBLE)
        self.assertIn("another daemon listens on the control socket",
                      second.log_text())
        self.assertEqual(first.cli("status").returncode, DONE)

    def test_file_in_place_of_control_socket(self):
        node = self.net.add()
        node.dir.mkdir()
        (node.dir / "control.sock").write_text("mine")
        self.refused(node, "no socket")
        self.assertEqual((node.dir / "control.sock").read_text(), "mine")

    def test_data_dir_is_a_file(self):
        node = self.net.add()
        node.dir.write_text("")
        self.refused(node, str(node.dir))

    def test_data_dir_is_for_something_else(self):
        node = self.net.add()
        node.dir.mkdir(mode=0o755)
        (node.dir / "passwd").write_text("")
        self.refused(node, f"{node.dir} is not empty")
        self.assertEqual([p.name for p in node.dir.iterdir()], ["passwd"])
        if os.geteuid() == 0:  # of root's, and nothing can be left in it
            node.dir = pathlib.Path("/proc")
            node.log = self.net.root / "proc.log"
            self.refused(node, "--data-dir /proc/warren, which is made if it "
                         "is not there")

    def test_what_stands_for_a_file_is_named(self):
        node = self.net.add()
        for name, kind in (("lock", "a directory"), ("lock", "a FIFO"),
                           ("lock", "a symbolic link"),
                           ("identity.key", "a symbolic link"),
                           ("identity.key", "a directory"),
                           ("handshake.key", "a FIFO"),
                           ("warren.db", "a symbolic link")):
            node.dir.mkdir()
            path = node.dir / name
            {"a directory": path.mkdir, "a FIFO": lambda p=path: os.mkfifo(p),
             "a symbolic link": lambda p=path: p.symlink_to("nowhere")}[kind]()
            self.refused(node, f"{path} is {kind}")
            shutil.rmtree(node.dir)

    def test_data_dir_cannot_be_made(self):
        node = self.net.add()
        node.dir = pathlib.Path("/proc/warren")
        node.log = self.net.root / "proc.log"
        self.refused(node, "/proc/warren")

    def test_read_only_data_dir(self):
        """Root writes where the mode forbids it, but not where the mount
        does."""
        node = self.net.add()
        node.dir.mkdir()
        if os.geteuid() == 0:
            command = ["unshare", "-m", "sh", "-c",
                       'mount -t tmpfs -o ro none "$1" && shift && exec "$@"',
                       "sh", node.dir, node.binary, "run", *node.flags()]
            if subprocess.run(["unshare", "-m", "true"], check=False,
                              capture_output=True).returncode != 0:
                self.skipTest("no mounts here")
        else:
            node.dir.chmod(0o500)
            command = [node.binary, "run", *node.flags()]
        done = subprocess.run(list(map(str, command)), capture_output=True,
                              text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, TROUBLE, done.stderr)
        self.assertIn(str(node.dir), done.stderr)

    def test_wrong_configuration(self):
        path = self.net.root / "warren.conf"
        path.write_text("[dht]\nmax_items = many\n")
        done = warren("run", "--config", path)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn(f"{path}:2:", done.stderr)


def forbid_writing():
    """Every write to a file fails, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


class Store(ProcessTest):
    def test_kill_and_restart(self):
        first, second = self.network_of(2, *NO_RELAY)
        ident = second.id()
        announced = "ab" * 20
        self.assertEqual(
            second.json("dht", "announce", announced)["stored"], 1)
        time.sleep(6)  # a flush, five seconds apart
        second.kill()
        self.assertTrue((second.dir / "control.sock").exists())
        second.bootstrap = []
        begun = time.monotonic()
        second.start(*NO_RELAY)
        second.wait_joined()
        self.assertLess(time.monotonic() - begun, 2)  # 1 s without sanitizers
        status = second.status()
        self.assertEqual(status["dht"]["ipv4"]["id"], ident)
        self.assertEqual(status["dht"]["publications"], 1)
        self.assertEqual(status["store"]["announcements"], 1)
        found = first.json("dht", "get-peers", announced)
        self.assertEqual([p["address"] for p in found["peers"]],
                         [second.endpoint])

    def test_corrupt_database(self):
        node = self.net.add().start()
        ident = node.id()
        node.stop()
        database = node.dir / "warren.db"
        database.write_bytes(b"garbage, not a database" * 1000)
        node.start()
        status = node.status()
        self.assertNotEqual(status["dht"]["ipv4"]["id"], ident)
        codes = [p["code"] for p in status["problems"]]
        self.assertIn("store_replaced", codes)
        aside = list(node.dir.glob("warren.db.corrupt-*"))
        self.assertEqual(len(aside), 1)
        self.assertTrue(aside[0].read_bytes().startswith(b"garbage"))

    def test_disk_full_at_start(self):
        node = self.net.add()
        log = open(node.log, "wb")
        self.addCleanup(log.close)
        done = subprocess.run(
            list(map(str, [node.binary, "run", *node.flags()])),
            capture_output=True, text=True, preexec_fn=forbid_writing,
            timeout=20, check=False)
        self.assertEqual(done.returncode, TROUBLE, done.stderr)
        self.assertIn(str(node.dir), done.stderr)

    def test_disk_full_while_running(self):
        first, second = self.network_of(2)
        self.limit_files(second, 0)
        second.cli("dht", "announce", "cd" * 20)
        status = second.status()
        self.assertFalse(status["healthy"])
        self.assertEqual(status["problems"][0]["code"], "store")
        self.assertEqual(second.http("/health")[0], 503)
        self.assertEqual(second.metrics()["warren_store_ok"], 0)
        # it goes on working
        found = first.json("dht", "get-peers", "cd" * 20)
        self.assertEqual(len(found["peers"]), 1)
        # and recovers by itself
        self.limit_files(second, resource.RLIM_INFINITY)
        wait_for("the store is written again",
                 lambda: second.status()["healthy"])
        self.assertEqual(second.status()["store"]["announcements"], 1)

    def test_disk_full_keeps_nothing(self):
        """What waits for the disk is not said to be on it."""
        _, node = self.network_of(2)
        node.json("dht", "announce", "aa" * 20)
        self.limit_files(node, 0)
        for verb in (["announce", "cd" * 20], ["put", "x"],
                     ["announce", "aa" * 20, "--port", "1"]):
            done = node.cli("dht", *verb)
            self.assertEqual(done.returncode, TROUBLE, done.stdout)
            self.assertIn("cannot be written", " ".join(done.stderr.split()))
        kept = {p["target"]: p["kept"]
                for p in node.json("dht", "published")["published"]}
        self.assertFalse(kept["aa" * 20] or kept["cd" * 20])
        # nor is what was withdrawn said to be gone
        done = node.cli("dht", "withdraw", "aa" * 20)
        self.assertEqual(done.returncode, TROUBLE, done.stdout)
        self.assertIn("cannot be written", " ".join(done.stderr.split()))
        node.kill()
        node.start()
        targets = [p["target"]
                   for p in node.json("dht", "published")["published"]]
        self.assertIn("aa" * 20, targets)
        self.assertNotIn("cd" * 20, targets)

    def limit_files(self, node, size):
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE,
                         (size, resource.RLIM_INFINITY))

    def test_clock_went_back(self):
        node = self.net.add().start()
        node.stop()
        done = subprocess.run(
            ["/usr/bin/python3", "-c", SET_CLOCK_AHEAD,
             str(node.dir / "warren.db")],
            capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        node.start()
        status = node.status()
        self.assertTrue(status["healthy"])
        clock = [p for p in status["problems"] if p["code"] == "clock"]
        self.assertEqual(len(clock), 1, status["problems"])
        self.assertIn("clock went back", node.log_text())


# As if the last run had been a day later: the clock is now a day behind.
SET_CLOCK_AHEAD = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1])
late = (int(time.time()) + 86400).to_bytes(8, "big")
changed = db.execute("update setting set value = ? where key = ?",
                     (late, "clock.latest")).rowcount
db.commit()
assert changed == 1, changed
"""


class Reload(ProcessTest):
    def test_hangup(self):
        first = self.net.add().start()
        config = self.net.root / "warren.conf"
        config.write_text("[log]\nlevel = error\n")
        second = self.net.add()
        second.start("--config", config)
        self.assertFalse(second.status()["dht"]["joined"])
        config.write_text("[log]\nlevel = debug\n"
                          f"[dht]\nbootstrap = {first.endpoint}\n"
                          "[node]\nnetwork = other\n")
        second.send_signal(signal.SIGHUP)
        second.wait_joined()
        self.assertIn("stays so until a restart", second.log_text())
        self.assertIn("configuration loaded again", second.log_text())
        self.assertEqual(second.status()["network"], "main")

    def test_hangup_with_mistakes(self):
        config = self.net.root / "warren.conf"
        config.write_text("")
        node = self.net.add()
        node.start("--config", config)
        config.write_text("[dht]\nmax_items = many\n")
        node.send_signal(signal.SIGHUP)
        wait_for("the mistake is in the log",
                 lambda: f"{config}:2" in node.log_text())
        self.assertEqual(node.cli("status").returncode, DONE)


if __name__ == "__main__":
    unittest.main()
