# SPDX-License-Identifier: MIT
"""Nodes of the DHT and relays of an attacker, which lie."""
import ipaddress
import os
import selectors
import socket
import time

import msgpack
from nacl.signing import SigningKey

from circuits import NETWORK, wt
from crowd import Crowd, Meanwhile, bound_socket
from dht_peer import DhtPeer, dht_query
from harness import PORT
from internet import family_of, nth


def crc32c_table():
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
        table.append(crc)
    return table


CRC32C = crc32c_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 0xff] ^ (crc >> 8)
    return crc ^ 0xffffffff


def node_id(address, rest=None):
    """An id that BEP 42 allows for this address; its last 17 bytes from
    `rest`."""
    raw = ipaddress.ip_address(address).packed
    rest = rest or os.urandom(17)
    mask = bytes.fromhex("030f3fff" if len(raw) == 4 else "0103070f1f3f7fff")
    masked = bytearray(a & b for a, b in zip(raw, mask))
    masked[0] |= (rest[-1] & 7) << 5
    crc = crc32c(masked)
    return (crc >> 8).to_bytes(3, "big")[:2] + bytes(
        [crc >> 8 & 0xf8 | rest[0] & 7]) + rest


def near(network, target, tries=256):
    """The address in this network, and the id that BEP 42 allows it, that is
    nearest to the target of those that were tried."""
    def distance(found):
        return (int.from_bytes(found[1], "big")
                ^ int.from_bytes(target, "big"))

    each = 64 if ":" in network else None
    addresses = [nth(network, i, each) for i in range(tries)]
    return min(((a, node_id(a, target[3:19] + bytes([last])))
                for a in addresses for last in range(8)), key=distance)


class FakeNodes:
    """DHT nodes of an attacker, {address: id}, of one family, at any number
    of addresses. They answer all that is asked with the nearest of each
    other, store nothing, and say that they did.

    `ip`: (host, port) that they say they see the asker at."""

    def __init__(self, nodes, ip=None, port=PORT):
        self.nodes = dict(nodes)
        self.family = family_of(next(iter(self.nodes)))
        self.crowd = Crowd(self.family, port)
        self.port, self.ip, self.asked = port, ip, 0
        self.meanwhile = Meanwhile(self.step)
        self.meanwhile.__enter__()

    def close(self):
        self.meanwhile.__exit__(None)
        self.crowd.close()

    def introduce(self, *to):
        """They ask these nodes something, each once."""
        for address, ident in self.nodes.items():
            for other in to:
                self.crowd.send(address, other, dht_query(
                    "find_node", ident, target=ident))

    def step(self):
        got = self.crowd.receive(0.1)
        if got is None or got[0] not in self.nodes or got[2][0] >> 4 == 9:
            return
        ours, sender, datagram = got
        message = msgpack.unpackb(datagram, raw=True)
        if message.get(b"y") != b"q":
            return
        self.asked += 1
        answer = {"r": self.results(ours, message), "t": message[b"t"],
                  "y": "r", "ip": wt.compact(*(self.ip or sender))}
        self.crowd.send(ours, sender, msgpack.packb(answer))

    def results(self, ours, query):
        a = query[b"a"]
        result = {"id": self.nodes[ours]}
        target = a.get(b"target") or a.get(b"info_hash")
        if target and query[b"q"] in (b"find_node", b"get_peers", b"get",
                                      b"sample_infohashes"):
            result["nodes" if self.family == socket.AF_INET else "nodes6"] = \
                self.nearest(target)
        if query[b"q"] in (b"get_peers", b"get"):
            result["token"] = b"12345678"
        return result

    def nearest(self, target):
        wanted = int.from_bytes(target, "big")
        ranked = sorted(self.nodes.items(), key=lambda n: wanted
                        ^ int.from_bytes(n[1], "big"))[:8]
        return b"".join(ident + wt.compact(address, self.port)
                        for address, ident in ranked)


def signed_descriptor(key, endpoints, roles=3, policy="reject 25"):
    """What a relay says of itself; `key` is a nacl SigningKey, endpoints are
    (host, port). Roles: 1 relay, 2 exit."""
    body = msgpack.packb([
        wt.VERSION, NETWORK, bytes(key.verify_key), os.urandom(32),
        int(time.time()), int(time.time()) + 86400, roles,
        [wt.compact(*e) for e in endpoints], policy, 0, b""])
    signature = key.sign(b"warren descriptor\0" + body).signature
    return msgpack.packb([body, signature])


class FakeRelays:
    """Relays of an attacker that exist as descriptors only: one socket each,
    at one address, that answers ASK. `claim(i)` is what the i-th lists before
    the endpoint where it is."""

    def __init__(self, address, count, claim=None, first_port=20000):
        self.address, self.sockets, self.told = address, {}, 0
        self.identities = set()
        self.select = selectors.DefaultSelector()
        for i in range(count):
            key, sock = SigningKey.generate(), bound_socket(
                address, first_port + i)
            ends = [sock.getsockname()[:2]]
            descriptor = signed_descriptor(
                key, ([claim(i)] if claim else []) + ends)
            self.identities.add(bytes(key.verify_key).hex())
            self.sockets[sock] = descriptor
            self.select.register(sock, selectors.EVENT_READ)
        self.meanwhile = Meanwhile(self.step)

    def answer(self):
        """From now on."""
        self.meanwhile.__enter__()

    def close(self):
        if self.meanwhile.thread.is_alive():
            self.meanwhile.__exit__(None)
        for sock in self.sockets:
            sock.close()
        self.select.close()

    def announce(self, nodes, target):
        """Each of them in turn, with each key: under target(i), at the nodes
        {id: endpoint} that are nearest to it. Before `answer`."""
        for i, sock in enumerate(self.sockets):
            key = target(i)
            near_by = sorted(nodes, key=lambda n: int.from_bytes(n, "big")
                             ^ int.from_bytes(key, "big"))[:4]
            peer = DhtPeer.over(sock)
            for ident in near_by:
                peer.announce(nodes[ident], key, implied_port=1)

    def step(self):
        for ready, _ in self.select.select(0.1):
            sock = ready.fileobj
            datagram, sender = sock.recvfrom(2048)
            if datagram[0] >> 4 != 9:
                continue
            m = msgpack.unpackb(datagram, raw=True)
            if m[0] == wt.ASK:
                self.told += 1
                sock.sendto(msgpack.packb(
                    [wt.TELL, m[3], self.sockets[sock]]), sender)
