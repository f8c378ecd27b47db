#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Programs that know nothing of warren, through its proxy: curl, wget, git,
PySocks, python-socks, nc, ncat, ssh, proxychains4, tor-resolve. A program that
is not installed is said and left out. (torsocks: test_stream_leaks.py.)"""
import asyncio
import socket
import unittest

from scene import Scene, missing, run
from stage import PATIENCE, bytes_of, echo

try:
    import socks
except ImportError:
    socks = None
    print("skipped: there is no PySocks (python3-socks)", flush=True)
try:
    import python_socks.async_.asyncio as python_socks
except ImportError:
    python_socks = None
    print("skipped: there is no python-socks (python3-python-socks)",
          flush=True)

BIG = 50_000_000


def end_of_file_first(server, s):
    """Answers when it has heard all, and only then."""
    heard = bytearray()
    while data := s.recv(65536):
        heard += data
    s.sendall(b"%d bytes, and then the end\n" % len(heard))
    s.shutdown(socket.SHUT_WR)


class Curl(Scene):
    def setUp(self):
        super().setUp()
        if missing("curl"):
            self.skipTest("no curl")
        self.node, (host, port) = self.proxy()
        self.at = f"{host}:{port}"
        self.site, port = self.web({"/": b"a page\n", "/big": bytes_of(7, BIG)})
        self.url = f"http://web.example:{port}"

    def curl(self, *args, code=0):
        done = run("curl", "-sS", "--max-time", PATIENCE, *args)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout

    def test_curl(self):
        with self.subTest("a name that the exit resolves"):
            self.assertEqual(self.curl("--socks5-hostname", self.at,
                                       self.url), b"a page\n")
            self.assertEqual(set(self.dns.asked), {"web.example"})
            # From the exit and nobody else.
            self.assertEqual({a for a, _ in self.site.seen},
                             {self.exit.address})
        with self.subTest("each way to name the proxy"):
            for more in (("-x", f"socks5h://{self.at}"),
                         ("-x", f"socks4a://{self.at}"),
                         ("-x", f"http://{self.at}", "-p")):
                self.assertEqual(self.curl(*more, self.url), b"a page\n")
            plain = self.curl("-x", f"http://{self.at}", "-o", "/dev/null",
                              "-w", "%{http_code}", self.url)
            self.assertEqual(plain, b"405")
        with self.subTest("a name that there is not"):
            self.curl("--socks5-hostname", self.at, "http://no.example/",
                      code=97)
            code = self.curl("-x", f"http://{self.at}", "-p", "-w",
                             "%{http_connect}", "http://no.example/", code=56)
            self.assertEqual(code, b"502")
        with self.subTest("refused by the only exit, and not after a while"):
            self.curl("--socks5-hostname", self.at, "--max-time", "30",
                      "http://192.168.7.7/", code=97)
            code = self.curl("-x", f"http://{self.at}", "-p", "-w",
                             "%{http_connect}", "--max-time", "30",
                             "http://192.168.7.7/", code=56)
            self.assertEqual(code, b"403")
        with self.subTest("isolation by user and password"):
            def circuits():
                return {c["id"] for c in
                        self.node.json("circuits")["circuits"]}
            self.curl("-x", f"socks5h://{self.at}", self.url)
            before = circuits()
            for who in ("a:1", "b:1"):
                self.curl("-x", f"socks5h://{self.at}", "--proxy-user", who,
                          self.url)
            after = circuits()
            self.assertGreaterEqual(len(after), 3, (before, after))
        with self.subTest("much, both ways"):
            big = self.net.root / "big"
            big.write_bytes(bytes_of(8, BIG))
            got = self.net.root / "got"
            self.curl("-x", f"socks5h://{self.at}", "-o", got,
                      f"{self.url}/big")
            self.assertTrue(got.read_bytes() == bytes_of(7, BIG))
            self.curl("-x", f"socks5h://{self.at}", "-T", big,
                      f"{self.url}/put")
            self.assertTrue(self.site.pages["/put"] == big.read_bytes())
            self.curl("-x", f"http://{self.at}", "-p", "-o", got,
                      f"{self.url}/big")
            self.assertTrue(got.read_bytes() == bytes_of(7, BIG))


class Others(Scene):
    """Small programs share one network."""

    def setUp(self):
        super().setUp()
        self.node, (self.proxy_host, self.proxy_port) = self.proxy()
        self.at = f"{self.proxy_host}:{self.proxy_port}"
        self.files = self.net.root / "files"
        self.files.mkdir()
        self.site, self.port = self.web({"/": b"a page\n"}, self.files)
        self.url = f"http://web.example:{self.port}/"

    def test_small_programs(self):
        for name in ("git", "wget", "pysocks", "nc", "ncat", "proxychains",
                     "tor_resolve", "hundreds"):
            with self.subTest(name):
                getattr(self, name)()
        self.assertTrue(self.node.is_running())

    def done(self, *args, **more):
        done = run(*args, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def git(self):
        """A clone of a repository of plain files."""
        origin, clone = self.files / "origin", self.net.root / "clone"
        user = ("-c", "user.name=a", "-c", "user.email=a@example")
        self.done("git", "init", "-q", origin)
        (origin / "file").write_bytes(bytes_of("git", 300_000))
        self.done("git", "-C", origin, "add", "file")
        self.done("git", *user, "-C", origin, "commit", "-q", "-m", "one")
        self.done("git", "-C", origin, "update-server-info")
        self.done("git", "-c", f"http.proxy=socks5h://{self.at}", "clone",
                  "-q", f"{self.url}origin/.git", clone)
        self.assertEqual((clone / "file").read_bytes(),
                         bytes_of("git", 300_000))

    def wget(self):
        """It has no SOCKS, and CONNECT for https only."""
        if missing("wget", "openssl"):
            return
        import ssl
        key, cert = self.net.root / "key.pem", self.net.root / "cert.pem"
        self.done("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                  "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                  cert, "-days", "2", "-subj", "/CN=web.example", "-addext",
                  "subjectAltName=DNS:web.example")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        safe, port = self.web({"/page": b"by TLS\n"})
        safe.socket = context.wrap_socket(safe.socket, server_side=True)
        self.assertEqual(self.done(
            "wget", "-qO-", "--tries=1", f"--ca-certificate={cert}",
            f"https://web.example:{port}/page",
            env={"https_proxy": f"http://{self.at}"}), b"by TLS\n")

    def pysocks(self):
        if socks is None:
            return
        mirror = self.server(echo)
        s = socks.socksocket()
        s.settimeout(PATIENCE)
        s.set_proxy(socks.SOCKS5, self.proxy_host, self.proxy_port, rdns=True,
                    username="u", password="p")
        s.connect(("web.example", mirror.server_address[1]))
        s.sendall(b"from PySocks")
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(s.recv(100), b"from PySocks")
        self.assertEqual(s.recv(100), b"")
        s.close()
        with self.assertRaises(socks.ProxyError) as caught:
            socks.create_connection(
                (self.host, 1), PATIENCE, proxy_type=socks.SOCKS5,
                proxy_addr=self.proxy_host, proxy_port=self.proxy_port)
        self.assertIn("0x05", str(caught.exception))

    def nc(self):
        if missing("nc") or b"OpenBSD" not in run("nc", "-h").stderr:
            print("skipped: nc is not OpenBSD's", flush=True)
            return
        server = self.server(end_of_file_first)
        for protocol in "5", "4", "connect":
            # Of SOCKS4, it takes addresses only.
            host = self.host if protocol == "4" else "web.example"
            self.assertEqual(self.done(
                "nc", "-N", "-X", protocol, "-x", self.at, host,
                server.server_address[1], data=bytes(300_000)),
                b"300000 bytes, and then the end\n", protocol)

    def ncat(self):
        if missing("ncat"):
            return
        server = self.server(end_of_file_first)
        for kind in "socks5", "http":
            self.assertEqual(self.done(
                "ncat", "--proxy", self.at, "--proxy-type", kind,
                "--proxy-dns", "remote", "web.example",
                server.server_address[1], data=bytes(300_000)),
                b"300000 bytes, and then the end\n", kind)

    def proxychains(self):
        if missing("proxychains4", "curl"):
            return
        config = self.net.root / "proxychains.conf"
        config.write_text(
            "strict_chain\nproxy_dns\nquiet_mode\n[ProxyList]\n"
            f"socks5 {self.proxy_host} {self.proxy_port}\n")
        self.assertEqual(self.done("proxychains4", "-f", config, "curl", "-sS",
                                   self.url), b"a page\n")

    def tor_resolve(self):
        if missing("tor-resolve"):
            return
        self.assertEqual(self.done("tor-resolve", "-5", "web.example",
                                   self.at).strip(), self.host.encode())
        self.assertEqual(self.done("tor-resolve", "-4", "web.example",
                                   self.at).strip(), self.host.encode())
        self.assertNotEqual(run("tor-resolve", "no.example",
                                self.at).returncode, 0)
        self.dns.reverse[self.host] = "web.example"
        self.assertEqual(self.done("tor-resolve", "-x", self.host,
                                   self.at).strip(), b"web.example")
        for address in self.exit.address, "169.254.169.254", "203.0.113.9":
            self.assertNotEqual(run("tor-resolve", "-x", address,
                                    self.at).returncode, 0)

    def hundreds(self):
        """python-socks, 300 at once, each with a key of one of four."""
        if python_socks is None:
            return
        mirror = self.server(echo)

        async def one(i):
            proxy = python_socks.Proxy.from_url(
                f"socks5://key{i % 4}:x@{self.at}", rdns=True)
            sock = await proxy.connect("web.example",
                                       mirror.server_address[1],
                                       timeout=PATIENCE)
            reader, writer = await asyncio.open_connection(sock=sock)
            writer.write(bytes_of(i, 20_000))
            writer.write_eof()
            got = await reader.read(-1)
            writer.close()
            return got == bytes_of(i, 20_000)

        async def all_of_them():
            return await asyncio.gather(*(one(i) for i in range(300)))
        self.assertEqual(asyncio.run(all_of_them()).count(True), 300)


class Ssh(Scene):
    def test_ssh(self):
        """A session, by nc and by ncat as ProxyCommand; and a copy."""
        port, config = self.sshd()
        _, (host, proxy) = self.proxy()
        ways = []
        if not missing("nc"):
            ways.append(f"nc -X 5 -x {host}:{proxy} %h %p")
        if not missing("ncat"):
            ways.append(f"ncat --proxy {host}:{proxy} --proxy-type socks5 "
                        "--proxy-dns remote %h %p")
        for way in ways:
            with self.subTest(way):
                ssh = ("ssh", "-F", config, "-o", f"ProxyCommand={way}", "-p",
                       port, "web.example")
                done = run(*ssh, "echo $SSH_CONNECTION")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(done.stdout.split()[0].decode(),
                                 self.exit.address)
                data = bytes_of("ssh", 5_000_000)
                done = run(*ssh, "cat", data=data)
                self.assertTrue(done.stdout == data, done.stderr)


if __name__ == "__main__":
    unittest.main()
