#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What leaves the machine of a client while programs use its proxy: datagrams
of the DHT and the tunnels, from the daemon's one port to relays, and nothing
else. Neither a name server nor a destination sees a packet of it.

The machine is a network namespace, and every packet on its cable is recorded.
torsocks is tried here, as it lets nobody connect to loopback, and so is the
resolver as that of the whole machine. Needs root and
iproute2, and says so where they are missing.
"""
import os
import pathlib
import sys
import unittest

from page import block, blocks
from scene import missing
from stage import PATIENCE
from test_socks_datagrams import Association
from watched import LEAF, NAMES, PROXY, RESOLVER, WEB, Watched


class Leaks(Watched):
    def test_only_datagrams_of_tunnels_leave(self):
        if missing("curl"):
            self.skipTest("no curl")
        recorder = self.record()
        url = "http://web.example/"
        self.assertEqual(self.done("curl", "-sS", "--socks5-hostname", PROXY,
                                   url), "a page\n")
        self.assertEqual(self.done("curl", "-sS", "-p", "-x",
                                   f"http://{PROXY}", url), "a page\n")
        self.leaf.run("curl", "-sS", "--socks5-hostname", PROXY,
                      "http://no.example/", timeout=PATIENCE)
        if not missing("torsocks"):
            self.assertEqual(self.done("sh", "-e", "-c", block("torsocks")),
                             "a page\n")
        if not missing("tor-resolve"):
            self.assertEqual(self.done("tor-resolve", "web.example",
                                       PROXY).strip(), WEB)
        if not missing("proxychains4"):
            config = self.root / "proxychains.conf"
            config.write_text("strict_chain\nproxy_dns\nquiet_mode\n"
                              "[ProxyList]\nsocks5 127.0.0.1 1080\n")
            self.assertEqual(self.done("proxychains4", "-f", config, "curl",
                                       "-sS", url), "a page\n")
        self.assert_only_tunnels(recorder.stop())
        # Somebody saw it all, and it was not the client.
        self.assertIn("web.example", self.dns.asked)
        self.assertIn("no.example", self.dns.asked)
        self.assertNotIn(LEAF, {a for a, _ in self.web.seen})

    def page_resolver(self):
        """The machine has the name server of docs/applications.md."""
        _, text = next(b for b in blocks("names") if b[0] == "ini")
        self.assertEqual(text, f"[dns]\nlisten = {RESOLVER}\n")
        self.leaf.resolv("127.0.0.1")
        place = pathlib.Path("/etc/netns") / self.leaf.name / "resolv.conf"
        place.write_text(block("names", "text"))

    def test_names_of_the_machine_and_datagrams(self):
        self.page_resolver()
        recorder = self.record()
        script = block("names").replace("192.0.2.1", WEB)
        lines = self.done("sh", "-e", "-c", script).splitlines()
        self.assertEqual({x.split()[0] for x in lines}, {WEB}, lines)
        self.assertEqual(lines[-1].split()[1], "web.example")
        for name, code in (("a.warren", 2), ("no.example", 2),
                           ("none.example", 2)):
            done = self.leaf.run("getent", "ahostsv4", name, timeout=PATIENCE)
            self.assertEqual(done.returncode, code, (name, done.stderr))
        self.assertEqual(self.done("getent", "ahostsv4", "localhost").split()[
            0], "127.0.0.1")
        if not missing("dig"):
            self.assertEqual(self.done("dig", "+short", "web.example"),
                             WEB + "\n")
            self.assertIn("status: NOTIMP", self.done("dig", "web.example",
                                                      "MX"))
            self.assertIn("status: NXDOMAIN", self.done("dig", "no.example"))
        # A program by name: it is the address that goes to the proxy.
        if not missing("curl"):
            self.assertEqual(self.done("curl", "-sS", "--socks5", PROXY,
                                       "http://web.example/"), "a page\n")
        self.datagrams()
        self.assert_only_tunnels(recorder.stop())
        self.assertIn("example.org", self.dns.asked)
        self.assertNotIn("a.warren", self.dns.asked)

    def datagrams(self):
        a = self.leaf.within(lambda: Association(("127.0.0.1", 1080)))
        self.assertTrue(a.ask(WEB, 7, b"by address"))
        self.assertTrue(a.ask("web.example", 7, b"by name"))
        a.send("no.example", 7, b"x")
        a.send("a.onion", 7, b"x")
        a.close()  # of two of one key the first may get the other's answers
        self.assertEqual({s[0] for _, s in self.echo.seen}, {"10.77.0.50"})

    def test_datagrams_of_unchanged_programs(self):
        """Whose every call socksify sends through the proxy."""
        if missing("socksify"):
            self.skipTest("no socksify (dante-client)")
        config = self.root / "socks.conf"
        config.write_text(block("udp", "text"))
        env = os.environ | {"SOCKS_CONF": str(config),
                            "SOCKS_AUTOADD_LANROUTES": "no"}
        recorder = self.record()
        if not missing("nc"):
            self.assertEqual(self.done("socksify", "nc", "-u", "-W", "1", WEB,
                                       "7", input="from nc", env=env),
                             "echo from nc")
        self.assertEqual(self.done(
            "socksify", sys.executable, "-c",
            "import socket\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            f"s.settimeout({PATIENCE})\n"
            f"s.sendto(b'from Python', ('{WEB}', 7))\n"
            "print(*s.recvfrom(100))\n", env=env),
            f"b'echo from Python' ('{WEB}', 7)\n")
        if not missing("wget"):
            self.done("socksify", "wget", "-q", "-O", "page.html",
                      "http://example.org/", cwd=self.root, env=env)
            self.assertEqual((self.root / "page.html").read_text(), "a page\n")
        self.assert_only_tunnels(recorder.stop())
        self.assertNotIn(LEAF, {source[0] for _, source in self.echo.seen})

    def test_the_recorder_sees_a_leak(self):
        """A program that resolves by itself is seen: the test can fail."""
        if missing("curl"):
            self.skipTest("no curl")
        recorder = self.record()
        self.done("curl", "-sS", "--socks5", PROXY, "http://web.example/")
        self.assertIn((NAMES, 53), {(to, port) for _, to, _, port
                                    in recorder.stop()})


if __name__ == "__main__":
    unittest.main()
