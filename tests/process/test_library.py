#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""libwarren as others get it: installed, found by pkg-config and by CMake,
with nothing in it but what its header says; and the example sends through an
exit of a network of real daemons."""
import os
import pathlib
import re
import shlex
import socket
import socketserver
import subprocess
import tempfile
import threading
import unittest

from harness import PORT, Node, clean_environment, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WARREN_TEST_BUILD")
                     or ROOT / "build/debug")
CMAKE = os.environ.get("WARREN_TEST_CMAKE", "cmake")
CC = os.environ.get("WARREN_TEST_CC", "cc")
CFLAGS = os.environ.get("WARREN_TEST_CFLAGS", "-fsanitize=address,undefined")
NM = os.environ.get("WARREN_TEST_NM", "nm")
README = ROOT / "examples/README.md"
EXAMPLE = ROOT / "examples/send_through_exit.c"
PAGE = b"<p>a page of this size</p>\n" * 5000


def run(*command, **kwargs):
    done = subprocess.run([str(c) for c in command], capture_output=True,
                          text=True, timeout=240, check=False, **kwargs)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with "
                             f"{done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def symbols(*arguments):
    """Names that nm shows as defined and global."""
    names = set()
    for line in run(NM, *arguments).splitlines():
        words = line.split()
        if len(words) == 3 and words[1].isupper():
            names.add(words[2].split("@")[0])
    return names


def declared():
    text = "".join(h.read_text() for h in (ROOT / "include").glob("*.h"))
    return set(re.findall(r"^WARREN_API [^;(]*?(warren_\w+)\(", text, re.M))


class Echo(threading.Thread):
    """A UDP server that answers, and notes who asked."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.endpoint = f"{address}:{self.socket.getsockname()[1]}"
        self.askers = []
        self.start()

    def run(self):
        while True:
            data, source = self.socket.recvfrom(65536)
            self.askers.append(source[0])
            self.socket.sendto(data, source)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="warren-install-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.root = pathlib.Path(cls.folder.name)
        cls.prefix = cls.root / "prefix"
        run(CMAKE, "--install", BUILD, "--prefix", cls.prefix)
        cls.pc = next(cls.prefix.rglob("warren.pc"))
        cls.lib = cls.pc.parent.parent
        cls.env = {**clean_environment(), "CC": CC, "CFLAGS": CFLAGS,
                   "PKG_CONFIG_PATH": str(cls.pc.parent),
                   "LD_LIBRARY_PATH": str(cls.lib)}

    def says_what_is_wrong(self, program):
        """It runs, as far as a configuration with a mistake lets it."""
        bad = self.root / "bad.ini"
        bad.write_text("[node]\nlisten = nowhere\n")
        done = subprocess.run([program, bad], env=self.env, text=True,
                              capture_output=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("bad.ini:2: listen is 'nowhere'", done.stderr)

    def test_symbols(self):
        expected = declared()
        self.assertGreater(len(expected), 10)
        shared = symbols("-D", "--defined-only", self.lib / "libwarren.so")
        self.assertEqual(shared, expected)
        static = symbols("--defined-only", self.lib / "libwarren.a")
        ours = {s for s in static if not s.startswith(("__asan", "__odr_asan"))}
        self.assertEqual(ours, expected)

    def test_header_is_cxx_too(self):
        run("c++", "-std=c++11", "-fsyntax-only", "-Wall", "-Wextra",
            "-Wpedantic", "-Werror", "-x", "c++",
            self.prefix / "include/warren.h")

    def test_line_of_the_readme(self):
        line = next(line.strip() for line in README.read_text().splitlines()
                    if line.strip().startswith("cc "))
        self.assertIn("pkg-config", line)
        (self.root / EXAMPLE.name).write_text(EXAMPLE.read_text())
        line = line.replace("cc ", shlex.join([CC, *shlex.split(CFLAGS)])
                            + " ", 1)
        run("sh", "-c", line, cwd=self.root, env=self.env)
        self.says_what_is_wrong(self.root / "send_through_exit")

    def test_static(self):
        flags = run("pkg-config", "--cflags", "warren", env=self.env)
        libs = run("pkg-config", "--static", "--libs-only-l", "warren",
                   env=self.env)
        program = self.root / "static"
        run(CC, *shlex.split(CFLAGS), *shlex.split(flags), EXAMPLE,
            self.lib / "libwarren.a",
            *[f for f in shlex.split(libs) if f != "-lwarren"], "-o", program)
        self.says_what_is_wrong(program)

    def test_cmake_package(self):
        project = self.root / "project"
        project.mkdir()
        (project / "main.c").write_text(EXAMPLE.read_text())
        (project / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\n"
            "project(user C)\n"
            "find_package(warren 0.1 REQUIRED)\n"
            "foreach(kind warren warren_static)\n"
            "  add_executable(with_${kind} main.c)\n"
            "  target_link_libraries(with_${kind} warren::${kind})\n"
            "endforeach()\n")
        run(CMAKE, "-G", "Ninja", "-S", project, "-B", project / "build",
            f"-DCMAKE_PREFIX_PATH={self.prefix}", env=self.env)
        run(CMAKE, "--build", project / "build", env=self.env)
        for kind in "warren", "warren_static":
            self.says_what_is_wrong(project / "build" / f"with_{kind}")


class Services(unittest.TestCase):
    """Two programs that register one string, in a network without an exit."""
    RELAYS = 5

    def start_network(self, root):
        nodes = []
        for i in range(self.RELAYS):
            node = Node(root / f"relay{i}", f"127.61.1.{i + 1}",
                        [n.endpoint for n in nodes[:1]])
            self.addCleanup(node.kill)
            node.start()
            nodes.append(node)
        return nodes[0]

    def start_program(self, root, number, first):
        config = root / f"program{number}.ini"
        config.write_text(
            f"[node]\ndata_dir = {root}/program{number}\n"
            f"listen = 127.61.1.{number + 100}:{PORT}\n"
            "testing_network = true\n"
            f"[dht]\nbootstrap = {first.endpoint}\n"
            "[tunnel]\nmax_relays_or_exits = 0\n")
        out = (root / f"program{number}.out").open("w+")
        self.addCleanup(out.close)
        program = subprocess.Popen(
            [BUILD / "examples/register_service", config], stdout=out,
            stderr=subprocess.DEVNULL, env=clean_environment())
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        return pathlib.Path(out.name)

    def test_they_find_each_other(self):
        said = re.compile(r"^p\d+\.peer\.warren says: my message to this peer$",
                          re.M)
        with tempfile.TemporaryDirectory(prefix="warren-example-") as folder:
            root = pathlib.Path(folder)
            first = self.start_network(root)
            outputs = [self.start_program(root, i, first) for i in range(2)]
            for out in outputs:
                wait_for("each hears the other",
                         lambda o=out: said.search(o.read_text()), 90, 0.1)
            for out in outputs:
                self.assertEqual(out.read_text().count("found p"), 1)
            self.doCleanups()

    def test_four_hops_are_refused(self):
        with tempfile.TemporaryDirectory(prefix="warren-example-") as folder:
            done = subprocess.run(
                [BUILD / "examples/register_service", self.alone(folder), "4"],
                capture_output=True, text=True, timeout=30, check=False,
                env=clean_environment())
        self.assertEqual(done.returncode, 1)
        self.assertIn("hops must be 1 to 3", done.stderr)

    @staticmethod
    def alone(folder):
        config = pathlib.Path(folder) / "alone.ini"
        config.write_text(f"[node]\ndata_dir = {folder}/alone\n"
                          f"listen = 127.61.1.200:{PORT}\n")
        return config


class Magnet(unittest.TestCase):
    """The example finds the peers of a magnet link in the mainline DHT."""
    LINK = "magnet:?dn=x&xt=urn:btih:" + "5a" * 20

    def magnet(self, config, link):
        return subprocess.run(
            [BUILD / "examples/magnet", config, config.parent / "own", link],
            capture_output=True, text=True, timeout=120, check=False,
            env=clean_environment())

    def test_finds_peers(self):
        with tempfile.TemporaryDirectory(prefix="warren-example-") as folder:
            root = pathlib.Path(folder)
            nodes = [Node(root / f"n{i}", f"127.61.4.{i + 1}")
                     for i in range(3)]
            for node in nodes:
                self.addCleanup(node.kill)
                node.start("--mainline.enabled", "yes",
                           "--mainline.bootstrap", nodes[0].endpoint)
            wait_for("it is announced", lambda: nodes[1].cli(
                "dht", "announce", "--mainline", "--port", 4000,
                self.LINK).returncode == 0, 60)
            config = root / "client.ini"
            config.write_text(
                f"[node]\ndata_dir = {root}/client\n"
                f"listen = 127.61.4.100:{PORT}\ntesting_network = true\n"
                "[tunnel]\nmax_relays_or_exits = 0\n"
                f"[mainline]\nbootstrap = {nodes[0].endpoint}\n")
            done = self.magnet(config, self.LINK)
            self.assertEqual((done.returncode, done.stdout),
                             (0, "127.61.4.2 4000\n"), done.stderr)
            # What it knows is in its own place, and in no daemon's.
            self.assertTrue((root / "own/identity.key").exists())
            self.assertFalse((root / "client").exists())
            done = self.magnet(config, "magnet:?dn=x")
            self.assertEqual(done.returncode, 2)
            self.assertIn("no magnet link", done.stderr)


class Page(socketserver.StreamRequestHandler):
    """A web server with one page."""

    def handle(self):
        self.server.asked.append((self.client_address[0],
                                  self.rfile.readline()))
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + PAGE)


class Fetching(unittest.TestCase):
    """The example fetches a page through an exit, and from a service."""

    def web_server(self, address):
        server = socketserver.TCPServer((address, 0), Page)
        server.asked = []
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, args=(0.05,),
                         daemon=True).start()
        return server, "%s:%d" % server.server_address

    def start_network(self, root, web):
        exit_node = Node(root / "exit", "127.61.2.1")
        others = [Node(root / f"relay{i}", f"127.61.2.{i + 2}",
                       [exit_node.endpoint]) for i in range(5)]
        for node in [exit_node, *others]:
            self.addCleanup(node.kill)
        exit_node.start("--exit.become_exitnode", "yes", "--exit.tcp_policy",
                        "accept *:*")
        section = root / "service.ini"
        section.write_text(f"[service web]\nport = 80 tcp {web}\n")
        for node in others[:-1]:
            node.start()
        others[-1].start("--config", section)
        return exit_node, others[-1]

    def fetch(self, root, *args):
        return subprocess.run(
            [BUILD / "examples/fetch", root / "client.ini", *args],
            capture_output=True, timeout=120, check=False,
            env=clean_environment())

    def test_fetches_pages(self):
        server, web = self.web_server("127.61.3.1")
        with tempfile.TemporaryDirectory(prefix="warren-example-") as folder:
            root = pathlib.Path(folder)
            exit_node, host = self.start_network(root, web)
            (root / "client.ini").write_text(
                f"[node]\ndata_dir = {root}/client\n"
                f"listen = 127.61.2.100:{PORT}\ntesting_network = true\n"
                f"[dht]\nbootstrap = {exit_node.endpoint}\n"
                "[tunnel]\nmax_relays_or_exits = 0\n")
            wait_for("the service can be found", lambda: host.json(
                "service", "show", "web")["published"], 90)
            address = host.json("service", "show", "web")["address"]
            for to in web, address + ":80":
                with self.subTest(to=to):
                    done = self.fetch(root, to, "a/page")
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(done.stdout,
                                     b"HTTP/1.0 200 OK\r\n\r\n" + PAGE)
            done = self.fetch(root, web.split(":", maxsplit=1)[0] + ":1")
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"refused by the exit: ", done.stderr)
            self.assertEqual(self.fetch(root, "nowhere").returncode, 1)
            self.doCleanups()
        self.assertEqual([line for _, line in server.asked],
                         [b"GET /a/page HTTP/1.0\r\n"] * 2)
        self.assertEqual([source for source, _ in server.asked],
                         [exit_node.address, "127.0.0.1"])


class Example(unittest.TestCase):
    def test_sends_through_the_exit(self):
        echo = Echo("127.61.1.1")
        with tempfile.TemporaryDirectory(prefix="warren-example-") as folder:
            root = pathlib.Path(folder)
            exit_node = Node(root / "exit", "127.61.0.1")
            others = [Node(root / f"relay{i}", f"127.61.0.{i + 2}",
                           [exit_node.endpoint]) for i in range(3)]
            for node in [exit_node, *others]:
                self.addCleanup(node.kill)
            exit_node.start("--exit.become_exitnode", "true")
            for node in others:
                node.start()
            config = root / "client.ini"
            config.write_text(
                f"[node]\ndata_dir = {root}/client\n"
                f"listen = 127.61.0.100:{PORT}\ntesting_network = true\n"
                f"[dht]\nbootstrap = {exit_node.endpoint}\n"
                "[tunnel]\nmax_relays_or_exits = 0\n")
            out = run(BUILD / "examples/send_through_exit", config,
                      echo.endpoint, env=clean_environment())
            wrong = run(BUILD / "examples/send_through_exit", config,
                        "nowhere", env=clean_environment())
            wait_for("the echo server noted it", lambda: echo.askers)
        self.assertRegex(out, r"sent over circuit \d+: success\n")
        self.assertRegex(wrong, r"sent over circuit \d+: an argument is not")
        self.assertRegex(out, r"answer over circuit \d+: 1\n")
        self.assertEqual(set(echo.askers), {exit_node.address})


if __name__ == "__main__":
    unittest.main()
