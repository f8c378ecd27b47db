# SPDX-License-Identifier: MIT
"""Starts real daemons, each on an address of its own in 127.0.0.0/8, and
talks to them: by the command line, over the control socket, over HTTP.

Used by the process tests and by the demo. Needs python3-msgpack.
"""
import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import msgpack

BINARY = os.environ.get("WARREN") or str(
    pathlib.Path(__file__).resolve().parents[2] / "build/debug/warren")
PORT = 7881
HTTP_PORT = 7882

# Exit codes, as src/cli/show/exit_code.h has them.
DONE, NEGATIVE, USAGE, NO_DAEMON, UNANSWERED, REFUSED, TROUBLE = range(7)


# Flags of a node that relays nothing, and so publishes nothing by itself.
NO_RELAY = ("--tunnel.max_relays_or_exits", "0")


class Failure(Exception):
    """Something did not happen that had to; the text says what."""


def wait_for(what, condition, timeout=10.0, step=0.02):
    """Waits until condition() is true, and returns what it returned."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Failure(f"not within {timeout:g} s: {what}")
        time.sleep(step)


def clean_environment():
    return {k: v for k, v in os.environ.items()
            if not k.startswith("WARREN_") and k != "COLUMNS"}


def warren(*args, timeout=60, binary=None, stdin=subprocess.DEVNULL):
    """Runs the command line; returns its CompletedProcess."""
    return subprocess.run([binary or BINARY, *map(str, args)],
                          capture_output=True, text=True, timeout=timeout,
                          stdin=stdin, env=clean_environment(), check=False)


class Node:
    """A daemon with a data directory, running or not."""

    def __init__(self, directory, address, bootstrap=(), binary=None):
        self.dir = pathlib.Path(directory)
        self.address = address
        self.endpoint = f"{address}:{PORT}"
        self.bootstrap = list(bootstrap)
        self.binary = binary or BINARY
        self.log = pathlib.Path(str(self.dir) + ".log")
        self.process = None

    def flags(self):
        flags = ["--data-dir", self.dir, "--listen", self.endpoint,
                 "--http", f"{self.address}:{HTTP_PORT}", "--testing-network"]
        for endpoint in self.bootstrap:
            flags += ["--bootstrap", endpoint]
        return flags

    def start(self, *extra, wait=True, preload=None, **popen):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "run", *map(str, self.flags()),
                 *map(str, extra)], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
                env=clean_environment() | (preload or {}), **popen)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=20.0):
        wait_for(f"{self.endpoint} listens on its control socket",
                 self.is_ready, timeout)

    def is_ready(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.endpoint} ended with code "
                          f"{self.process.returncode}: {self.log_text()}")
        with contextlib.suppress(OSError), socket.socket(
                socket.AF_UNIX) as sock:
            sock.connect(str(self.dir / "control.sock"))
            return True
        return False

    def wait_joined(self, timeout=20.0):
        wait_for(f"{self.endpoint} joins",
                 lambda: self.status()["dht"]["joined"], timeout)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def send_signal(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=20.0):
        """Ends it; returns the exit code and the seconds that it took."""
        begun = time.monotonic()
        self.send_signal(number)
        code = self.process.wait(timeout)
        return code, time.monotonic() - begun

    def kill(self):
        self.process.kill()
        self.process.wait()

    def log_text(self):
        return self.log.read_text(errors="replace")

    def cli(self, *args, **kwargs):
        """warren VERB... --data-dir DIR"""
        return warren(*args, "--data-dir", self.dir, binary=self.binary,
                      **kwargs)

    def json(self, *args, ok=(DONE,)):
        done = self.cli(*args, "--json")
        if done.returncode not in ok:
            raise Failure(f"warren {' '.join(map(str, args))} on "
                          f"{self.endpoint} ended with {done.returncode}: "
                          f"{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def status(self):
        return self.json("status", ok=(DONE, NEGATIVE))

    def id(self):
        return self.status()["dht"]["ipv4"]["id"]

    def rpc(self, method, **params):
        with Control(self) as control:
            return control.call(method, **params)

    def http(self, path):
        """Status and text of a page."""
        url = f"http://{self.address}:{HTTP_PORT}{path}"
        try:
            with urllib.request.urlopen(url, timeout=10) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metrics(self):
        """{'name{label="x"}': number}"""
        samples = {}
        for line in self.http("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples


class Control:
    """msgpack-RPC over a node's control socket."""

    def __init__(self, node):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(node.dir / "control.sock"))
        self.unpacker = msgpack.Unpacker(raw=False,
                                         unicode_errors="surrogateescape")
        self.msgids = itertools.count(1)
        self.notifications = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, method, **params):
        msgid = next(self.msgids)
        self.socket.sendall(msgpack.packb([0, msgid, method, [params]]))
        return msgid

    def receive(self):
        while True:
            for frame in self.unpacker:
                return frame
            data = self.socket.recv(65536)
            if not data:
                raise Failure("the daemon closed the control socket")
            self.unpacker.feed(data)

    def call(self, method, **params):
        """The result; raises Failure with the error's code and text."""
        msgid = self.send(method, **params)
        while True:
            frame = self.receive()
            if frame[0] == 2:
                self.notifications.append(frame)
            elif frame[1] == msgid:
                if frame[2] is not None:
                    raise Failure(f"{frame[2]['code']}: {frame[2]['text']}")
                return frame[3]


class Echo:
    """The UDP echo server as a process; its answers tell who asked."""

    def __init__(self, address, log, port=4007):
        self.endpoint = f"{address}:{port}"
        self.log = pathlib.Path(log)
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                ["/usr/bin/python3",
                 pathlib.Path(__file__).with_name("echo.py"), address,
                 str(port)], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        wait_for(f"the echo server listens on {self.endpoint}",
                 lambda: self.log.read_text().startswith("ready\n"))

    def askers(self):
        """The addresses that have asked, from its own words."""
        return {line.rsplit(":", 1)[0]
                for line in self.log.read_text().splitlines()[1:]}

    def source_of(self, answer, data):
        """The address that asked, as the answer to `data` tells."""
        begin = f"{data} from "
        if not answer.startswith(begin):
            raise Failure(f"the echo of '{data}' is '{answer}'")
        return answer[len(begin):].rsplit(":", 1)[0]

    def close(self):
        self.process.kill()
        self.process.wait()


class Network:
    """Nodes in one temporary directory, on addresses of their own."""

    def __init__(self, binary=None, directory=None):
        self.binary = binary
        self.root = pathlib.Path(directory or
                                 tempfile.mkdtemp(prefix="warren-"))
        # Other runs on this machine have other numbers.
        self.prefix = f"127.{os.getpid() % 200 + 20}." \
                      f"{os.getpid() // 200 % 250}"
        self.nodes = []
        self.servers = []

    def add(self, bootstrap=()):
        number = len(self.nodes) + 1
        node = Node(self.root / f"n{number}", f"{self.prefix}.{number}",
                    [b.endpoint if isinstance(b, Node) else b
                     for b in bootstrap], self.binary)
        self.nodes.append(node)
        return node

    def echo(self):
        echo = Echo(f"{self.prefix}.200", self.root / "echo.log")
        self.servers.append(echo)
        return echo

    def close(self, keep=False):
        for server in self.servers:
            server.close()
        for node in self.nodes:
            if node.is_running():
                node.kill()
        if not keep:
            shutil.rmtree(self.root, ignore_errors=True)


SANITIZER = ("AddressSanitizer", "LeakSanitizer", "runtime error:",
             "Assertion")


class ProcessTest(unittest.TestCase):
    """A test with a network of its own, whose daemons end cleanly."""

    def setUp(self):
        self.net = Network()
        self.addCleanup(self.net.close)

    def tearDown(self):
        for node in self.net.nodes:
            if node.is_running():
                code, seconds = node.stop()
                self.assertEqual(code, 0, node.log_text())
                self.assertLess(seconds, 5)
        for node in self.net.nodes:
            if node.log.exists():
                for word in SANITIZER:
                    self.assertNotIn(word, node.log_text())

    def network_of(self, count, *flags):
        """A bootstrap node and others that have joined through it."""
        first = self.net.add().start(*flags)
        for _ in range(count - 1):
            self.net.add([first]).start(*flags, wait=False)
        for node in self.net.nodes:
            node.wait_ready()
        for node in self.net.nodes:
            node.wait_joined()
        return self.net.nodes
