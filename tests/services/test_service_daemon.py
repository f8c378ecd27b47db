#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Hidden services of real daemons: made, found, asked, restarted, taken away.

No node of these networks is an exit.
"""
import json
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "process"))
from harness import (DONE, UNANSWERED, Control, ProcessTest, clean_environment,
                     wait_for)

RELAYS = 7
CLIENT = ("--tunnel.max_relays_or_exits", "0")
PATIENCE = 90  # s, with sanitizers on a busy machine


class Server(threading.Thread):
    """A UDP server that answers with what was asked, and notes who did."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.endpoint = "%s:%d" % self.socket.getsockname()
        self.sources = []
        self.start()

    def run(self):
        while True:
            data, source = self.socket.recvfrom(65536)
            self.sources.append(source)
            self.socket.sendto(b"echo " + data, source)


class Watcher:
    """`warren service register | receive | connect` and its lines."""

    def __init__(self, node, *args):
        self.process = subprocess.Popen(
            [node.binary, "service", *args, "--json", "--data-dir",
             str(node.dir)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=clean_environment())
        self.events = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def of(self, kind):
        return [e for e in self.events if e.get("event") == kind]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class Services(ProcessTest):
    relays_wanted = RELAYS

    def setUp(self):
        super().setUp()
        self.relays = self.network_of(self.relays_wanted)
        self.watchers = []

    def tearDown(self):
        for watcher in self.watchers:
            watcher.close()
        super().tearDown()

    def watch(self, node, *args):
        watcher = Watcher(node, *args)
        self.watchers.append(watcher)
        return watcher

    def add(self, config="", flags=()):
        node = self.net.add([self.relays[0]])
        self.configure(node, config)
        node.start(*CLIENT, "--config", self.path_of(node), *flags,
                   wait=False)
        node.wait_ready()
        node.wait_joined()
        return node

    @staticmethod
    def path_of(node):
        return str(node.dir) + ".ini"

    def configure(self, node, config):
        with open(self.path_of(node), "w", encoding="utf-8") as f:
            f.write(config)

    def service(self, node, name):
        return next(s for s in node.json("service", "list")["services"]
                    if s["name"] == name)

    def wait_fine(self, node, name):
        wait_for(f"{name} can be reached",
                 lambda: node.json("service", "show", name).get("state") ==
                 "fine" and node.json("service", "show", name)["published"],
                 PATIENCE, 0.3)
        return self.service(node, name)["address"]

    def ask(self, node, to, data, **more):
        return node.json("service", "send", to, data, "--timeout",
                         f"{PATIENCE}s", *more.get("flags", ()),
                         ok=more.get("ok", (DONE,)))


class KeyService(Services):
    def test_answers_and_is_the_same_after_a_restart(self):
        server = Server(self.net.prefix + ".201")
        host = self.add(f"[service web]\nport = 53 udp {server.endpoint}\n")
        address = self.wait_fine(host, "web")
        client, other = self.add(), self.add()
        answer = self.ask(client, f"{address}:53", "hello")
        self.assertEqual(answer["outcome"], "answered")
        self.assertEqual(answer["data"], "echo hello")
        answer = self.ask(other, f"{address}:53", "hello")
        self.assertEqual(answer["data"], "echo hello")
        # The server tells them apart; nobody came from a node's own address.
        self.assertEqual(len(set(server.sources)), 2)
        peers = host.json("service", "peers", "web")["peers"]
        self.assertEqual(len(peers), 2)
        self.assertTrue(all(p["key"] is None for p in peers))
        self.assertTrue(host.json("service", "probe", "web")["reachable"])

        points = {p["relay"] for p in
                  host.json("service", "show", "web")["introduction"]}
        host.kill()
        host.start(*CLIENT, "--config", self.path_of(host))
        again = wait_for("points after the restart", lambda: {
            p["relay"] for p in
            host.json("service", "show", "web")["introduction"]
            if p["established"]}, PATIENCE)
        self.assertTrue(again <= points, (again, points))
        self.assertEqual(self.service(host, "web")["address"], address)
        third = self.add()
        self.assertEqual(self.ask(third, f"{address}:53", "back")["data"],
                         "echo back")
        metrics = host.metrics()
        self.assertEqual(metrics['warren_service_runs{service="web"}'], 1)
        self.assertGreaterEqual(metrics["warren_services_joins_total"], 1)

    def test_connect_gives_programs_a_local_socket(self):
        server = Server(self.net.prefix + ".201")
        host = self.add(f"[service web]\nport = 9 udp {server.endpoint}\n")
        address = self.wait_fine(host, "web")
        client = self.add()
        watcher = self.watch(client, "connect", f"{address}:9")
        wait_for("it listens", lambda: watcher.of("listening"), PATIENCE)
        ip, port = watcher.of("listening")[0]["address"].rsplit(":", 1)
        program = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(program.close)
        program.settimeout(PATIENCE)
        program.sendto(b"one", (ip, int(port)))
        self.assertEqual(program.recv(100), b"echo one")
        wait_for("its peer is told", lambda: watcher.of("peer"))
        # Ended by hand, the socket goes with it.
        watcher.close()
        wait_for("the socket is gone", lambda: self.is_free(ip, int(port)))

    @staticmethod
    def is_free(ip, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.bind((ip, port))
            except OSError:
                return False
        return True

    def test_peers_at_their_cap(self):
        server = Server(self.net.prefix + ".201")
        host = self.add(f"[service web]\nmax_peers = 1\n"
                        f"port = 9 udp {server.endpoint}\n")
        address = self.wait_fine(host, "web")
        first, second = self.add(), self.add()
        self.assertEqual(self.ask(first, f"{address}:9", "x")["data"],
                         "echo x")
        done = second.cli("service", "send", f"{address}:9", "y", "--timeout",
                          "10s")
        self.assertEqual(done.returncode, UNANSWERED, done.stdout)
        # Who was there is still served, over the channel that is there.
        self.assertEqual(self.ask(first, f"{address}:9", "z")["data"],
                         "echo z")
        self.assertEqual(len(host.json("service", "peers")["peers"]), 1)

    def test_many_come_at_once(self):
        server = Server(self.net.prefix + ".201")
        host = self.add(f"[services]\njoin_rate = 1\nmax_queue = 1\n"
                        f"[service web]\nport = 9 udp {server.endpoint}\n")
        address = self.wait_fine(host, "web")
        # As few circuits as there can be are enough for one.
        before = self.add(flags=("--services.max_circuits", "8"))
        self.assertEqual(self.ask(before, f"{address}:9", "x")["data"],
                         "echo x")
        clients = [self.add() for _ in range(4)]
        asked = [subprocess.Popen(
            [c.binary, "service", "send", f"{address}:9", "y", "--timeout",
             "60s", "--data-dir", str(c.dir)], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=clean_environment())
            for c in clients]
        self.assertEqual(self.ask(before, f"{address}:9", "z")["data"],
                         "echo z")
        answers = [process.communicate()[0] for process in asked]
        self.assertIn("echo y\n", answers)
        peers = len(host.json("service", "peers", "web")["peers"])
        self.assertEqual(peers, 1 + answers.count("echo y\n"))

    def test_connections_under_way_have_a_cap(self):
        server = Server(self.net.prefix + ".201")
        names = ["web", "b", "c", "d", "e"]
        host = self.add("".join(f"[service {name}]\n"
                                f"port = 9 udp {server.endpoint}\n"
                                for name in names))
        web, *others = [self.wait_fine(host, name) for name in names]
        client = self.add(flags=("--services.max_connects", "1"))
        self.assertEqual(self.ask(client, f"{web}:9", "x")["data"], "echo x")
        with Control(client) as control:
            for to in others:
                control.send("service.send", to=f"{to}:9", data=b"y",
                             timeout=20000)
            answers = [control.receive()[3] for _ in others]
        ends = {a.get("reason") or a["outcome"] for a in answers}
        self.assertEqual(ends, {"answered", "too_many"}, answers)
        for to in others:
            self.assertEqual(self.ask(client, f"{to}:9", "y")["data"],
                             "echo y")
        self.assertEqual(self.ask(client, f"{web}:9", "z")["data"], "echo z")

    def test_access_is_for_who_has_a_secret(self):
        server = Server(self.net.prefix + ".201")
        # Made where nobody hears of it: what was open once is known for a
        # while.
        alone = self.net.add().start()
        alone.json("service", "new", "web")
        secret = alone.json("service", "access", "add", "web",
                            "friend")["secret"]
        line = alone.json("service", "key", "export", "web")["line"]
        alone.stop()
        host = self.add()
        host.rpc("service.import", name="web", line=line)
        self.configure(host, f"[service web]\nport = 9 udp "
                             f"{server.endpoint}\n")
        host.send_signal(signal.SIGHUP)
        address = self.wait_fine(host, "web")
        friend, stranger = self.add(), self.add()
        wait_for("the friend finds it", lambda: self.ask(
            friend, f"{address}:9", "x", flags=("--access", secret),
            ok=(DONE, UNANSWERED))["data"] == "echo x", PATIENCE)
        done = stranger.cli("service", "send", f"{address}:9", "y",
                            "--timeout", "10s")
        self.assertEqual(done.returncode, UNANSWERED, done.stdout)
        done = stranger.cli("service", "send", f"{address}:9", "y",
                            "--timeout", "10s", "--access", "00" * 32)
        self.assertEqual(done.returncode, UNANSWERED, done.stdout)

    def test_reload_and_removal(self):
        server = Server(self.net.prefix + ".201")
        host = self.add("")
        made = host.json("service", "new", "mine")
        self.configure(host, f"[service mine]\n"
                             f"port = 7 udp {server.endpoint}\n")
        host.send_signal(signal.SIGHUP)
        wait_for("the port is there",
                 lambda: host.json("service", "show", "mine")["ports"])
        address = self.wait_fine(host, "mine")
        self.assertEqual(address, made["address"])
        client = self.add()
        self.assertEqual(self.ask(client, f"{address}:7", "x")["data"],
                         "echo x")
        done = host.cli("service", "remove", "mine")
        self.assertIn("section [service mine]", done.stderr)
        self.configure(host, "")
        host.send_signal(signal.SIGHUP)
        wait_for("the section is gone", lambda: not host.json(
            "service", "show", "mine")["has_section"])
        backup = host.json("service", "key", "export", "mine")["line"]
        self.assertEqual(host.cli("service", "remove", "mine").returncode,
                         DONE)
        self.assertEqual(host.json("service", "list")["services"], [])
        self.assertFalse((host.dir / "services/mine.key").exists())
        # A backup brings the same address back.
        done = subprocess.run(
            [host.binary, "service", "key", "import", "again", "--json",
             "--data-dir", str(host.dir)], input=backup, text=True,
            capture_output=True, env=clean_environment(), check=True)
        self.assertEqual(json.loads(done.stdout)["address"], address)


class StringService(Services):
    def test_members_find_each_other_and_talk(self):
        a, b = self.add(), self.add()
        first = self.watch(a, "register", "a string of ours")
        second = self.watch(b, "register", "a string of ours")
        for watcher in (first, second):
            wait_for("a peer is there", lambda w=watcher: w.of("peer"),
                     PATIENCE)
        peer = first.of("peer")[0]["peer"]
        self.assertEqual(
            a.cli("service", "send", peer + ":5", "my message to this peer",
                  "--no-wait").returncode, DONE)
        data = wait_for("it comes", lambda: second.of("data"), PATIENCE)[0]
        self.assertEqual(data["data"], "my message to this peer")
        self.assertEqual(data["port"], 5)
        self.assertEqual(len(first.of("peer")), 1)
        size = self.relays[1].json("service", "size", "a string of ours")
        self.assertEqual(size["members"], 2)

    def test_member_with_a_port_is_the_same_after_a_restart(self):
        server = Server(self.net.prefix + ".201")
        host = self.add(f"[service club]\nstring = chess\n"
                        f"port = 64 udp {server.endpoint}\n")
        other = self.watch(self.add(), "register", "chess")
        wait_for("a peer is there", lambda: other.of("peer"), PATIENCE)
        node = self.net.nodes[-1]
        peer = other.of("peer")[0]
        self.assertEqual(self.ask(node, peer["peer"] + ":64", "e4")["data"],
                         "echo e4")
        host.stop()
        host.start(*CLIENT, "--config", self.path_of(host))
        again = wait_for("it comes again", lambda: other.of("peer")[1:],
                         PATIENCE)[0]
        self.assertEqual(again["key"], peer["key"])
        self.assertNotEqual(again["peer"], peer["peer"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
