#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The package in python/ with real daemons: each example of its README.md is
taken out of it and run; streams both ways and from both sides; pip installs
it."""
import asyncio
import importlib.metadata
import importlib.util
import os
import pathlib
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

from scene import Scene, missing, run
from stage import PATIENCE, ROOT, bytes_of, wait_for

PACKAGE = ROOT.parent / "python"
sys.path.insert(0, str(PACKAGE))
import warren  # noqa: E402

SIZE = 8_000_000
EXAMPLES = dict(re.findall(r"^```python (\w+)\n(.*?)^```$",
                           (PACKAGE / "README.md").read_text(), re.S | re.M))


class Program:
    """An example that runs, and the lines that it has printed."""

    def __init__(self, test, node, name, *args):
        self.name = name
        self.lines = []
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-c", EXAMPLES[name], *args],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment(node), stdin=subprocess.DEVNULL)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        test.addCleanup(self.end)

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def line(self, pattern):
        """The first that is like that, as soon as it is there."""
        def look():
            for line in list(self.lines):
                if re.search(pattern, line):
                    return line
            if not self.thread.is_alive():
                raise AssertionError(f"{self.name} has ended: {self.lines}")
            return None
        return wait_for(f"{self.name} prints {pattern}, not {self.lines}",
                        look, PATIENCE)

    def end(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()


def environment(node):
    return {**os.environ, "PYTHONPATH": str(PACKAGE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "WARREN_NODE_CONTROL": str(node.dir / "control.sock")}


class Package(Scene):
    """Two daemons that the package talks to, in one network for all."""

    def setUp(self):
        super().setUp()
        self.site, self.port = self.web({"/": b"a page\n"})
        self.client, self.other = self.add(), self.add()

    def done(self, name, *args, node=None):
        done = run("/usr/bin/python3", "-c", EXAMPLES[name], *args,
                   env=environment(node or self.client))
        self.assertEqual((done.returncode, done.stderr), (0, b""), name)
        return done.stdout.decode()

    def test_package(self):
        left = set(EXAMPLES)
        for name in ("call", "dht", "events", "datagram", "send", "fetch",
                     "refused", "club", "server"):
            left.remove(name)
            with self.subTest(name):
                getattr(self, f"example_{name}")()
        self.assertEqual(left, set(), "examples that nobody runs")
        asyncio.run(asyncio.wait_for(self.streams(), 3 * PATIENCE))
        for node in self.net.nodes:
            self.assertTrue(node.is_running())
        with self.subTest("a daemon that stops"):
            asyncio.run(asyncio.wait_for(self.daemon_stops(), PATIENCE))

    def example_call(self):
        self.assertRegex(self.done("call"),
                         r"^\d+\.\d+\.\d+ True\n\d+ relays are known\n$")

    def example_dht(self):
        announced, peers, value = self.done("dht").splitlines()
        self.assertRegex(announced, r"^announced on [1-9]\d* nodes$")
        self.assertIn(f"{self.client.address}:4000", peers)
        self.assertEqual(value, "b'a value'")

    def example_events(self):
        self.assertIn("CircuitEvent(event='ready', ", self.done("events"))

    def example_datagram(self):
        self.echo = self.net.echo()
        ready, answer = self.done("datagram",
                                  self.echo.endpoint).splitlines()
        self.assertRegex(ready, r"^ready: \d\.\d$")
        self.assertTrue(answer.startswith(
            f"{self.echo.endpoint}: hello from {self.exit.address}:"), answer)

    def example_send(self):
        self.assertTrue(self.done("send", self.echo.endpoint).startswith(
            f"{self.echo.endpoint}: hello from {self.exit.address}:"))

    def example_fetch(self):
        page = self.done("fetch", f"web.example:{self.port}")
        self.assertTrue(page.endswith("\na page\n"), page)
        self.assertEqual({a for a, _ in self.site.seen}, {self.exit.address})

    def example_refused(self):
        self.assertIn(": refused (", self.done("refused", f"{self.host}:1"))

    def example_club(self):
        """Two programs, each with a daemon of its own."""
        programs = [Program(self, node, "club", "chess club")
                    for node in (self.client, self.other)]
        for program in programs:
            program.line(r"^found p\d+\.peer\.warren$")
            program.line(r"^p\d+\.peer\.warren says: my message to this peer$")
        for program in programs:
            self.assertEqual(program.process.wait(PATIENCE), 0, program.lines)

    def example_server(self):
        """Visited by the package, and by curl through a proxy."""
        server = Program(self, self.client, "server")
        address = server.line(r"^[a-z2-7]{56}\.warren$")
        visitor, (host, port) = self.proxy()
        wait_for("the service can be reached", lambda: self.client.json(
            "service", "show", "python")["published"], PATIENCE, 0.3)
        self.assertTrue(self.done("fetch", f"{address}:80", node=visitor)
                        .endswith("hello from a hidden service\n"))
        if not missing("curl"):
            done = run("curl", "-sS", "--max-time", PATIENCE,
                       "--socks5-hostname", f"{host}:{port}",
                       f"http://{address}/")
            self.assertEqual(done.stdout, b"hello from a hidden service\n",
                             done.stderr)

    # ---- Much, and ends that are not good ones -----------------------------

    async def streams(self):
        async with warren.open(data_dir=self.client.dir) as a, \
                warren.open(data_dir=self.other.dir) as b:
            with self.subTest("a download through an exit"):
                await self.download(a)
            with self.subTest("a program that does not read"):
                await self.slow_reader(a)
            with self.subTest("a page by TLS"):
                await self.tls(a)
            with self.subTest("a server that resets"):
                await self.reset_by_server(a)
            with self.subTest("streams of peers"):
                await self.peers(a, b)

    async def download(self, node):
        body = bytes_of("python", SIZE)
        _, port = self.web({"/": body})
        reader, writer = await node.open_connection(
            f"web.example:{port}", hops=3, isolation="download")
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        self.assertTrue(await reader.read() == body)
        writer.close()
        await writer.wait_closed()

    async def slow_reader(self, node):
        """The server is kept from sending on, and nothing is lost."""
        block = bytes_of("slow", 100_000)
        sent = [0]

        def talk(_, s):
            for _ in range(1000):
                s.sendall(block)
                sent[0] += len(block)
        server = self.server(talk)
        reader, writer = await node.open_connection(
            f"{self.host}:{server.server_address[1]}")
        before = -1
        while before != sent[0] or not sent[0]:
            before = sent[0]
            await asyncio.sleep(0.5)
        self.assertLess(len(reader._buffer), 500_000)
        print(f"{sent[0]} bytes were sent to a program that does not read",
              flush=True)
        self.assertLess(sent[0], 60_000_000)
        for _ in range(100):
            self.assertTrue(await reader.readexactly(len(block)) == block)
        writer.transport.abort()

    async def tls(self, node):
        if missing("openssl"):
            return
        key, cert = self.net.root / "key.pem", self.net.root / "cert.pem"
        done = run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                   "-out", cert, "-days", "2", "-subj", "/CN=web.example",
                   "-addext", "subjectAltName=DNS:web.example")
        self.assertEqual(done.returncode, 0, done.stderr)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        body = bytes_of("tls", 1_000_000)
        site, port = self.web({"/": body})
        site.socket = context.wrap_socket(site.socket, server_side=True)
        trust = ssl.create_default_context(cafile=cert)
        reader, writer = await node.open_connection(
            f"web.example:{port}", ssl=trust)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        self.assertTrue(await reader.readexactly(len(body)) == body)
        writer.close()
        with self.assertRaises(ssl.SSLCertVerificationError):
            await node.open_connection(f"{self.host}:{port}", ssl=trust)

    async def reset_by_server(self, node):
        """It has said that much more would come."""
        def talk(_, s):
            s.recv(100)
            s.sendall(b"the beginning")
            s.recv(100)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
            s.close()
        server = self.server(talk)
        reader, writer = await node.open_connection(
            f"{self.host}:{server.server_address[1]}")
        writer.write(b"x")
        self.assertEqual(await reader.readexactly(13), b"the beginning")
        writer.write(b"x")
        with self.assertRaises(warren.StreamError) as caught:
            await reader.read()
        print(f"reset by the server: {caught.exception}", flush=True)
        with self.assertRaises(ConnectionError):
            await writer.drain()
            await writer.wait_closed()

    async def peers(self, a, b):
        """Members of a string: an echo, a half-close, a reset, a refusal."""
        ended = asyncio.get_running_loop().create_future()

        async def echo(reader, writer):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

        async def watch(reader, writer):
            try:
                ended.set_result(await reader.read())
            except warren.StreamError as error:
                ended.set_result(error)
            writer.close()
        mine = await a.register_service("a string of the test", hops=1)
        theirs = await b.register_service("a string of the test", hops=1)
        await mine.start_server(echo, 80)
        await mine.start_server(watch, 81)
        with self.assertRaises(warren.WarrenError) as caught:
            await mine.start_server(echo, 80)
        self.assertEqual(caught.exception.code, "in_use")
        peer = await theirs.wait_peer()
        await mine.wait_peer()
        self.assertEqual(len(peer.key), 64)
        # Another registration of the same daemon has who is there at once.
        async with await a.register_service("a string of the test") as same:
            self.assertEqual([p.name for p in same.peers],
                             [p.name for p in mine.peers])

        reader, writer = await b.open_connection(peer.at(80))
        data = bytes_of("peers", 1_000_000)

        async def write():
            for at in range(0, len(data), 50_000):
                writer.write(data[at:at + 50_000])
                await writer.drain()
            writer.write_eof()
        writing = asyncio.ensure_future(write())
        self.assertTrue(await reader.read() == data)
        await writing
        writer.close()
        await writer.wait_closed()

        _, writer = await b.open_connection(peer.at(81))
        writer.write(b"abc")
        await writer.drain()
        writer.transport.abort()
        self.assertIsInstance(await ended, warren.StreamError)
        with self.assertRaises(warren.StreamError) as caught:
            await b.open_connection(peer.at(82))
        self.assertEqual(caught.exception.code, "refused")
        await mine.close()
        await theirs.close()


    @staticmethod
    async def all_events(node):
        """A daemon has some to tell until its end, and while it ends."""
        async for _ in node.events():
            pass

    async def daemon_stops(self):
        """Nothing that runs looks as if it had ended well."""
        server = self.server(lambda _, s: s.recv(100))
        async with warren.open(data_dir=self.other.dir) as node:
            reader, writer = await node.open_connection(
                f"{self.host}:{server.server_address[1]}")
            service = await node.register_service("another string")
            waits = [asyncio.ensure_future(w) for w in (
                reader.read(), service.wait_peer(), service.wait_closed(),
                self.all_events(node), writer.wait_closed())]
            await node.status()
            await asyncio.get_running_loop().run_in_executor(
                None, self.other.stop)
            for waiting in waits:
                with self.assertRaises(warren.Disconnected) as caught:
                    await waiting
                self.assertIn("the daemon stops", caught.exception.text)


class Install(unittest.TestCase):
    def setUp(self):
        for name in "venv", "pip", "setuptools", "msgpack":
            if importlib.util.find_spec(name) is None:
                print(f"skipped: there is no {name} here", flush=True)
                self.skipTest(f"no {name}")
        version = int(importlib.metadata.version("setuptools").split(".")[0])
        if version < 61:
            print(f"skipped: setuptools {version} reads no pyproject.toml",
                  flush=True)
            self.skipTest("an old setuptools")
        if version < 71 and importlib.util.find_spec("wheel") is None:
            print("skipped: there is no wheel here", flush=True)
            self.skipTest("no wheel")

    def test_pip_installs_it_from_the_tree(self):
        """Into an environment of its own, without a network."""
        with tempfile.TemporaryDirectory(prefix="warren-") as name:
            root = pathlib.Path(name)
            tree = shutil.copytree(PACKAGE, root / "python")
            self.done(sys.executable, "-m", "venv", "--without-pip",
                      "--system-site-packages", root / "venv")
            python = root / "venv/bin/python"
            self.done(sys.executable, "-m", "pip", "--python", python,
                      "install", "--no-index", "--no-build-isolation", tree)
            found = self.done(python, "-I", "-c",
                              "import warren; print(warren.__file__, "
                              "warren.__version__)", cwd="/")
            where, version = found.decode().split()
            where = pathlib.Path(where).parent
            self.assertIn(root / "venv", where.parents)
            self.assertTrue((where / "py.typed").exists())
            self.assertEqual(version, re.search(
                r'^version = "(.*)"$', (PACKAGE / "pyproject.toml").read_text(),
                re.M)[1])

    def done(self, *args, **more):
        done = run(*args, timeout=2 * PATIENCE, **more)
        self.assertEqual(done.returncode, 0, (done.stdout, done.stderr))
        return done.stdout


if __name__ == "__main__":
    unittest.main()
