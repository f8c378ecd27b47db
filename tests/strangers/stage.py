# SPDX-License-Identifier: MIT
"""The public Internet on one machine, for tests of strangers: real daemons
without `testing_network`, and attackers who own as many addresses as a test
gives them.

Importing this moves the process into a network namespace, the Internet, where
every public address is local (AnyIP): a socket of the test is at any of them
by binding to it. Each daemon is in a namespace of its own, a machine with the
addresses that it was given and a default route, so that it sees an ordinary
network; all machines and the Internet are on one bridge.

This works as root, or as a user in a user namespace. Where neither can be had
the tests are skipped and the reason is printed.

    class Flood(stage.StrangersTest):
        def test_flood(self):
            relay = self.daemon(home(1)).start()
            with Crowd() as crowd:               # one socket, any source
                crowd.send(nth("198.18.0.0/15", 77), relay.at(),
                           dht_query("ping"))
            self.assertGreaterEqual(dht_served(relay, homes(100, 30)), 28)

`home(n)` and `home6(n)` are addresses of people who have nothing to do with
each other: another /8 (IPv6: /16) for each n as far as there are any, another
/16 (/32) always.
"""
import contextlib
import ctypes
import hashlib
import ipaddress
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import msgpack

for room in ("process", "python"):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / room))
import warren_tunnel as wt  # noqa: E402
from harness import PORT, SANITIZER, Failure, Node, wait_for  # noqa: E402

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
IP_FREEBIND, IPV6_FREEBIND, IP_PKTINFO = 15, 78, 8
LIBC = ctypes.CDLL(None, use_errno=True)
NETWORK = "main"


# ---- The namespace ----------------------------------------------------------

def unshare(flags):
    if LIBC.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


def become_root_of_a_user_namespace():
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    self = pathlib.Path("/proc/self")
    (self / "setgroups").write_text("deny")
    (self / "uid_map").write_text(f"0 {uid} 1")
    (self / "gid_map").write_text(f"0 {gid} 1")


def ip(*lines, space=None):
    """Runs lines of `ip`, all at once, here or in another namespace."""
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines),
                          capture_output=True, text=True, check=False,
                          preexec_fn=space and (lambda: go(space)))
    if done.returncode != 0:
        raise OSError(f"ip: {done.stderr.strip()}")


def space_of_this_process():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def go(space):
    """This thread, and what it starts, is in that namespace from now on."""
    if LIBC.setns(space, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


@contextlib.contextmanager
def inside(space):
    """Sockets that are made meanwhile are in that namespace for ever."""
    go(space)
    try:
        yield
    finally:
        go(INTERNET)


GATEWAY, GATEWAY6 = "169.254.0.1", "fe80::1"


def enter():
    """Moves this process onto the stage; says why it could not, or ""."""
    if shutil.which("ip") is None:
        return "no iproute2, so no network namespaces"
    try:
        try:
            if os.geteuid() != 0:
                raise PermissionError
            unshare(CLONE_NEWNET)
        except PermissionError:
            become_root_of_a_user_namespace()
        ip("link set lo up", "route add local 0.0.0.0/0 dev lo",
           "route add local 2000::/3 dev lo",
           "link add bridge type bridge", "link set bridge up",
           f"addr add {GATEWAY}/32 dev bridge",
           f"addr add {GATEWAY6}/64 dev bridge nodad")
    except OSError as error:
        return f"no network namespace here: {error}"
    return ""


WHY_NOT = enter()
INTERNET = None if WHY_NOT else space_of_this_process()
if WHY_NOT:
    print(f"skipped: {WHY_NOT}")


class Machine:
    """A namespace with addresses of its own, on the Internet."""
    count = 0
    all = []

    def __init__(self, addresses):
        Machine.count += 1
        self.device, self.addresses = f"m{Machine.count}", list(addresses)
        try:
            unshare(CLONE_NEWNET)
            self.space = space_of_this_process()
        finally:
            go(INTERNET)
        ip("link set lo up",
           f"link add eth0 type veth peer name {self.device} "
           f"netns {os.getpid()}", "link set eth0 up", space=self.space)
        ip(f"link set {self.device} master bridge up",
           *(f"route add {a} dev bridge table local" for a in addresses))
        ip(*(f"addr add {a}/24 dev eth0 noprefixroute" if "." in a else
             f"addr add {a}/64 dev eth0 noprefixroute nodad"
             for a in addresses),
           f"route add default via {GATEWAY} dev eth0 onlink",
           f"route add default via {GATEWAY6} dev eth0",
           *(f"route add {a} dev eth0" for m in Machine.all
             for a in m.addresses), space=self.space)
        for other in Machine.all:
            ip(*(f"route add {a} dev eth0" for a in addresses),
               space=other.space)
        Machine.all.append(self)

    def close(self):
        Machine.all.remove(self)
        ip(f"link del {self.device}",
           *(f"route del {a} dev bridge table local" for a in self.addresses))
        for other in Machine.all:
            ip(*(f"route del {a} dev eth0" for a in self.addresses),
               space=other.space)
        os.close(self.space)


# ---- Addresses --------------------------------------------------------------

def home(n):
    """The IPv4 address of the n-th household or small server."""
    return f"{20 + n % 77}.{7 + n // 77}.{1 + n % 200}.{1 + n % 250}"


def home6(n):
    return f"{0x2600 + n % 3000:x}:{0x100 + n // 3000:x}:{1 + n:x}::{1 + n:x}"


def nth(prefix, n, of=None):
    """The n-th address of a network; `of`: the n-th network of this length
    in it, and the first address there: nth("2a0e:1:1::/48", 5, of=64)."""
    net = ipaddress.ip_network(prefix)
    step = 1 if of is None else 1 << (net.max_prefixlen - of)
    offset = n * step + (1 if of is not None else 0)
    if offset >= net.num_addresses:
        raise ValueError(f"{prefix} has no {n}-th one")
    return str(net[offset])


def homes(first, count):
    return [home(n) for n in range(first, first + count)]


def homes6(first, count):
    return [home6(n) for n in range(first, first + count)]


def join(address, port=PORT):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


# ---- Daemons ----------------------------------------------------------------

class PublicNode(Node):
    """A daemon on a machine of its own. HTTP is on its loopback."""

    def __init__(self, directory, machine, flags):
        super().__init__(directory, "127.0.0.1")
        self.machine, self.addresses = machine, machine.addresses
        self.more = list(flags)
        self.endpoint = join(self.addresses[0])
        self.listen = [join(a) for a in self.addresses]

    def flags(self):
        flags = ["--data-dir", self.dir, "--listen", ",".join(self.listen),
                 "--http", "127.0.0.1:7882", *self.more]
        for endpoint in self.bootstrap:
            flags += ["--bootstrap", endpoint]
        return flags

    def at(self, family=None):
        """Where to send to: (host, port), of the first or the named family."""
        for address in self.addresses:
            if family in (None, socket.AF_INET6 if ":" in address
                          else socket.AF_INET):
                return (address, PORT)
        raise Failure(f"{self.endpoint} has no such address")

    def start(self, *extra, **more):
        space = self.machine.space
        return super().start(*extra, preexec_fn=lambda: go(space), **more)

    def http(self, path):
        with inside(self.machine.space):
            return super().http(path)

    def busy(self):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = fields.rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Bytes of it that are in RAM."""
        pages = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(pages.split()[1]) * os.sysconf("SC_PAGE_SIZE")


@unittest.skipIf(WHY_NOT, WHY_NOT)
class StrangersTest(unittest.TestCase):
    """A test with daemons of its own, which end cleanly."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="warren-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.nodes = []

    def tearDown(self):
        for node in self.nodes:
            if node.is_running():
                code, _ = node.stop()
                self.assertEqual(code, 0, node.log_text())
        for node in self.nodes:
            for word in SANITIZER:
                self.assertNotIn(word, node.log_text())

    def daemon(self, *addresses, flags=(), bootstrap=()):
        """A daemon that listens on these addresses, one of a family at most,
        not started yet. Change `node.listen` for wildcards."""
        machine = Machine(addresses)
        self.addCleanup(machine.close)
        node = PublicNode(self.root / f"n{len(self.nodes) + 1}", machine,
                          flags)
        node.bootstrap = [b.endpoint if isinstance(b, Node) else b
                          for b in bootstrap]
        self.nodes.append(node)
        self.addCleanup(lambda: node.is_running() and node.kill())
        return node

    def network(self, relays, exits=0, ipv6=False, first=1, flags=(),
                wait=True):
        """Honest relays (`exits` of them are exits) that have joined through
        the first of them, at home(first), home(first + 1), ...; all know
        the first ones by `relays` of [tunnel]."""
        made = []
        for n in range(first, first + relays):
            here = [home(n)] + ([home6(n)] if ipv6 else [])
            more = ["--tunnel.addresses", ",".join(join(a) for a in here)]
            if n >= first + relays - exits:
                more.append("--exit")
            if made:
                more += ["--tunnel.relays", ",".join(
                    m.endpoint for m in made[:5])]
            made.append(self.daemon(*here, flags=[*more, *flags],
                                    bootstrap=made[:1]))
            made[-1].start(wait=False)
        for node in made:
            node.wait_ready()
        if wait:
            for node in made:
                node.wait_joined()
        return made

    def client(self, n, bootstrap, flags=(), ipv6=False):
        """A client that relays nothing, at home(n); started."""
        here = [home(n)] + ([home6(n)] if ipv6 else [])
        return self.daemon(
            *here, bootstrap=bootstrap,
            flags=["--tunnel.max_relays_or_exits", "0", *flags]).start()


# ---- Sockets of strangers ---------------------------------------------------

def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def free_socket(family):
    """A UDP socket that can be bound to any public address."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    return sock


def bound_socket(address, port=0):
    sock = free_socket(family_of(address))
    sock.bind((address, port))
    return sock


class Crowd:
    """One socket that sends from any address and hears what is sent to any:
    thousands of strangers at the price of one. Answers to a source that is
    nobody's (a forged one) come here as well; look away."""

    def __init__(self, family=socket.AF_INET, port=0):
        self.family = family
        self.sock = free_socket(family)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.sock.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
        if family == socket.AF_INET:
            self.sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        else:
            self.sock.setsockopt(socket.IPPROTO_IPV6,
                                 socket.IPV6_RECVPKTINFO, 1)
        self.sock.bind(("", port))
        self.port = self.sock.getsockname()[1]

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def source(self, address):
        """What names this source in send_raw: make it once, use it often."""
        raw = socket.inet_pton(self.family, address)
        if self.family == socket.AF_INET:
            return [(socket.IPPROTO_IP, IP_PKTINFO,
                     struct.pack("=I4s4s", 0, raw, bytes(4)))]
        return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO,
                 struct.pack("=16sI", raw, 0))]

    def send_raw(self, source, to, datagram):
        """False when there was no room."""
        try:
            self.sock.sendmsg([datagram], source, socket.MSG_DONTWAIT, to)
            return True
        except BlockingIOError:
            return False

    def send(self, address, to, datagram):
        return self.send_raw(self.source(address), to, datagram)

    def receive(self, timeout=0.0):
        """(to which address of ours, from whom, datagram), or None."""
        self.sock.settimeout(timeout)
        try:
            datagram, control, _, sender = self.sock.recvmsg(2048, 128)
        except (BlockingIOError, socket.timeout):
            return None
        raw = control[0][2]
        ours = raw[8:12] if self.family == socket.AF_INET else raw[:16]
        return (socket.inet_ntop(self.family, ours), sender[:2], datagram)

    def drain(self):
        """Forgets what came; returns how many datagrams and bytes."""
        count = size = 0
        while (got := self.receive()) is not None:
            count, size = count + 1, size + len(got[2])
        return count, size


class Pace:
    """Spreads `rate` actions a second over `seconds`:
    for i in Pace(500, 10): send(i)"""

    def __init__(self, rate, seconds):
        self.rate, self.seconds = rate, seconds

    def __iter__(self):
        begun, i = time.monotonic(), 0
        while True:
            now = time.monotonic() - begun
            if now >= self.seconds:
                return
            if i > now * self.rate:
                time.sleep(i / self.rate - now)
            yield i
            i += 1


# ---- The DHT ----------------------------------------------------------------

def dht_query(method, node_id=None, transaction=None, **arguments):
    arguments["id"] = node_id or os.urandom(20)
    return msgpack.packb({"a": arguments, "q": method,
                          "t": transaction or os.urandom(4), "y": "q"})


class DhtPeer:
    """An honest asker with a socket of his own."""

    def __init__(self, address, timeout=1.0, port=0):
        self.sock = bound_socket(address, port)
        self.address, self.timeout = address, timeout
        self.id = os.urandom(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def ask(self, to, method, **arguments):
        """The message that answers (keys are bytes), or None in time."""
        transaction = os.urandom(4)
        self.sock.sendto(dht_query(method, self.id, transaction, **arguments),
                         to)
        deadline = time.monotonic() + self.timeout
        while (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                datagram, sender = self.sock.recvfrom(2048)
            except socket.timeout:
                return None
            if sender[:2] != to or datagram[0] >> 4 == 9:
                continue
            answer = msgpack.unpackb(datagram, raw=True)
            if answer.get(b"t") == transaction and answer[b"y"] != b"q":
                return answer
        return None

    def announce(self, to, info_hash, port=7000):
        """Asks for a token and announces; whether it was taken."""
        answer = self.ask(to, "get_peers", info_hash=info_hash)
        token = answer and answer.get(b"r", {}).get(b"token")
        if not token:
            return False
        answer = self.ask(to, "announce_peer", info_hash=info_hash, port=port,
                          token=token)
        return bool(answer) and answer[b"y"] == b"r"

    def peers(self, to, info_hash):
        """The peers that it names, as bytes."""
        answer = self.ask(to, "get_peers", info_hash=info_hash) or {}
        return answer.get(b"r", {}).get(b"values", [])

    def put(self, to, value):
        """Stores an immutable item; its target, or None."""
        target = immutable_target(value)
        answer = self.ask(to, "get", target=target)
        token = answer and answer.get(b"r", {}).get(b"token")
        if not token:
            return None
        answer = self.ask(to, "put", token=token, v=value)
        return target if answer and answer[b"y"] == b"r" else None

    def get(self, to, target):
        answer = self.ask(to, "get", target=target) or {}
        return answer.get(b"r", {}).get(b"v")


def immutable_target(value):
    """Of a str, which is a byte string in bencode."""
    raw = value.encode()
    return hashlib.sha1(b"%d:%s" % (len(raw), raw)).digest()


def dht_served(node, addresses, method="find_node", timeout=1.0, tries=1):
    """How many honest askers, one at each address, get an answer."""
    served = 0
    for address in addresses:
        with DhtPeer(address, timeout) as peer:
            to = node.at(family_of(address))
            served += any(peer.ask(to, method, target=os.urandom(20))
                          for _ in range(tries))
    return served


# ---- Links and circuits -----------------------------------------------------

class Stranger(wt.Client):
    """A client of the tunnels at any public address. It says again what was
    not answered, as the protocol wants it."""

    def __init__(self, address, timeout=5.0, again=(0.5, 1, 2)):
        self.sock = bound_socket(address)
        self.address, self.network = address, NETWORK
        self.timeout, self.again = timeout, list(again)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def patiently(self, attempt, timeouts):
        """Attempts until one does not fail."""
        whole = self.timeout
        try:
            for i, seconds in enumerate(timeouts):
                self.timeout = seconds
                try:
                    return attempt()
                except wt.Failure as failure:
                    if i == len(timeouts) - 1 or "in time" not in str(failure):
                        raise
        finally:
            self.timeout = whole

    def told(self, node):
        """The node's descriptor, by ASK."""
        to = node.at(family_of(self.address))
        return self.patiently(lambda: self.descriptor(to),
                              [*self.again, self.timeout])

    def link(self, descriptor):
        d = reached_over(descriptor, family_of(self.address))
        return self.patiently(lambda: wt.Link(self, d),
                              [*self.again, self.timeout])

    def circuit(self, link, first):
        """Of one hop; CREATE is said again."""
        return self.patiently(lambda: wt.Circuit(link, first),
                              [*self.again, self.timeout])


def reached_over(descriptor, family):
    """The descriptor with an endpoint of this family first."""
    ends = sorted(descriptor.endpoints,
                  key=lambda e: family_of(e[0]) != family)
    if not ends or family_of(ends[0][0]) != family:
        raise Failure("a descriptor without an address of this family")
    descriptor.endpoints = ends
    return descriptor


def descriptor_of(node, n=900):
    """Asked from home(n) (home6(n) where it has no IPv4)."""
    address = home(n) if "." in node.addresses[0] else home6(n)
    with Stranger(address) as stranger:
        return stranger.told(node)


def circuit_served(descriptor, address, next_hop=None, timeout=2.0,
                   again=(0.5, 1)):
    """An honest client at this address builds a circuit through this relay
    (and on to `next_hop`) and pings its end: seconds, or the reason why not
    as a str."""
    begun = time.monotonic()
    with Stranger(address, timeout, again) as client:
        try:
            link = client.link(descriptor)
            circuit = client.circuit(link, descriptor)
            if next_hop is not None:
                circuit.extend(next_hop)
            if not circuit.ping(len(circuit.forward)):
                return "a wrong PONG"
            circuit.destroy()
            link.close()
        except wt.Failure as failure:
            return str(failure)
    return time.monotonic() - begun


def circuits_served(descriptor, addresses, **how):
    """How many of these honest clients get a circuit, and why the others do
    not: (count, {reason: count})."""
    served, reasons = 0, {}
    for address in addresses:
        result = circuit_served(descriptor, address, **how)
        if isinstance(result, float):
            served += 1
        else:
            reasons[result] = reasons.get(result, 0) + 1
    return served, reasons


class IdleCircuits:
    """Circuits of an attacker that carry nothing: links from `addresses`,
    CREATEs over each until it is refused or `each` are there."""

    def __init__(self, descriptor, addresses, each=50, timeout=1.0,
                 next_hop=None):
        self.descriptor, self.next_hop = descriptor, next_hop
        self.clients, self.links, self.circuits = [], [], []
        self.refused = 0
        self.each, self.timeout = each, timeout
        for address in addresses:
            self.add(address)

    def add(self, address):
        """Another link with its circuits; how many of those it got."""
        client = Stranger(address, self.timeout, [])
        self.clients.append(client)
        try:
            link = client.link(self.descriptor)
        except wt.Failure:
            self.refused += 1
            return 0
        self.links.append(link)
        return self.more(link, self.each)

    def more(self, link, count):
        got = 0
        for _ in range(count):
            try:
                circuit = wt.Circuit(link, self.descriptor)
                if self.next_hop is not None:
                    circuit.extend(self.next_hop)
            except wt.Failure:
                self.refused += 1
                continue
            self.circuits.append(circuit)
            got += 1
        return got

    def alive(self):
        """How many still answer a PING."""
        count = 0
        for circuit in self.circuits:
            with contextlib.suppress(wt.Failure):
                circuit.link.client.timeout = 0.2
                count += circuit.ping(len(circuit.forward))
        return count

    def close(self):
        for client in self.clients:
            client.close()
