#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/applications.md does what it says: its command lines are taken out of it
and run, with the addresses of a network of ours put in the place of its own;
its table of errors is that of the source."""
import importlib.util
import re
import ssl
import sys
import unittest

from page import PAGE, block, blocks
from scene import Scene, git_repository, missing, run
from stage import PATIENCE, ROOT, UdpEcho, echo, wait_for

SOURCE = ROOT.parent / "src"
MADE = re.compile(r"(<!-- made from: socks_code.c -->\n)(.*?)(<!-- end -->)",
                  re.S)


def errors():
    """The table of reasons, from the source."""
    def read(path):
        return (SOURCE / path).read_text()
    texts = dict((name, (short, text)) for name, short, text in re.findall(
        r'\[(REASON_\w+)\] = \{"(\w+)",\s*"([^"]*)"\}',
        read("tunnel/link/reason.c")))
    numbers = dict(re.findall(r"(SOCKS5_\w+) = (\d+)",
                              read("node/socks/socks_code.h")))
    code = read("node/socks/socks_code.c")
    words = dict(re.findall(r'#define (\w+)\s+"([^"]*)"', code))
    out = "| reason | SOCKS5 | HTTP | means |\n|---|---|---|---|\n"
    for reason, number, status in re.findall(
            r"\[(REASON_\w+)\] = \{(\w+), (\w+)\}", code):
        short, text = texts[reason]
        out += f"| `{short}` | {numbers[number]} | {words[status]} | {text} |\n"
    return out


class Table(unittest.TestCase):
    def test_errors(self):
        self.maxDiff = None
        table = MADE.search(PAGE.read_text())[2]
        self.assertGreater(table.count("\n"), 20)
        self.assertEqual(table, errors(),
                         "run tests/streams/test_applications.py --write")

    def test_each_block_is_run(self):
        """By a test here, in test_stream_leaks.py, test_stream_browser.py or
        test_exec.py."""
        named = set(re.findall(r"^```\w* ?(.*)$", PAGE.read_text(), re.M))
        self.assertEqual(named - {""}, set(RUN) | {
            "start", "service", "visit", "torsocks", "names", "browser",
            "exec"})


class Recipes(Scene):
    """The page says example.org, where this network has a name of its own,
    ports that anybody may have, and another directory."""

    def setUp(self):
        super().setUp()
        self.folder = self.net.root / "home"
        self.folder.mkdir()
        self.env = {"HOME": str(self.folder)}
        self.dns.names["example.org"] = [self.host]
        self.dns.reverse[self.host] = "example.org"
        self.echo = UdpEcho(self.host)
        self.closing.append(self.echo)
        self.site, self.port = self.web({"/": b"a page\n"},
                                        self.net.root / "files")

    def listening(self, words):
        """A client that was started as the page says."""
        start = block("start").split()
        self.assertEqual(start[:2], ["warren", "run"])
        flags = dict(zip(start[2::2], start[3::2]))
        self.assertEqual(flags, {"--bootstrap": "HOST:PORT",
                                 "--socks": "127.0.0.1:1080"})
        node, (host, port) = self.proxy()
        self.at = f"{host}:{port}"
        self.words = {"127.0.0.1:1080": self.at,
                      "127.0.0.1 1080": f"{host} {port}",
                      "127.0.0.1 port = 1080": f"{host} port = {port}",
                      '"127.0.0.1", 1080': f'"{host}", {port}',
                      "http://example.org/": f"http://example.org:{self.port}/"
                      } | words
        return node

    def put(self, text):
        for said, here in self.words.items():
            text = text.replace(said, here)
        return text

    def shell(self, name, **env):
        done = run("sh", "-e", "-c", self.put(block(name)), cwd=self.folder,
                   env=self.env | env, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, (name, done.stderr))
        return done.stdout

    def test_recipes(self):
        mirror = self.server(echo).server_address[1]
        there = self.echo.at[1]
        node = self.listening({
            "nc -u -w 5 example.org 7": f"nc -u -w 5 example.org {there}",
            "example.org 7": f"example.org {mirror}", "192.0.2.1": self.host,
            '"example.org", 7': f'"example.org", {there}'})
        for name in RUN:
            with self.subTest(name):
                getattr(self, name)()
        self.assertEqual({a for a, _ in self.site.seen}, {self.exit.address})
        self.assertTrue(node.is_running())

    def curl(self):
        if not missing("curl"):
            self.assertEqual(self.shell("curl"), 3 * b"a page\n")

    def wget(self):
        if missing("wget", "openssl"):
            return
        key, cert = self.folder / "key.pem", self.folder / "cert.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
            "-days", "2", "-subj", "/CN=example.org", "-addext",
            "subjectAltName=DNS:example.org")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        safe, port = self.web({"/": b"by TLS\n"})
        safe.socket = context.wrap_socket(safe.socket, server_side=True)
        trust = self.folder / "wgetrc"
        trust.write_text(f"ca_certificate = {cert}\n")
        self.words["https://example.org/"] = f"https://example.org:{port}/"
        self.shell("wget", WGETRC=str(trust))
        self.assertEqual((self.folder / "page.html").read_bytes(), b"by TLS\n")

    def git(self):
        git_repository(self.net.root, self.env)
        self.shell("git")
        self.assertEqual((self.folder / "project/file").read_text(),
                         "of a project\n")
        # What was set for always is what the next one uses.
        done = run("git", "clone", "-q",
                   f"http://example.org:{self.port}/project.git", "again",
                   cwd=self.folder, env=self.env)
        self.assertEqual(done.returncode, 0, done.stderr)

    def ssh(self):
        if missing("ssh", "nc", "ncat"):
            return
        port, config = self.sshd()
        base = config.read_text() + f"Port {port}\n"
        config.write_text(base)
        self.words["ssh -o"] = f"ssh -F {config} -o"
        self.assertIn(b"load average", self.shell("ssh"))
        config.write_text(self.put(block("ssh", "text")) + "Host *\n" + base)
        done = run("ssh", "-F", config, "example.org", "echo", "$SSH_CLIENT")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.split()[0].decode(), self.exit.address)

    def nc(self):
        if not missing("nc"):
            self.assertEqual(self.shell("nc"), b"hello\n")

    def proxychains(self):
        if missing("proxychains4", "wget"):
            return
        (self.folder / "proxychains.conf").write_text(
            self.put(block("proxychains", "text")))
        self.shell("proxychains")
        self.assertEqual((self.folder / "page.html").read_bytes(), b"a page\n")

    def resolve(self):
        if not missing("tor-resolve"):
            self.assertEqual(self.shell("resolve").split(),
                             [self.host.encode(), b"example.org"])

    def answered(self, what, ask):
        """Datagrams may get lost: it is asked until it is answered."""
        wait_for(what, lambda: b"hello" in ask(), PATIENCE)
        self.assertEqual({s[0] for _, s in self.echo.seen},
                         {self.exit.address})

    def udp(self):
        (self.folder / "socks.conf").write_text(self.put(block("udp", "text")))
        if not missing("socksify", "nc"):
            self.answered("socksify", lambda: self.shell("udp"))
        if importlib.util.find_spec("socks") is None:
            print("skipped: there is no PySocks (python3-socks)", flush=True)
            return
        script = self.put(block("udp", "python")).replace("timeout(60)",
                                                          "timeout(5)")
        self.answered("PySocks", lambda: run(
            sys.executable, "-c", script, env=self.env).stdout)

    def isolation(self):
        if not missing("curl"):
            self.assertEqual(self.shell("isolation"), 2 * b"a page\n")

    def test_service(self):
        """The configuration of the page is the node's; so is what it prints
        the address with."""
        _, text = next(b for b in blocks("service") if b[0] == "ini")
        text = text.replace("127.0.0.1:8080", f"{self.host}:{self.port}")
        node = self.add(text)
        wait_for("the service is published", lambda: node.json(
            "service", "show", "web")["published"], PATIENCE, 0.3)
        words = block("service").split()
        done = node.cli(*words[1:])
        self.assertEqual(done.returncode, 0, done.stderr)
        address = re.search(r"\b[a-z2-7]{56}\.warren\b", done.stdout)[0]
        self.listening({"ADDRESS.warren": address})
        if not missing("curl"):
            self.assertEqual(self.shell("visit"), b"a page\n")

    def test_configuration(self):
        """The proxy of the page's file listens at both, with its hops."""
        _, text = next(b for b in blocks("start") if b[0] == "ini")
        path = self.net.root / "page.ini"
        path.write_text(text)
        done = run(self.relays[0].binary, "config", "check", path)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)


RUN = ("curl", "wget", "git", "ssh", "nc", "proxychains", "resolve",
       "isolation", "udp")

if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(MADE.sub(lambda m: m[1] + errors() + m[3],
                                 PAGE.read_text()))
    else:
        unittest.main()
