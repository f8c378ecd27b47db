# SPDX-License-Identifier: MIT
"""An onion service in the private network of tor_network.py: how long a client
that has nothing built and knows no descriptor takes to connect to it."""
import contextlib
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

import tor_network
from measure import Failure, limit
from harness import wait_for  # measure says where it is
from tor_control import TorControl
from tor_network import SOCKS_PORT, TorNetwork

LIMIT = 240  # seconds for all of it
PUBLISHED = 120  # seconds until the service can be reached
PORT = 80
BATCH = 4  # clients that start at once
DIFFERENCES = (
    "A TCP connection by SOCKS, from the request to the first byte of the",
    "server's answer; ours is a datagram of the program that is the client.",
    "Each client has its relays from a directory, and no circuit but those to",
    "fetch it; ours knows relays from an earlier run, and has no link.",
)
SERVICE = """\
SocksPort 0
HiddenServiceDir {directory}/{name}/service
HiddenServicePort 80 {address}:8080
ControlSocket {directory}/{name}/control
"""
CLIENT = """\
ClientOnly 1
SocksPort {address}:{socks_port}
ControlSocket {directory}/{name}/control
LearnCircuitBuildTimeout 0
__DisablePredictedCircuits 1
"""


def answer_all(listener):
    """The server behind: one byte to whoever comes."""
    with contextlib.suppress(OSError):
        while True:
            with listener.accept()[0] as sock:
                sock.sendall(b"!")


def connect(proxy, name, patience):
    """ms to the first byte of the server; None: it did not come."""
    begun = time.monotonic()
    request = (b"\x05\x01\x00\x03" + bytes([len(name)]) + name.encode() +
               struct.pack(">H", PORT))
    try:
        with socket.create_connection(proxy, patience) as sock:
            sock.sendall(b"\x05\x01\x00")
            sock.recv(2)
            sock.sendall(request)
            if sock.recv(10)[1:2] != b"\0" or sock.recv(1) != b"!":
                return None
    except OSError:
        return None
    return (time.monotonic() - begun) * 1e3


class OnionNetwork(TorNetwork):
    def start(self):
        super().start()
        self.started = 0
        self.line = (self.directory / "client" / "torrc").read_text()
        self.line = next(line for line in self.line.splitlines(True)
                         if line.startswith("DirAuthority"))
        self.torrc("host", SERVICE, self.line)
        self.listener = socket.create_server((self.addresses["host"], 8080))
        threading.Thread(target=answer_all, args=(self.listener,),
                         daemon=True).start()
        self.launch("host")
        hostname = self.directory / "host/service/hostname"
        wait_for("the onion service has a name", hostname.exists, 30, 0.2)
        self.name = hostname.read_text().strip()
        first = self.client()
        wait_for("the onion service is reached", lambda: connect(
            first, self.name, 10), PUBLISHED, 1)

    def launch(self, name):
        self.processes[name] = subprocess.Popen(
            self.command(name), stdin=subprocess.DEVNULL)

    def client(self):
        """Its proxy. Nobody has asked it for anything."""
        name = f"visitor{self.started}"
        self.started += 1
        self.torrc(name, CLIENT, self.line)
        self.launch(name)
        control = None

        def knows():
            nonlocal control
            with contextlib.suppress(OSError):
                control = control or TorControl(
                    self.directory / name / "control")
            if control is None:
                return False
            told = control.command("GETINFO status/enough-dir-info")[0]
            return (told.endswith("=1") and all(
                map(control.has_descriptor, self.known.values())))

        wait_for("a client of tor knows all relays", knows, 60, 0.2)
        control.close()
        return self.addresses[name], SOCKS_PORT

    def end(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def cold(self, count):
        """ms of each of `count` clients, and how many had no answer."""
        times, silent = [], 0
        while len(times) + silent < count:
            first = self.started
            proxies = [self.client() for _ in range(BATCH)]
            time.sleep(2)
            for proxy in proxies:
                took = connect(proxy, self.name, 15)
                silent += took is None
                times += [took] if took is not None else []
            for number in range(first, self.started):
                self.end(f"visitor{number}")
        return times, silent


def measure(prefix, count):
    """The version, and what cold() says; nothing of it is left. Missing when
    there is no tor."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="warren-beside-"))
    try:
        network = OnionNetwork(directory, prefix)
        try:
            with limit(LIMIT):
                network.start()
                times, silent = network.cold(count)
                if not times:
                    raise Failure("no client of tor was answered")
                return network.title, times, silent
        finally:
            network.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


INSTALL = tor_network.INSTALL
