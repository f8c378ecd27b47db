#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A stranger tries to reach the other machines of an exit's operator, which
have global addresses like everybody. He does not; the Internet he does, and
what the operator opens."""
import ipaddress
import threading
import unittest

from internet import ip
from stage import (Failure, Stranger, StrangersTest, bound_socket,
                   descriptor_of, home, home6, wait_for, wt)

PORT = 4007
POLICY = 16


def other_of(address, bits, last):
    """Another address in the network of this length around it."""
    net = ipaddress.ip_network(f"{address}/{bits}", strict=False)
    return str(net[last])


class Host(threading.Thread):
    """A machine that answers whoever reaches it."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.sock = bound_socket(address, PORT)
        self.asked = 0
        self.start()

    def run(self):
        while True:
            data, source = self.sock.recvfrom(2048)
            if not data:
                return
            self.asked += 1
            self.sock.sendto(data, source[:2])

    def close(self):
        self.sock.sendto(b"", self.sock.getsockname()[:2])
        self.join(5)
        self.sock.close()


class OperatorsNetwork(StrangersTest):
    def host(self, address):
        host = Host(address)
        self.addCleanup(host.close)
        return host

    def exit(self, *flags):
        self.node = self.daemon(home(1), home6(1), flags=["--exit", *flags])
        self.node.start()
        return descriptor_of(self.node)

    def outcome(self, descriptor, address):
        """"answered", or the reason why not."""
        with Stranger(home(100), 2.0, (0.5, 1)) as client:
            circuit = client.circuit(client.link(descriptor), descriptor)
            circuit.data((address, PORT), b"hello")
            hop, m = circuit.receive("an answer")
            if hop != 1:
                raise Failure(f"hop {hop}")
            return m[2] if m[0] == wt.FAILED else "answered"

    def test_machines_beside_the_exit(self):
        near = {"in its /64": other_of(home6(1), 64, 0x99),
                "in its /56": other_of(home6(1), 56, (5 << 64) + 0x99),
                "in its /24": other_of(home(1), 24, 99)}
        far = {"in another /48": home6(2), "in another /16": home(2)}
        descriptor = self.exit()
        for where, address in near.items():
            with self.subTest(where=where):
                host = self.host(address)
                self.assertEqual(self.outcome(descriptor, address), POLICY)
                self.assertEqual(host.asked, 0)
        for where, address in far.items():
            with self.subTest(where=where):
                self.host(address)
                self.assertEqual(self.outcome(descriptor, address), "answered")

    def test_a_network_that_comes_and_goes(self):
        """As soon as the kernel tells of it."""
        beside = "2a05:77:1:203::99"
        self.host(beside)
        descriptor = self.exit()
        self.assertEqual(self.outcome(descriptor, beside), "answered")
        for what, outcome in ("add", POLICY), ("del", "answered"):
            ip(f"addr {what} 2a05:77:1:201::1/64 dev eth0"
               + (" noprefixroute nodad" if what == "add" else ""),
               space=self.node.machine.space)
            wait_for(f"the exit has noticed: {what}",
                     lambda o=outcome: self.outcome(descriptor, beside) == o,
                     5, 0.2)

    def test_what_the_operator_opens(self):
        open_to, closed = (other_of(home6(1), 64, n) for n in (0x99, 0x9a))
        self.host(open_to)
        self.host(closed)
        descriptor = self.exit("--exit.policy",
                               f"accept [{open_to}]/128:{PORT}, accept *")
        self.assertEqual(self.outcome(descriptor, open_to), "answered")
        self.assertEqual(self.outcome(descriptor, closed), POLICY)


if __name__ == "__main__":
    unittest.main()
