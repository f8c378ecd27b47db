# SPDX-License-Identifier: MIT
"""Machines and cables between them: network namespaces, and daemons in them.

Needs root and iproute2; `why_not()` says what is missing. What a test makes is
gone when it closes its Spaces.
"""
import ctypes
import os
import shutil
import subprocess

from harness import HTTP_PORT, PORT, Node

CLONE_NEWNET = 0x40000000


def quiet(*command, check=True):
    return subprocess.run(list(map(str, command)), check=check,
                          capture_output=True, text=True)


def why_not(*tools):
    """Why namespaces cannot be had here, or a tool; None when they can."""
    for tool in ("ip", *tools):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    if os.geteuid() != 0:
        return "network namespaces are for root"
    name = f"w{os.getpid()}-try"
    made = quiet("ip", "netns", "add", name, check=False)
    if made.returncode != 0:
        return f"no network namespaces here: {made.stderr.strip()}"
    quiet("ip", "netns", "delete", name)
    return None


class Space:
    """One machine."""

    def __init__(self, name):
        self.name = name
        quiet("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *args):
        return quiet("ip", "-n", self.name, *args)

    def run(self, *command, check=True):
        return quiet("ip", "netns", "exec", self.name, *command, check=check)

    def enter(self):
        """As preexec_fn: the process runs on this machine."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{self.name}", "rb") as space:
            if libc.setns(space.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def address(self, device, *addresses):
        for address in addresses:
            extra = ["nodad"] if ":" in address else []
            self.ip("address", "add", address, "dev", device, *extra)


class Spaces:
    """All machines of a test."""

    def __init__(self):
        self.spaces = []
        self.processes = []

    def add(self, name):
        self.spaces.append(Space(f"w{os.getpid()}-{name}"))
        return self.spaces[-1]

    def wire(self, a, device_a, b, device_b):
        """A cable between two machines, with a device at each end."""
        a.ip("link", "add", device_a, "type", "veth", "peer", "name",
             device_b, "netns", b.name)
        a.ip("link", "set", device_a, "up")
        b.ip("link", "set", device_b, "up")

    def start(self, space, *command):
        self.processes.append(subprocess.Popen(
            list(map(str, command)), preexec_fn=space.enter,
            stdin=subprocess.DEVNULL))
        return self.processes[-1]

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        for space in self.spaces:
            quiet("ip", "netns", "delete", space.name, check=False)


class SpaceNode(Node):
    """A daemon on a machine. Its control socket is a file, and so is reached
    from anywhere; its pages are not."""

    def __init__(self, directory, space, listen, bootstrap=()):
        super().__init__(directory, listen, bootstrap)
        self.space = space
        self.endpoint = f"{listen}:{PORT}"

    def flags(self):
        flags = ["--data-dir", self.dir, "--listen", self.endpoint, "--http",
                 f"127.0.0.1:{HTTP_PORT}", "--testing-network"]
        for endpoint in self.bootstrap:
            flags += ["--bootstrap", endpoint]
        return flags

    def start(self, *extra, wait=True, **popen):
        return super().start(*extra, wait=wait, preexec_fn=self.space.enter,
                             **popen)

    def http(self, path):
        page = self.space.run(
            "/usr/bin/python3", "-c",
            "import sys, urllib.request as u\n"
            "print(u.urlopen(sys.argv[1], timeout=10).read().decode())",
            f"http://127.0.0.1:{HTTP_PORT}{path}")
        return 200, page.stdout
