#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tunnels in real daemons: relays find each other, circuits are built and
kept, and a restart forgets nothing."""
import contextlib
import shutil
import signal
import stat
import threading
import time
import unittest

from harness import REFUSED, Control, Failure, ProcessTest, wait_for

READY = "warren_tunnel_circuits_ready"
KNOWN = "warren_directory_relays"


def metric(node, name):
    return node.metrics()[name]


def measured(node):
    """What speed tests found: kB/s by relay."""
    return {p["identity"]: p["capacity"] for p in node.json("peers")["peers"]
            if p["capacity"] > 0}


def codes(node):
    """What status says is wrong, by its code."""
    return {p["code"]: p for p in node.status()["problems"]}


def circuits(node):
    return [c for c in node.json("circuits")["circuits"]
            if c["state"] == "ready"]


def through(node, endpoint):
    """The ids of its circuits, ready or not, that go through a relay."""
    return {c["id"] for c in node.json("circuits")["circuits"]
            if endpoint in [hop["address"] for hop in c["path"]]}


def on_paths(control):
    """The addresses of the relays in its circuits that are ready."""
    return {hop["address"]
            for circuit in control.call("tunnel.circuits")["circuits"]
            if circuit["state"] == "ready"
            for hop in circuit["path"]}


def doubts(nodes):
    """Links whose peer was said to be gone, and was."""
    return sum(metric(n, "warren_tunnel_links_doubted_total") -
               metric(n, "warren_tunnel_links_doubted_wrong_total")
               for n in nodes if n.is_running())


@contextlib.contextmanager
def sending(client, to):
    """Datagrams through its circuits all the while, answered or not."""
    ended = threading.Event()

    def send():
        with Control(client) as control:
            while not ended.is_set():
                with contextlib.suppress(Failure):
                    control.call("tunnel.send", hops=3, to=to, data=b"x")

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def hidden(node):
    """The files that hold keys."""
    return {name: (node.dir / name).read_bytes()
            for name in ("identity.key", "handshake.key")}


class Tunnels(ProcessTest):
    def community(self, relays=4):
        """Relays that have joined, the first of them an exit."""
        first = self.net.add().start("--exit")
        for _ in range(relays - 1):
            self.net.add([first]).start(wait=False)
        for node in self.net.nodes:
            node.wait_ready()
        for node in self.net.nodes:
            node.wait_joined()
            wait_for("it publishes itself",
                     lambda node=node: metric(
                         node, "warren_directory_published"), 5)
        return self.net.nodes[:]

    def client(self, relays, *flags):
        return self.net.add([relays[0]]).start(*flags)

    def wait_circuits(self, client, timeout=5):
        wait_for("circuits are ready",
                 lambda: metric(client, READY) >= 2, timeout)

    def test_circuits_of_three_hops_within_seconds(self):
        relays = self.community()
        client = self.client(relays, "--build", "3")
        self.wait_circuits(client)
        figures = client.metrics()
        self.assertEqual(figures["warren_tunnel_ready_ratio"], 1)
        self.assertEqual(figures[KNOWN], 4)
        self.assertEqual(figures["warren_directory_exits"], 1)
        self.assertEqual(sum(metric(r, "warren_tunnel_transits")
                             for r in relays), 6)
        status = client.status()
        self.assertTrue(status["healthy"])
        self.assertEqual(status["tunnels"]["ready"], 2)
        self.assertEqual(status["tunnels"]["path"], "found")
        self.assertEqual(status["tunnels"]["addresses"], [client.endpoint])
        self.assertRegex(relays[0].cli("status").stdout,
                         r"(?ms)^relay +[0-9a-f]{64}$.*^exit +\d")

    def test_ten_nodes_find_each_other(self):
        relays = self.community(9)
        client = self.client(relays, "--build", "4")
        begun = time.monotonic()
        wait_for("all relays are known", lambda: metric(client, KNOWN) == 9, 5)
        self.wait_circuits(client)
        self.assertLess(time.monotonic() - begun, 5)

    def test_a_copied_data_directory(self):
        """Both say so, as they hear of each other."""
        nodes = self.network_of(4)
        nodes[2].stop()
        twin = self.net.add([nodes[0]])
        twin.dir.mkdir(mode=0o700, exist_ok=True)
        shutil.copy2(nodes[2].dir / "identity.key", twin.dir)
        shutil.copy2(nodes[2].dir / "handshake.key", twin.dir)
        twin.start()
        wait_for("it is a relay again",
                 lambda: twin.status()["tunnels"]["published"], 20)
        self.assertNotIn("same_identity", codes(twin))
        nodes[2].start()
        for node in (twin, nodes[2]):
            wait_for("the copy is noticed",
                     lambda n=node: "same_identity" in codes(n), 60)
            problem = codes(node)["same_identity"]
            self.assertEqual(problem["level"], "error")
            self.assertIn("identity.key", problem["remedy"])

    def test_restart_keeps_identity_and_relays(self):
        relays = self.community()
        client = self.client(relays, "--build", "3")
        self.wait_circuits(client)
        client.json("tunnel", "speedtest", "--hops", 3, "--seconds", 3)
        capacities = measured(client)
        self.assertEqual(len(capacities), 3)
        keys = hidden(client)
        for name in keys:
            mode = (client.dir / name).stat().st_mode
            self.assertEqual(stat.S_IMODE(mode), 0o600)
        guards = metric(client, "warren_directory_guards")
        self.assertGreater(guards, 0)
        self.assertEqual(client.stop()[0], 0)
        client.bootstrap = []
        client.start("--build", "3")
        self.assertEqual(metric(client, "warren_directory_restored"), 4)
        # So soon they are provisional, and drawn from the same relays again;
        # test_guard_set_survives_a_restart is about those that are kept.
        self.assertEqual(metric(client, "warren_directory_guards"), guards)
        self.assertEqual(measured(client), capacities)
        self.wait_circuits(client)
        self.assertEqual(hidden(client), keys)

    def test_no_exit_is_named_as_what_is_missing(self):
        first = self.net.add().start()
        client = self.client([first], "--build", "1")
        wait_for("the relay is known", lambda: metric(client, KNOWN) == 1, 5)
        wait_for("the exit is missed", lambda: client.status()["tunnels"][
            "path"] == "no_exits", 5)
        self.assertEqual(metric(client, READY), 0)

    def test_relays_can_be_named_instead_of_found(self):
        relay = self.net.add().start("--exit")
        client = self.net.add().start("--build", "1", "--tunnel.relays",
                                      relay.endpoint)
        self.wait_circuits(client)
        self.assertFalse(client.status()["dht"]["joined"])

    def test_who_relays_nothing_is_not_listed(self):
        relays = self.community(3)
        shy = self.net.add([relays[0]]).start(
            "--tunnel.max_relays_or_exits", "0")
        shy.wait_joined()
        client = self.client(relays, "--build", "2")
        self.wait_circuits(client)
        self.assertEqual(metric(client, KNOWN), 3)
        self.assertEqual(metric(shy, "warren_directory_published"), 0)

    def test_circuits_survive_the_loss_of_a_relay(self):
        """What went through it ends within a minute, others take its place,
        and what is sent arrives."""
        echo = self.net.echo()
        relays = self.community(6)
        client = self.client(relays, "--build", "3")
        self.wait_circuits(client)
        victim = circuits(client)[0]["path"][1]["address"]
        self.assertTrue(through(client, victim))
        next(r for r in relays if r.endpoint == victim).kill()
        wait_for("circuits through it end",
                 lambda: not through(client, victim), 60)
        self.wait_circuits(client, 60)
        self.assertFalse(through(client, victim))
        self.assertGreaterEqual(len(circuits(client)), 2)
        for number in range(4):
            client.json("tunnel", "send", "--hops", 3, echo.endpoint,
                        f"after {number}")

    def test_a_killed_relay_is_noticed_at_once(self):
        """With traffic, as its host says that nobody is there: seconds
        before its silence tells."""
        echo = self.net.echo()
        relays = self.community(6)
        client = self.client(relays, "--build", "3")
        self.wait_circuits(client)
        with sending(client, echo.endpoint), Control(client) as control:
            for hop in (1, 0):
                self.wait_circuits(client, 60)
                path = circuits(client)[0]["path"]
                victim = path[hop]["address"]
                killed = time.monotonic()
                next(r for r in relays if r.endpoint == victim).kill()
                wait_for("no circuit goes through it", lambda victim=victim:
                         victim not in on_paths(control), 30, 0.005)
                took = time.monotonic() - killed
                print(f"hop {hop + 1}: noticed after {took:.3f} s")
                self.assertLess(took, 1.5)
        self.assertGreaterEqual(doubts(relays + [client]), 2)

    def test_reload_changes_pools_and_policy(self):
        echo = self.net.echo()
        files = [self.net.root / f"{name}.conf" for name in ("exit", "client")]
        files[0].write_text("[exit]\nbecome_exitnode = true\n")
        files[1].write_text("[tunnel]\nmin_circuits = 2\n")
        exit_node = self.net.add().start("--config", files[0])
        for _ in range(3):
            self.net.add([exit_node]).start()
        client = self.net.add([exit_node]).start("--config", files[1])
        client.wait_joined()
        self.assertEqual(metric(client, "warren_tunnel_circuits"), 0)

        files[1].write_text("[tunnel]\nmin_circuits = 3\nbuild = 2\n")
        client.send_signal(signal.SIGHUP)
        wait_for("three circuits", lambda: metric(client, READY) == 3, 20)
        self.assertEqual({c["hops"] for c in circuits(client)}, {2})
        send = ("tunnel", "send", "--hops", 2, echo.endpoint)
        self.assertEqual(client.json(*send, "x")["outcome"], "answered")

        files[0].write_text("[exit]\nbecome_exitnode = true\n"
                            "policy = reject *:4007, accept *\n")
        exit_node.send_signal(signal.SIGHUP)
        wait_for("it is loaded", lambda: "configuration loaded again" in
                 exit_node.log_text())
        refused = client.json(*send, "y", ok=(REFUSED,))
        self.assertEqual(refused["reason"], "policy")
        files[0].write_text("[exit]\nbecome_exitnode = true\n")
        exit_node.send_signal(signal.SIGHUP)
        wait_for("and again", lambda: exit_node.log_text().count(
            "configuration loaded again") == 2)
        self.assertEqual(client.json(*send, "z")["outcome"], "answered")

        files[1].write_text("[tunnel]\nmax_links = 7\n")
        client.send_signal(signal.SIGHUP)
        wait_for("the change is refused", lambda: "max_links" in
                 client.log_text(), 5)

    def test_bad_keys_stop_the_start(self):
        node = self.net.add().start()
        self.assertEqual(node.stop()[0], 0)
        (node.dir / "identity.key").chmod(0o644)
        node.start(wait=False)
        self.assertNotEqual(node.process.wait(20), 0)
        self.assertIn("others may read the private key", node.log_text())

    def test_shutdown_tells_neighbours(self):
        relays = self.community()
        client = self.client(relays, "--build", "3")
        self.wait_circuits(client)
        self.assertEqual(client.stop()[0], 0)
        for relay in relays:
            wait_for("its circuits end", lambda r=relay: metric(
                r, "warren_tunnel_transits") == 0, 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
