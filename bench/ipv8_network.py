# SPDX-License-Identifier: MIT
"""A network of py-ipv8's tunnels with their Rust endpoint, on this machine.

Its nodes are as many as ours, each a process on an address of its own; they
are introduced to each other by hand, and know no others.
"""
import json
import os
import pathlib
import shutil
import subprocess
import time

from measure import EXITS, HOPS, RELAYS, ROOT, Failure, Missing
from harness import wait_for  # measure says where it is
from socks_load import Load

INSTALL = (
    "apt-get install --no-install-recommends python3-venv",
    "/usr/bin/python3 -m venv build/ipv8",
    "build/ipv8/bin/pip install pyipv8 ipv8-rust-tunnels",
    "(or name a Python that has them in WARREN_TEST_IPV8_PYTHON)",
)
DIFFERENCES = (
    "Datagrams of the same length, too, but no encryption between neighbours",
    "and no cells of one length. It gets the best of six windows. A program",
    "reaches its client by SOCKS and is not counted; ours is the client, and",
    "is counted.",
)
PORT = 7881
WINDOWS = (16, 32, 64, 128, 256, 512)  # datagrams under way
SETTLE = 0.2  # seconds, after another window was chosen
PROBE = "import ipv8.community, ipv8_rust_tunnels as r; print(r.__version__)"


def find():
    """The Python to run nodes with, and the version of the endpoint."""
    named = os.environ.get("WARREN_TEST_IPV8_PYTHON")
    candidates = [named] if named else [
        ROOT / "build/ipv8/bin/python", "/usr/bin/python3",
        shutil.which("python3") or "python3"]
    for python in candidates:
        try:
            done = subprocess.run([python, "-c", PROBE], capture_output=True,
                                  text=True, timeout=20, check=True)
            return python, done.stdout.strip()
        except (OSError, subprocess.SubprocessError):
            continue
    raise Missing("no Python here has ipv8 and ipv8_rust_tunnels")


class Node:
    def __init__(self, python, directory, address, role):
        self.address = [address, PORT]
        self.log = directory / f"{address}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [python, pathlib.Path(__file__).with_name("ipv8_node.py"),
                 address, str(PORT), role], cwd=directory, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"the node at {self.address[0]} ended: "
                          f"{self.log.read_text()[-500:]}")
        return line

    def ask(self, method, *arguments):
        self.process.stdin.write(json.dumps([method, *arguments]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.read())


class Ipv8Network:
    def __init__(self, directory, prefix):
        self.prefix = prefix
        self.directory = directory
        self.python, version = find()
        self.title = f"py-ipv8 with ipv8-rust-tunnels {version}"
        self.nodes = []
        self.client = None
        self.load = None

    def start(self):
        roles = ["relay"] * RELAYS + ["exit"] * EXITS + ["client"]
        for number, role in enumerate(roles, 1):
            self.nodes.append(Node(self.python, self.directory,
                                   f"{self.prefix}.{number}", role))
        for node in self.nodes:
            node.read()
        relays = [node.address for node in self.nodes[:-1]]
        for node in self.nodes:
            others = [a for a in relays if a != node.address]
            wait_for("a node of py-ipv8 knows the others", lambda n=node:
                     n.ask("walk", others) == len(others), 20)
        self.client = self.nodes[-1]

    def pids(self):
        return [node.process.pid for node in self.nodes]

    def relay_pids(self):
        """Without the client's."""
        return self.pids()[:-1]

    def build(self):
        """A circuit, and milliseconds."""
        built = self.client.ask("build", HOPS)
        if built is None:
            raise Failure("a circuit was not built")
        return built

    def remove(self, circuit):
        self.client.ask("remove", circuit)

    def transfer(self, seconds):
        """MB/s and s/GB, with the window that is best for it."""
        circuit = self.build()[0]
        proxy = ("127.0.0.1", self.client.ask("socks", HOPS))
        self.load = Load(proxy, f"{self.prefix}.200")
        self.load.start_datagrams()

        def run(window, seconds):
            self.load.window.value = window
            time.sleep(SETTLE)
            return self.load.measure(self.pids(), seconds)

        window = max(WINDOWS, key=lambda w: run(w, 1)[0])
        figures = run(window, seconds)
        self.load.stop()
        self.remove(circuit)
        return figures

    def close(self):
        if self.load:
            self.load.stop()
        for node in self.nodes:
            node.process.kill()
            node.process.wait()
