# SPDX-License-Identifier: MIT
"""The last hop of circuits, once more, written from docs/protocol-tunnel.md
and docs/protocol-services.md: a rendezvous or introduction point that does as
it should, unless who inherits from it does not. It extends to nobody and is in
no directory: it is met by those who are told of it.
"""
import contextlib
import os
import socket
import threading
import time

import msgpack
from nacl import bindings

import service_meeting as m
import warren_tunnel as w
from warren_tunnel import Failure


class Session:
    """One link, of its responder."""

    def __init__(self, relay, peer, remote, noise):
        self.relay, self.peer, self.remote = relay, peer, remote
        self.local = int.from_bytes(os.urandom(4), "big") | 1
        forward, backward, _ = noise.split()
        self.back, self.out = w.CellKeys(forward), w.CellKeys(backward)
        self.counter, self.window, self.halves = 1, w.Window(1), w.Halves()
        self.lock = threading.Lock()

    def send(self, circuit, kind, text=b""):
        with self.lock:
            self.relay.sock.sendto(
                w.cell(self.out, self.remote, self.counter, circuit, kind,
                       text), self.peer)
            self.counter += 1


class End:
    """A circuit that ends here."""

    def __init__(self, session, remote, noise, depth):
        self.session, self.remote, self.depth = session, remote, depth
        self.local = int.from_bytes(os.urandom(4), "big") | 1
        forward, backward, self.transcript = noise.split()
        self.forward = w.Layer(forward, depth)
        self.back = w.Layer(backward, depth)
        self.messages, self.ends = [], []
        self.with_ = None  # what it is joined with

    def relay(self, text, size):
        fill = os.urandom(24 * (self.depth - 1))
        self.session.send(self.remote, w.RELAY, self.back.add(
            text[:size - 24 * self.depth]) + fill)

    def say(self, message, large=None):
        text = msgpack.packb(message)
        size = w.size_of(text, message[0] in m.LARGE
                         if large is None else large)
        self.relay(text + bytes(size - 24 * self.depth - len(text)), size)

    def say_end(self, layer, fill=b"\1"):
        """`layer` as the other circuit had it, or anything else."""
        size = len(layer) + 104
        self.relay(layer + fill * 104, size)


class Relay:
    """Joins, and introduces to whoever asks it for an introduction point."""
    roles = 9

    def __init__(self, address, network, port=7881):
        seed = os.urandom(32)
        self.identity, self.signing = bindings.crypto_sign_seed_keypair(seed)
        self.secret = os.urandom(32)
        self.handshake_key = w.public_key(self.secret)
        self.network = network
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, port))
        self.endpoints = [(address, port)]
        self.sessions, self.circuits, self.waiting = {}, [], {}
        self.points, self.introduced = {}, {}
        self.sources, self.over = set(), False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def target(self):
        return m.target_of(self)

    def descriptor(self):
        now = int(time.time())
        body = msgpack.packb([
            1, self.network, self.identity, self.handshake_key, now,
            now + 86400, self.roles, [w.compact(*self.endpoints[0])], "", 0,
            b""])
        signed = bindings.crypto_sign(b"warren descriptor\0" + body,
                                      self.signing)
        return msgpack.packb([body, signed[:64]])

    def close(self):
        self.over = True
        self.thread.join(5)
        self.sock.close()

    def run(self):
        self.sock.settimeout(0.1)
        while not self.over:
            with contextlib.suppress(socket.timeout):
                datagram, sender = self.sock.recvfrom(2048)
                self.sources.add(sender)
                with contextlib.suppress(Failure, ValueError, KeyError):
                    self.take(datagram, sender)

    def take(self, datagram, sender):
        if datagram[:2] in (b"\x95\x04", b"\x95\x08"):
            self.cell(datagram)
            return
        fields = msgpack.unpackb(datagram, raw=True)
        if fields[0] == w.INIT:
            self.open(fields, sender)
        elif fields[0] == w.ASK:
            self.sock.sendto(msgpack.packb([w.TELL, fields[3],
                                            self.descriptor()]), sender)

    def open(self, fields, sender):
        noise = w.Noise("link", self.network, self.identity,
                        self.handshake_key)
        noise.read(fields[3], self.secret)
        noise2 = noise.write()
        session = Session(self, sender, fields[2], noise)
        self.sessions[session.local] = session
        self.sock.sendto(msgpack.packb([w.ACCEPT, fields[2], session.local,
                                        noise2]), sender)

    # ---- Cells

    def cell(self, datagram):
        index = w.peek_cell(datagram)
        if index is None:
            session = self.sessions[int.from_bytes(datagram[3:7], "big")]
            datagram = session.halves.join(datagram)
            index = w.peek_cell(datagram)
            if index is None:
                return
        session = self.sessions[index[0]]
        if not session.window.is_fresh(index[1]):
            return
        circuit, kind, text = w.open_cell(session.back, index[1], datagram)
        session.window.accept(index[1])
        if kind == w.PING:
            session.send(0, w.PONG, text[:8])
        elif kind == w.CREATE:
            self.create(session, text)
        elif kind == w.RELAY:
            self.relayed(self.find(session, circuit), text)
        elif kind == w.DESTROY:
            self.gone(self.find(session, circuit))

    def find(self, session, local):
        for c in self.circuits:
            if c.session is session and c.local == local:
                return c
        raise Failure("no such circuit")

    def create(self, session, text):
        index, noise1 = w.unpack_first(text)
        for c in self.circuits:  # said again
            if c.session is session and c.remote == index:
                session.send(index, w.CREATED, c.created)
                return
        noise = w.Noise("hop", self.network, self.identity,
                        self.handshake_key)
        depth, = msgpack.unpackb(noise.read(noise1, self.secret))
        noise2 = noise.write()
        c = End(session, index, noise, depth)
        c.created = msgpack.packb([c.local, noise2])
        self.circuits.append(c)
        session.send(index, w.CREATED, c.created)

    def relayed(self, c, body):
        text = c.forward.remove(body, len(body))
        if text[-8:] != w.ZERO:
            layer = text[:len(body) - 104]
            c.ends.append(layer)
            self.on_end(c, layer)
            return
        message = w.unpack_first(text[:len(body) - 128])
        c.messages.append(message)
        self.on_message(c, message)

    # ---- What it is asked

    def gone(self, c):
        self.circuits.remove(c)
        if c.with_ is not None:
            c.with_.with_ = None
            c.with_.say([w.FAILED, 0, 4])

    def on_end(self, c, layer):
        if c.with_ is not None:
            c.with_.say_end(layer)

    def on_message(self, c, message):
        kind, *rest = message
        if kind == w.M_PING:
            c.say([w.M_PONG, rest[0]])
        elif kind == w.EXTEND:
            c.say([w.FAILED, rest[0], 6])
        elif kind == m.ESTABLISH:
            self.on_establish(c, message)
        elif kind == m.RENDEZVOUS:
            self.waiting[rest[0]] = c
            c.say([m.READY, rest[0]])
        elif kind == m.JOIN:
            self.on_join(c, *rest)
        elif kind == m.INTRODUCE:
            self.on_introduce(c, *rest)
        elif kind == m.RESULT:
            self.introduced[rest[0]].say([m.ACK, *rest[1:]])

    def on_establish(self, c, message):
        self.points[w.blake2b(16, message[1])] = c
        c.say([m.ESTABLISHED, m.TAKEN])

    def on_introduce(self, c, auth_id, work, noise1):
        point = self.points.get(auth_id)
        if point is None:
            c.say([m.ACK, m.UNKNOWN, 0])
            return
        handle = int.from_bytes(os.urandom(4), "big")
        self.introduced[handle] = c
        point.say([m.INTRODUCED, handle, auth_id, work, noise1])

    def on_join(self, c, cookie, noise2):
        other = self.waiting.get(cookie)
        if other is None:
            c.say([w.FAILED, 0, 2])
            return
        c.with_, other.with_ = other, c
        other.say([m.JOINED, noise2])
        c.say([m.JOINED, b""])


class Inn(Relay):
    """A rendezvous point that is its own client: who joins here talks to it.
    It keeps what comes, and can say anything."""

    def __init__(self, *args):
        self.guests = {}  # cookie: (circuit, noise2)
        self.joins = 0
        super().__init__(*args)

    def on_join(self, c, cookie, noise2):
        self.joins += cookie not in self.guests
        self.guests[cookie] = c, noise2
        c.say([m.JOINED, b""])

    def came(self, cookie, timeout=20.0):
        until = time.monotonic() + timeout
        while cookie not in self.guests:
            if time.monotonic() > until:
                raise Failure("nobody came")
            time.sleep(0.02)
        return self.guests[cookie]

    def leg(self, attempt, timeout=20.0):
        """What the client has that waits here."""
        c, noise2 = self.came(attempt.cookie, timeout)
        leg, attempt.resumed = m.leg_of_opener(Bench(c), attempt.noise, noise2)
        leg.attempt = attempt
        return leg


class Bench:
    """What a Leg wants of a road, where the relay itself is the client."""
    forward = ()

    def __init__(self, c):
        self.c, self.seen = c, 0

    def relay(self, body):
        self.c.say_end(body[:len(body) - 104])

    def hear_end(self, timeout):
        until = time.monotonic() + timeout
        while self.seen == len(self.c.ends):
            if time.monotonic() > until:
                raise Failure("no end cell in time")
            time.sleep(0.005)
        self.seen += 1
        return self.c.ends[self.seen - 1]
