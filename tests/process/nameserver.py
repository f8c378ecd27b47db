# SPDX-License-Identifier: MIT
"""A DNS server for tests."""
import ipaddress
import socket
import struct
import threading

A, PTR, AAAA = 1, 12, 28


def wire(name):
    """A name as it stands in a message."""
    return b"".join(bytes([len(x)]) + x.encode()
                    for x in name.split(".")) + b"\0"


class Dns(threading.Thread):
    """Knows the addresses of a few names, and the names of a few addresses
    (`reverse`), and notes which it is asked for, and from which ports. It may
    take its time (`delay`, s) for a name that it is asked for first, as one
    with a cache does."""

    def __init__(self, address, names, port=0, delay=0):
        super().__init__(daemon=True)
        self.names, self.asked, self.broken = names, [], False
        self.delay, self.ports = delay, []
        self.reverse = {}
        family, _, _, _, at = socket.getaddrinfo(
            address, port, type=socket.SOCK_DGRAM)[0]
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind(at)
        self.endpoint = "%s:%d" % self.sock.getsockname()[:2]
        self.start()

    def run(self):
        while True:
            query, source = self.sock.recvfrom(2048)
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            kind = struct.unpack_from(">H", query, at + 1)[0]
            name = ".".join(labels).lower()
            if name != "invalid":  # an exit's own, to see whether we answer
                self.asked.append(name)
                self.ports.append(source[1])
            answer = self.answer(query, at + 5, name, kind)
            if answer and self.delay and self.asked.count(name) <= 1:
                threading.Timer(self.delay, self.sock.sendto,
                                (answer, source)).start()
            elif answer:
                self.sock.sendto(answer, source)

    def answer(self, query, end, name, kind):
        if name.startswith("silent"):
            return None
        if name.startswith("failing") or self.broken:
            return query[:2] + struct.pack(">HHHHH", 0x8182, 1, 0, 0, 0) \
                + query[12:end]  # SERVFAIL
        found = [socket.inet_pton(socket.AF_INET6 if ":" in a
                                  else socket.AF_INET, a)
                 for a in self.names.get(name, ())
                 if (":" in a) == (kind == AAAA) and kind in (A, AAAA)]
        known = {ipaddress.ip_address(a).reverse_pointer: text
                 for a, text in self.reverse.items()}
        if kind == PTR and known.get(name):
            found = [wire(known[name])]
        records = b"".join(struct.pack(">HHHIH", 0xc00c, kind, 1, 60, len(a))
                           + a for a in found)
        code = 0 if name in self.names or name in known else 3  # NXDOMAIN
        return query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found),
                                       0, 0) + query[12:end] + records
