# SPDX-License-Identifier: MIT
"""Honest users of the DHT, at any public address."""
import hashlib
import os
import socket
import time

import msgpack

from crowd import bound_socket
from internet import family_of


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

    @classmethod
    def over(cls, sock, timeout=1.0):
        """With a socket that is there already."""
        self = cls.__new__(cls)
        self.sock, self.address = sock, sock.getsockname()[0]
        self.timeout, self.id = timeout, os.urandom(20)
        return self

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

    def announce(self, to, info_hash, **arguments):
        """Asks for a token and announces; whether it was taken."""
        answer = self.ask(to, "get_peers", info_hash=info_hash)
        token = answer and answer.get(b"r", {}).get(b"token")
        if not token:
            return False
        answer = self.ask(to, "announce_peer", info_hash=info_hash,
                          token=token, **(arguments or {"port": 7000}))
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
