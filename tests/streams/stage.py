# SPDX-License-Identifier: MIT
"""Networks of daemons, servers and clients of the tests of streams."""
import hashlib
import os
import pathlib
import socket
import socketserver
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "process"))
from harness import DONE, ProcessTest, clean_environment, wait_for  # noqa

PATIENCE = 90  # s, with sanitizers on a busy machine
CLIENT = ("--tunnel.max_relays_or_exits", "0")


def bytes_of(seed, count):
    """The same bytes for the same seed, and none that repeat soon."""
    out = bytearray()
    block = hashlib.sha256(str(seed).encode()).digest()
    while len(out) < count:
        block = hashlib.sha256(block).digest()
        out += block * 16
    return bytes(out[:count])


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A TCP server with one function a connection: talk(server, socket)."""
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address, talk, family=socket.AF_INET):
        self.address_family = family
        self.talk = talk
        self.seen = []
        super().__init__(address, None)
        threading.Thread(target=self.serve_forever, args=(0.05,),
                         daemon=True).start()

    def finish_request(self, request, client_address):
        self.seen.append(client_address)
        try:
            self.talk(self, request)
        except OSError:
            pass

    def handle_error(self, request, client_address):
        pass

    def close(self):
        self.shutdown()
        self.server_close()


class UdpEcho(threading.Thread):
    """Says again what it hears, and notes from where."""

    def __init__(self, address, port=0, family=socket.AF_INET):
        super().__init__(daemon=True)
        self.seen = []
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((address, port))
        self.at = self.sock.getsockname()
        self.start()

    def run(self):
        while True:
            try:
                data, source = self.sock.recvfrom(65536)
            except OSError:
                return
            self.seen.append((data, source))
            self.sock.sendto(b"echo " + data, source)

    def close(self):
        self.sock.close()


def echo(_, s):
    """Says again what it hears, and ends when that does."""
    while data := s.recv(65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)


def http(body):
    """Answers every request with this body."""
    def talk(_, s):
        head = b""
        while b"\r\n\r\n" not in head:
            data = s.recv(65536)
            if not data:
                return
            head += data
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"
                  b"Connection: close\r\n\r\n" % len(body) + body)
    return talk


def read_all(s):
    out = bytearray()
    while data := s.recv(65536):
        out += data
    return bytes(out)


class SocksError(Exception):
    pass


def read_exact(s, count):
    out = b""
    while len(out) < count:
        data = s.recv(count - len(out))
        if not data:
            raise SocksError("closed")
        out += data
    return out


def socks(proxy, host, port, timeout=PATIENCE, user=None, early=b"",
          command=1, buffer=None):
    """A connection to host:port by SOCKS5, by hand; SocksError(code). `buffer`
    is how much the kernel keeps that is not read."""
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(timeout)
    if buffer is not None:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        # Of what the other side's kernel keeps: ten segments at least.
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
    s.connect(proxy)
    if user is None:
        s.sendall(b"\5\1\0")
        assert read_exact(s, 2) == b"\5\0"
    else:
        name, word = (x.encode() for x in user)
        s.sendall(b"\5\1\2")
        assert read_exact(s, 2) == b"\5\2"
        s.sendall(b"\1" + bytes([len(name)]) + name +
                  bytes([len(word)]) + word)
        assert read_exact(s, 2) == b"\1\0"
    name = host.encode()
    s.sendall(b"\5" + bytes([command]) + b"\0\3" + bytes([len(name)]) + name +
              port.to_bytes(2, "big") + early)
    head = read_exact(s, 4)
    size = {1: 4, 4: 16}.get(head[3]) or read_exact(s, 1)[0]
    read_exact(s, size + 2)
    if head[1] != 0:
        s.close()
        raise SocksError(head[1])
    return s


class Streams(ProcessTest):
    """Relays, and whatever a test adds to them."""
    RELAYS = 7

    def setUp(self):
        super().setUp()
        self.closing = []
        self.relays = list(self.network_of(self.RELAYS))

    def tearDown(self):
        for thing in self.closing:
            thing.close()
        super().tearDown()

    def server(self, talk, address=None):
        server = Server((address or self.net.prefix + ".201", 0), talk)
        self.closing.append(server)
        return server

    def add(self, config="", flags=CLIENT):
        node = self.net.add([self.relays[0]])
        path = str(node.dir) + ".ini"
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        node.start(*flags, "--config", path, wait=False)
        node.wait_ready()
        node.wait_joined()
        return node

    def proxy(self, config="", hops=3):
        """A client with a proxy, and where that is."""
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        node = self.add(f"[socks]\nlisten = 127.0.0.1:{port} hops={hops}\n" +
                        config)
        return node, ("127.0.0.1", port)

    def service(self, ports, config=""):
        """A hidden service with these ports, and its address."""
        lines = "".join(f"port = {p}\n" for p in ports)
        node = self.add(f"{config}[service web]\n{lines}")
        wait_for("the service can be reached", lambda: node.json(
            "service", "show", "web").get("state") == "fine" and node.json(
                "service", "show", "web")["published"], PATIENCE, 0.3)
        listed = node.json("service", "list")["services"]
        return node, next(s for s in listed if s["name"] == "web")["address"]


def curl(*args, timeout=PATIENCE):
    return subprocess.run(
        ["curl", "-sS", "--max-time", str(timeout), *args],
        capture_output=True, timeout=timeout + 10, env=clean_environment(),
        check=False)
