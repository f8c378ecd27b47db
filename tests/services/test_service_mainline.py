#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A network that meets in the mainline DHT: none of its nodes knows another.

The mainline DHT here is of daemons of another network, which neither relay nor
are spoken to in anything but bencode.
"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "process"))
from harness import USAGE, ProcessTest, wait_for, warren
from test_service_daemon import CLIENT, PATIENCE, Server

STRANGERS = 5
NODES = 12  # ten relays, of them two exits; one that serves; a client
LONG = 2 * PATIENCE  # all of the well-known keys are to be looked up


class Mainline(ProcessTest):
    def add(self, *flags, config=""):
        node = self.net.add()
        if config:
            path = str(node.dir) + ".ini"
            pathlib.Path(path).write_text(config, encoding="utf-8")
            flags += ("--config", path)
        return node.start("--mainline.enabled", "true", *self.through, *flags,
                          wait=False)

    def setUp(self):
        super().setUp()
        self.through = ()
        first = self.stranger()
        self.through = ("--mainline.bootstrap", first.endpoint)
        self.strangers = [first] + [self.stranger()
                                    for _ in range(STRANGERS - 1)]
        for node in self.strangers:
            node.wait_ready()
            self.wait_in_mainline(node)

    def stranger(self):
        return self.add("--node.network", "strangers", *CLIENT)

    def wait_in_mainline(self, node):
        wait_for(f"{node.endpoint} is in the mainline DHT",
                 lambda: node.status()["mainline"]["joined"], PATIENCE, 0.2)

    @staticmethod
    def is_published(node):
        """Its key and its descriptor are in the mainline DHT."""
        if not node.is_ready():
            return False
        published = node.status()["mainline"]["published"]
        return published["stored"] + published["found"] >= 2

    def check_strangers(self):
        """They have heard nothing but the DHT, and know no node of ours."""
        for node in self.strangers:
            self.assertFalse(node.status()["dht"]["joined"], node.endpoint)
            self.assertEqual(node.json("peers")["peers"], [])

    def meet(self, provider):
        flags = ("--tunnel.dht_provider", provider)
        relays = [self.add(*flags, "--exit.become_exitnode",
                           "true" if i < 2 else "false")
                  for i in range(NODES - 2)]
        for node in relays:
            wait_for(f"{node.endpoint} is published",
                     lambda: self.is_published(node), PATIENCE, 0.3)
        server = Server(self.net.prefix + ".201")
        host = self.add(*flags,
                        config=f"[service web]\nport = 9 udp "
                               f"{server.endpoint}\n")
        client = self.add(*flags, *CLIENT, "--build", "3")
        host.wait_ready()
        client.wait_ready()
        wait_for("circuits are built", lambda: [
            c for c in client.json("circuits")["circuits"]
            if c["state"] == "ready"], LONG, 0.5)
        self.assertEqual(client.status()["tunnels"]["dht_provider"], provider)
        address = wait_for("the service can be reached", lambda: next(
            (s["address"] for s in host.json("service", "list")["services"]
             if s["name"] == "web" and s["state"] == "fine"), None), LONG, 0.5)
        answer = client.json("service", "send", f"{address}:9", "hello",
                             "--timeout", f"{LONG}s")
        self.assertEqual(answer["data"], "echo hello")
        # Relays are nodes of our own DHT, which was joined through them.
        client.wait_joined()
        self.check_strangers()

    def test_a_service_is_reached_without_a_node_to_begin_with(self):
        self.meet("mainline")

    def test_in_both_it_is_reached_too(self):
        self.meet("both")


class Provider(unittest.TestCase):
    def test_without_the_mainline_dht_it_is_refused(self):
        done = warren("run", "--data-dir", "/tmp/unused",
                      "--tunnel.dht_provider", "both")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("enabled = true in [mainline]", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
