# SPDX-License-Identifier: MIT
"""The part of the demo that fetches pages through a proxy, as curl does: from a
server behind an exit, also by its name, which a resolver of the node has exits
look up, and from a hidden service. A download goes on while a
relay of its circuit is killed."""
import pathlib
import socket
import subprocess
import threading
import time

from harness import Failure, wait_for
from http_server import PAGE, slow_page
import services
import tunnels

CLIENT = 15
PORT = 1080
DNS = 5353
NAME = "page.example"


def flags(number, node):
    if number != CLIENT:
        return []
    return ["--socks", f"{node.address}:{PORT}", "--dns",
            f"{node.address}:{DNS}"]


class Server:
    """The HTTP server (http_server.py) as a process, which tells who asked; or
    the name server."""

    def __init__(self, address, log, port=8080, program="http_server.py",
                 args=()):
        self.endpoint = f"{address}:{port}"
        self.log = pathlib.Path(log)
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                ["/usr/bin/python3",
                 pathlib.Path(__file__).with_name(program), address,
                 str(port), *args], stdout=out, stderr=out,
                stdin=subprocess.DEVNULL)
        wait_for(f"{program} listens on {self.endpoint}",
                 lambda: self.log.read_text().startswith("ready\n"))

    def askers(self):
        return set(self.log.read_text().splitlines()[1:])

    def close(self):
        self.process.kill()
        self.process.wait()


def read_exact(s, count):
    got = b""
    while len(got) < count:
        data = s.recv(count - len(got))
        if not data:
            raise Failure("the proxy closed the connection")
        got += data
    return got


def connect(proxy, host, port):
    """As a client of SOCKS5 does; the name is for the proxy to deal with."""
    s = socket.create_connection(proxy, 60)
    name = host.encode()
    s.sendall(b"\5\1\0\5\1\0\3" + bytes([len(name)]) + name +
              port.to_bytes(2, "big"))
    code = read_exact(s, 6)[3]
    if code != 0:
        raise Failure(f"the proxy cannot reach {host}: {code}")
    read_exact(s, 6)
    return s


def fetch(proxy, host, port, path="/"):
    with connect(proxy, host, port) as s:
        s.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        answer = b""
        while data := s.recv(65536):
            answer += data
    return answer.partition(b"\r\n\r\n")[2]


def resolve(server, name):
    """Asks this resolver for the address of a name."""
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
    asked = b"\0\7\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(60)
        s.sendto(asked, server)
        answer = s.recv(512)
    if answer[3] & 15 != 0 or answer[7] != 1:
        raise Failure(f"the resolver does not find {name}: {answer}")
    return socket.inet_ntoa(answer[len(asked) + 12:][:4])


class Streams:
    def __init__(self, demo, say):
        self.demo = demo
        self.say = say
        self.client = demo.net.nodes[CLIENT]
        self.proxy = (self.client.address, PORT)
        self.server = Server(f"{demo.net.prefix}.202",
                             demo.net.root / "http.log")
        self.dns = (self.client.address, DNS)
        host = self.server.endpoint.split(":")[0]
        demo.net.servers += [self.server, Server(
            tunnels.name_server(self.client), demo.net.root / "names.log",
            tunnels.NAMES, "name_server.py", (NAME, host))]

    def row(self, what, begun, found):
        self.demo.add_row(what, self.client, 3,
                          (time.monotonic() - begun) * 1e3, found)

    def page(self, what, host, port):
        begun = time.monotonic()
        page = fetch(self.proxy, host, port)
        if page != PAGE:
            raise Failure(f"the proxy brought {page[:80]} of {host}")
        self.row(what, begun, f"{len(page)} bytes of {host[:16]}")

    def by_name(self, port):
        begun = time.monotonic()
        host = resolve(self.dns, NAME)
        page = fetch(self.proxy, host, port)
        if page != PAGE:
            raise Failure(f"the proxy brought {page[:80]} of {host}")
        self.row("by name", begun,
                 f"{NAME} is at {host}, an exit says; {len(page)} bytes")

    def middle(self):
        """A node in the middle of circuits of the client, or none."""
        at = {h["address"] for c in self.client.json("circuits")["circuits"]
              if c["state"] == "ready" for h in c["path"][1:-1]}
        return [n for n in self.demo.living() if n.endpoint in at][:1]

    def download(self, host, port):
        begun = time.monotonic()
        got = []
        reader = threading.Thread(target=lambda: got.append(
            fetch(self.proxy, host, port, "/slow")), daemon=True)
        reader.start()
        time.sleep(0.5)
        victims = self.middle()
        for node in victims:
            node.kill()
        reader.join(60)
        if not got or got[0] != slow_page():
            raise Failure("the download is not whole")
        self.row("download", begun, f"{len(got[0])} bytes, whole, while "
                 f"{', '.join(n.dir.name for n in victims)} was killed")
        for node in victims:
            node.start(*tunnels.flags(self.demo.net.nodes.index(node), node))
            node.wait_joined()

    def run(self, service):
        self.say("Fetching pages through the proxy of a node ...")
        host, port = self.server.endpoint.split(":")
        self.page("fetch a page", host, int(port))
        self.by_name(int(port))
        self.page("of a service", service, 80)
        self.download(host, int(port))
        exits = {self.demo.net.nodes[i].address for i in tunnels.EXITS}
        host = self.demo.net.nodes[services.HOST].address
        strangers = self.server.askers() - exits - {host, "127.0.0.1"}
        if strangers:
            raise Failure(f"the server has seen {', '.join(strangers)}")

    def say_how_to_talk(self, service):
        proxy = "%s:%d" % self.proxy
        self.say(f"  curl --socks5-hostname {proxy} "
                 f"http://{self.server.endpoint}/")
        self.say(f"  curl --socks5-hostname {proxy} http://{service}/")
        self.say("  dig -p %d @%s %s" % (*reversed(self.dns), NAME))
