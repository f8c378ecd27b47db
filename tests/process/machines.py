# SPDX-License-Identifier: MIT
"""Machines made of network namespaces, for tests of what happens between a
node and the network of its machine: addresses that change, cables that are
pulled, families without a route, name servers that are dead.

Needs root and iproute2; where they are missing a test is skipped and says so.
"""
import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

from harness import BINARY, Failure, Node, clean_environment, wait_for

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def why_not():
    """Why no namespaces can be made here; empty when they can."""
    if os.geteuid() != 0:
        return "not root, so no network namespaces"
    if shutil.which("ip") is None:
        return "no iproute2, so no network namespaces"
    name = f"w{os.getpid()}try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True,
                          text=True, check=False)
    if made.returncode != 0:
        return f"no network namespaces here: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=False)
    return ""


def ip(*args, ok=True):
    done = subprocess.run(["ip", *map(str, args)], capture_output=True,
                          text=True, check=False)
    if ok and done.returncode != 0:
        raise Failure(f"ip {' '.join(map(str, args))}: {done.stderr.strip()}")
    return done.stdout


class Machine:
    """A namespace with loopback up, and a resolv.conf of its own if asked."""

    def __init__(self, name):
        self.name = name
        ip("netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args, ok=True):
        return ip("-n", self.name, *args, ok=ok)

    def address(self, device, *addresses):
        for address in addresses:
            more = ["nodad"] if ":" in address else []
            self.ip("addr", "add", address, "dev", device, *more)

    def run(self, *args, **kwargs):
        return subprocess.run(["ip", "netns", "exec", self.name,
                               *map(str, args)], capture_output=True,
                              text=True, check=False, **kwargs)

    def resolv(self, *servers):
        """What `ip netns exec` puts in the place of /etc/resolv.conf."""
        place = pathlib.Path("/etc/netns") / self.name
        place.mkdir(parents=True, exist_ok=True)
        (place / "resolv.conf").write_text(
            "".join(f"nameserver {s}\n" for s in servers))

    def within(self, function, *args):
        """Calls it in a thread that lives here: its sockets are here too."""
        outcome = []

        def call():
            with open(f"/run/netns/{self.name}", "rb") as space:
                if LIBC.setns(space.fileno(), CLONE_NEWNET) != 0:
                    outcome.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                outcome.append(function(*args))
            except Exception as error:  # raised where it was called
                outcome.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def close(self):
        ip("netns", "del", self.name, ok=False)
        shutil.rmtree(f"/etc/netns/{self.name}", ignore_errors=True)


class SpaceNode(Node):
    """A daemon on a machine; HTTP is on its loopback."""

    def __init__(self, machine, directory, flags, binary=BINARY):
        super().__init__(directory, "127.0.0.1", binary=binary)
        self.machine, self.space_flags = machine, flags

    def flags(self):
        return ["--data-dir", self.dir, "--http", "127.0.0.1:7882",
                *self.space_flags]

    def start(self, *extra, wait=True, env=None):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.machine.name, self.binary, "run",
                 *map(str, self.flags()), *map(str, extra)], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL,
                env=clean_environment() | (env or {}))
        if wait:
            self.wait_ready()
        return self

    def codes(self):
        """What status says is wrong: {code: what}."""
        return {p["code"]: p for p in self.status()["problems"]}

    def nodes(self, family="ipv4"):
        return self.status()["dht"].get(family, {}).get("nodes", 0)

    def http(self, path):
        return self.machine.within(super().http, path)


WHY_NOT = why_not()
if WHY_NOT:
    print(f"skipped: {WHY_NOT}")


@unittest.skipIf(WHY_NOT, WHY_NOT)
class SpaceTest(unittest.TestCase):
    """A test with machines of its own, whose daemons end cleanly."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="warren-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.nodes = []

    def machine(self, name):
        machine = Machine(f"w{os.getpid()}{name}")
        self.addCleanup(machine.close)
        return machine

    def cable(self, a, device_a, b, device_b):
        """Between two machines, up at both ends."""
        ip("-n", a.name, "link", "add", device_a, "type", "veth", "peer",
           "name", device_b, "netns", b.name)
        a.ip("link", "set", device_a, "up")
        b.ip("link", "set", device_b, "up")

    def node(self, machine, *flags):
        node = SpaceNode(machine, self.root / f"n{len(self.nodes) + 1}", flags)
        self.nodes.append(node)
        self.addCleanup(lambda: node.is_running() and node.kill())
        return node

    def tearDown(self):
        for node in self.nodes:
            if node.is_running():
                code, _ = node.stop()
                self.assertEqual(code, 0, node.log_text())

    def wait(self, what, condition, timeout):
        try:
            return wait_for(what, condition, timeout, 0.2)
        except Failure as failure:
            for node in self.nodes:
                print(f"--- {node.machine.name}\n{node.log_text()}"
                      f"{node.cli('status').stdout}")
            self.fail(str(failure))

    def lan(self, leaf_name="leaf"):
        """A machine `core` and another on one cable: 10.77.0.0/24, fd77::."""
        core, leaf = self.machine("core"), self.machine(leaf_name)
        self.cable(core, "c0", leaf, "l0")
        return core, leaf

    def core_nodes(self, core, count, *flags, ipv6=True):
        """Nodes in one network on 10.77.0.N and fd77::N."""
        for i in range(1, count + 1):
            core.address("c0", f"10.77.0.{i}/24",
                         *([f"fd77::{i}/64"] if ipv6 else []))
            more = ["--bootstrap", "10.77.0.1:7881"] if i > 1 else []
            if ipv6 and i > 1:
                more += ["--bootstrap", "[fd77::1]:7881"]
            node = self.node(
                core, "--testing-network", "--listen",
                f"10.77.0.{i}:7881" + (f",[fd77::{i}]:7881" if ipv6 else ""),
                *more, *flags)
            node.space_flags += ("--http", f"127.0.0.1:{7900 + i}")
            node.start()
        for node in self.nodes[1:]:
            self.wait("core joins",
                      lambda n=node: n.status()["dht"]["joined"], 20)
        return self.nodes[:]
