# SPDX-License-Identifier: MIT
"""The public Internet on one machine, for tests of strangers: real daemons
without `testing_network`, and attackers who own as many addresses as a test
gives them.

Importing this moves the process into a network namespace, the Internet, where
every public address is local (AnyIP): a socket of the test is at any of them
by binding to it. Each daemon is in a namespace of its own, a machine with the
addresses that it was given and a default route, so that it sees an ordinary
network; each has a cable to the Internet, which forwards.

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
import os
import pathlib
import resource
import shutil
import signal
import socket
import tempfile
import unittest

# What tests of strangers import from here.
from internet import (  # noqa: F401
    WHY_NOT, Machine, family_of, go, home, home6, homes, homes6, inside, join,
    nth)
from harness import (  # noqa: F401
    PORT, SANITIZER, Echo, Failure, Node, clean_environment, wait_for)
from circuits import (  # noqa: F401
    NETWORK, IdleCircuits, Stranger, circuit_served, circuits_served,
    data_served, descriptor_of, reached_over, wt)
from crowd import (  # noqa: F401
    Crowd, Meanwhile, Pace, bound_socket)
from dht_peer import (  # noqa: F401
    DhtPeer, dht_query, dht_served, immutable_target)
from liars import (  # noqa: F401
    FakeNodes, FakeRelays, near, node_id, signed_descriptor)


class PublicNode(Node):
    """A daemon on a machine of its own. HTTP is on its loopback."""

    def __init__(self, directory, machine, flags):
        super().__init__(directory, "127.0.0.1")
        self.machine, self.addresses = machine, machine.addresses
        self.more, self.files = list(flags), None
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

    def reached_by(self, addresses):
        """Its endpoints of the families of these addresses."""
        families = {family_of(a) for a in addresses}
        return [join(a) for a in self.addresses if family_of(a) in families]

    def start(self, *extra, **more):
        """`self.files`: its limits of open files, soft and hard."""
        def before():
            go(self.machine.space)
            if self.files:
                resource.setrlimit(resource.RLIMIT_NOFILE, self.files)

        return super().start(*extra, preexec_fn=before, **more)

    def status(self):
        """Without another process, as tests ask often."""
        return self.rpc("status")

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
        running = [n for n in self.nodes if n.is_running()]
        for node in running:  # all at once, and then wait
            node.send_signal(signal.SIGTERM)
        for node in running:
            self.assertEqual(node.process.wait(20), 0, node.log_text())
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
        for other in bootstrap:
            node.bootstrap += other.reached_by(addresses) \
                if isinstance(other, PublicNode) else [other]
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
