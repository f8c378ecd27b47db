# SPDX-License-Identifier: MIT
"""Users of circuits at any public address, honest ones and those who want
to have all of them."""
import contextlib
import copy
import pathlib
import sys
import time

from crowd import bound_socket
from internet import family_of, home, home6

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "python"))
import warren_tunnel as wt  # noqa: E402
from harness import Failure  # noqa: E402

NETWORK = "main"


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
    ordered = copy.copy(descriptor)
    ordered.endpoints = ends
    return ordered


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


def data_served(descriptor, address, echo, timeout=2.0):
    """An honest client sends data through this exit to an echo server and
    gets it back: seconds, or the reason why not as a str."""
    begun = time.monotonic()
    with Stranger(address, timeout, (0.5, 1)) as client:
        try:
            link = client.link(descriptor)
            circuit = client.circuit(link, descriptor)
            host, port = echo.endpoint.rsplit(":", 1)
            circuit.data((host, int(port)), b"hello")
            circuit.answer()
            circuit.destroy()
            link.close()
        except wt.Failure as failure:
            return str(failure)
    return time.monotonic() - begun


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
