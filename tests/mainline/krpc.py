# SPDX-License-Identifier: MIT
"""The mainline DHT's messages by hand: bencode, one who asks, and a crowd of
plain nodes."""
import os
import socket
import time

from stage import Crowd, Meanwhile, bound_socket, family_of, node_id

NODE_BYTES = {socket.AF_INET: 26, socket.AF_INET6: 38}
NODES_KEY = {socket.AF_INET: "nodes", socket.AF_INET6: "nodes6"}


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%b" % (len(value), value)
    if isinstance(value, (list, tuple)):
        return b"l%be" % b"".join(map(bencode, value))
    pairs = sorted((k.encode() if isinstance(k, str) else k, v)
                   for k, v in value.items())
    return b"d%be" % b"".join(bencode(k) + bencode(v) for k, v in pairs)


def decode_at(data, at):
    if data[at:at + 1] == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if data[at:at + 1] in (b"l", b"d"):
        items, kind = [], data[at:at + 1]
        at += 1
        while data[at:at + 1] != b"e":
            item, at = decode_at(data, at)
            items.append(item)
        return (items if kind == b"l" else
                dict(zip(items[::2], items[1::2]))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    if end > len(data):
        raise ValueError("a string ends behind the message")
    return data[colon + 1:end], end


def bdecode(data):
    """Keys and strings are bytes. ValueError: it is none."""
    value, end = decode_at(data, 0)
    if end != len(data):
        raise ValueError("there is more behind the message")
    return value


def compact(address, port):
    return socket.inet_pton(family_of(address), address) + port.to_bytes(
        2, "big")


def endpoint(raw):
    """(host, port) of 6 or 18 bytes."""
    family = socket.AF_INET if len(raw) == 6 else socket.AF_INET6
    return (socket.inet_ntop(family, raw[:-2]),
            int.from_bytes(raw[-2:], "big"))


def split(raw, size):
    return [raw[at:at + size] for at in range(0, len(raw), size)]


def nodes_of(results, family):
    """{(host, port): id} of an answer's nodes of a family."""
    raw = results.get(NODES_KEY[family].encode(), b"")
    return {endpoint(n[20:]): n[:20] for n in split(raw, NODE_BYTES[family])}


class Asker:
    """Who asks nodes something; read-only (BEP 43), so that no table has
    him. `heard` has all datagrams, for the text of a failure."""

    def __init__(self, address, timeout=2.0):
        self.sock = bound_socket(address)
        self.family, self.timeout = family_of(address), timeout
        self.id, self.heard = node_id(address), []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def ask(self, to, method, **arguments):
        """The message that answers, or None in time."""
        transaction = os.urandom(2)
        query = bencode({"t": transaction, "y": "q", "q": method, "ro": 1,
                         "a": {"id": self.id, **arguments}})
        self.sock.sendto(query, to)
        self.heard.append(b"=> " + query)
        deadline = time.monotonic() + self.timeout
        while (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                datagram, sender = self.sock.recvfrom(4096)
            except socket.timeout:
                return None
            self.heard.append(b"<= " + datagram)
            if sender[:2] == to and datagram[:1] == b"d":
                answer = bdecode(datagram)
                if answer.get(b"t") == transaction and answer[b"y"] != b"q":
                    return answer
        return None

    def nodes_near(self, to, target):
        """Those that it tells: the good ones of its table."""
        answer = self.ask(to, "find_node", target=target) or {}
        return nodes_of(answer.get(b"r", {}), self.family)


class PlainNodes:
    """Many nodes of the mainline DHT, each at an address of its own, all in
    one: they answer everything with the nearest of themselves and of
    `others`, {(host, port): id}, and keep nothing."""

    def __init__(self, addresses, port, others=None):
        self.family = family_of(addresses[0])
        self.mine = {a: node_id(a) for a in addresses}
        self.port = port
        self.others = dict(others or {})
        self.crowd = Crowd(self.family, port)
        self.meanwhile = Meanwhile(self.step)
        self.meanwhile.__enter__()

    def close(self):
        self.meanwhile.__exit__(None)
        self.crowd.close()

    def nearest(self, target):
        wanted = int.from_bytes(target, "big")
        there = {(a, self.port): i for a, i in self.mine.items()}
        ranked = sorted({**there, **self.others}.items(), key=lambda n: wanted
                        ^ int.from_bytes(n[1], "big"))[:8]
        return b"".join(i + compact(*where) for where, i in ranked)

    def step(self):
        got = self.crowd.receive(0.1)
        if got is None or got[0] not in self.mine:
            return
        ours, sender, datagram = got
        try:
            query = bdecode(datagram)
        except ValueError:
            return
        if not isinstance(query, dict) or query.get(b"y") != b"q":
            return
        a = query[b"a"]
        results = {"id": self.mine[ours], "token": "12345678"}
        target = a.get(b"target") or a.get(b"info_hash")
        if target:
            results[NODES_KEY[self.family]] = self.nearest(target)
        self.crowd.send(ours, sender, bencode(
            {"t": query[b"t"], "y": "r", "r": results,
             "ip": compact(*sender)}))
