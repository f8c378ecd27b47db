# SPDX-License-Identifier: MIT
"""How a service and its client meet, once more, written from
docs/protocol-services.md alone: the messages between a client and the last hop
of its circuit, the handshake "service", joined circuits and the end plane.

Both sides are here, and none of it does anything by itself: who uses it says
each thing, and can say it wrong. Needs python3-nacl and python3-msgpack.
"""
import contextlib
import os
import queue
import socket
import threading
import time

import msgpack
from nacl import bindings

import service_record as r
import warren_tunnel as w
from warren_tunnel import Failure

ESTABLISH, ESTABLISHED, INTRODUCE, ACK, INTRODUCED, RESULT, RENDEZVOUS, \
    READY, JOIN, JOINED, MEMBERS_ASK, MEMBERS, DHT_GET, DHT_PEERS, DHT_ITEM, \
    DHT_PUT, DHT_DONE, RELAY_ASK, RELAY_TOLD = range(16, 35)
LARGE = {ESTABLISH, INTRODUCE, INTRODUCED, MEMBERS, DHT_GET, DHT_PEERS,
         DHT_ITEM, DHT_PUT, DHT_DONE, RELAY_TOLD}
TAKEN, REFUSED, BUSY, UNKNOWN, REPLACED, FULL, AGAIN = range(7)
HELLO, DATA, PIECE, PING, PONG, MOVE, MOVED, CLOSE = range(1, 9)
PACKET_IN, PACKET_BACK = 64, 65
PROBE = 1
SEALED, ANSWER = 400, 16
PIECE_BYTES = 1216


# ---- The handshake "service" ------------------------------------------------

def invitation(cookie, target, resume=b"", member=b"", mac=b"", greeting=0,
               flags=0, version=1):
    return msgpack.packb([version, cookie, target, resume, member, mac,
                          greeting, flags]).ljust(SEALED, b"\0")


def handshake(network, credential, key):
    return w.Noise("service", network, credential, key)


def read_invitation(network, credential, key, secret, noise1):
    """The handshake, and the fields behind the version."""
    noise = handshake(network, credential, key)
    version, *fields = w.unpack_first(noise.read(noise1, secret))
    if version != 1 or len(fields) != 7:
        raise Failure("another kind of invitation")
    r.check_target(fields[1])
    return noise, fields


def answer(noise, resumed=False, ephemeral=None):
    return noise.write(bytes([resumed]).ljust(ANSWER, b"\0"), ephemeral)


def resume_name(to_responder):
    return w.blake2b(16, b"warren resume", to_responder)


def target_of(d):
    """How a relay is named to others."""
    return [d.identity, d.handshake_key, [w.compact(*d.endpoints[0])]]


class Target:
    """The other way round: what a circuit can be extended to."""

    def __init__(self, target):
        self.identity, self.handshake_key, endpoints = target
        self.endpoints = [w.endpoint(e) for e in endpoints]


def establish(auth_seed, auth_key, transcript, topic=b"", entry=b"", rate=0,
              burst=0):
    fields = [ESTABLISH, auth_key, rate, burst, topic, entry]
    covered = b"warren establish\0" + transcript[:32] + msgpack.packb(fields)
    signed = bindings.crypto_sign(covered, auth_seed + auth_key)
    return fields + [signed[:64]]


# ---- Links that are read all the time ---------------------------------------

class LiveLink(w.Link):
    """A link with a socket of its own, whose cells are sorted as they come:
    so that one can have many circuits, and answers questions meanwhile."""

    def __init__(self, address, network, descriptor):
        self.lock = threading.Lock()
        self.inbox, self.over = {}, False
        super().__init__(w.Client(address, network), descriptor)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def send(self, circuit, kind, text=b""):
        with self.lock:
            super().send(circuit, kind, text)

    def read(self):
        self.client.sock.settimeout(0.2)
        while not self.over:
            with contextlib.suppress(socket.timeout, Failure):
                self.take(self.client.sock.recvfrom(2048)[0])

    def take(self, datagram):
        datagram = self.halves.join(datagram)
        index = w.peek_cell(datagram)
        if index is None or index[0] != self.local \
                or not self.window.is_fresh(index[1]):
            return
        circuit, kind, text = w.open_cell(self.back, index[1], datagram)
        self.window.accept(index[1])
        if kind == w.PING:
            self.send(0, w.PONG, text[:8])
        if kind >= w.CREATE:
            self.box(circuit).put((kind, text))

    def box(self, circuit):
        with self.lock:
            return self.inbox.setdefault(circuit, queue.Queue())

    def receive(self, circuit, what, timeout=None):
        try:
            return self.box(circuit).get(
                timeout=timeout or self.client.timeout)
        except queue.Empty:
            raise Failure(f"no answer in time: {what}") from None

    def close(self):
        if self.over:
            return
        super().close()
        self.over = True
        self.thread.join(5)
        self.client.close()


class Road(w.Circuit):
    """A circuit for services: messages of the last hop, and end layers."""

    def __init__(self, link, *hops):
        super().__init__(link, hops[0])
        self.hops = list(hops[:1])
        self.kept = []
        for hop in hops[1:]:
            self.go_on(hop)

    def go_on(self, hop):
        self.extend(hop)
        self.hops.append(hop)
        return self

    @property
    def last(self):
        return self.hops[-1]

    def relay(self, body):
        self.link.send(self.remote, w.RELAY, body)

    def say(self, message):
        self.relay(w.wrap(self.forward, msgpack.packb(message),
                          message[0] in LARGE))

    def hear(self, *kinds, timeout=5.0):
        """The next message of these kinds from the last hop; what else comes
        meanwhile is kept for whoever asks for that."""
        until = time.monotonic() + timeout
        for i, (hop, m) in enumerate(self.kept):
            if hop == len(self.forward) and m[0] in kinds:
                return self.kept.pop(i)[1]
        while True:
            hop, m = self.next(until - time.monotonic(), kinds)
            if hop == len(self.forward) and m[0] in kinds:
                return m
            if hop == len(self.forward) and m[0] == w.FAILED:
                raise Failure(f"FAILED {m[2]} instead of {kinds}")
            self.kept.append((hop, m))

    def next(self, left, what):
        if left <= 0:
            raise Failure(f"no answer in time: {what}")
        kind, text = self.link.receive(self.local, what, left)
        if kind != w.RELAY:
            raise Failure(f"cell {kind:#x} instead of {what}")
        return w.unwrap(self.backward, text)

    def hear_end(self, timeout):
        """The next end layer."""
        until = time.monotonic() + timeout
        for i, (hop, layer) in enumerate(self.kept):
            if hop == 0:
                return self.kept.pop(i)[1]
        while True:
            hop, layer = self.next(until - time.monotonic(), "an end cell")
            if hop == 0:
                return layer
            self.kept.append((hop, layer))

    def ask(self, message, *kinds, timeout=10.0, each=2.0):
        """Says it again until it is answered."""
        until = time.monotonic() + timeout
        while True:
            self.say(message)
            try:
                return self.hear(*kinds, timeout=each)
            except Failure:
                if time.monotonic() > until:
                    raise


# ---- What the last hop does -------------------------------------------------

def get(road, key, salt, number=1):
    """Items found, best seq first, as [seq, signature, value]."""
    road.say([DHT_GET, number, key, salt])
    found = []
    while True:
        m = road.hear(DHT_ITEM, DHT_DONE, timeout=8)
        if m[1] != number:
            continue
        if m[0] == DHT_DONE:
            return sorted(found, reverse=True)
        found.append(m[2:])


def put(road, key, salt, seq, signature, value, number=1):
    """The reason, and how many nodes stored it."""
    road.say([DHT_PUT, number, key, salt, seq, signature, value])
    m = road.hear(DHT_DONE, timeout=8)
    return m[2], m[5]


def peers(road, topic_hash, number=1):
    road.say([DHT_GET, number, topic_hash, b""])
    found = []
    while True:
        m = road.hear(DHT_PEERS, DHT_DONE, timeout=8)
        if m[0] == DHT_DONE:
            return found
        found += m[2]


def told(road, endpoint, network, number=9):
    """What the relay at this endpoint says of itself; None: nothing."""
    road.say([RELAY_ASK, number, endpoint])
    m = road.hear(RELAY_TOLD, timeout=8)
    return w.Descriptor(m[2], network) if m[2] else None


def wait_at(road, cookie):
    """RENDEZVOUS; the circuit waits for a JOIN."""
    m = road.ask([RENDEZVOUS, cookie], READY)
    if m[1] != cookie:
        raise Failure("READY for another cookie")


# ---- The end plane ----------------------------------------------------------

class Leg:
    """One pair of joined circuits, from one end."""

    def __init__(self, road, out, back):
        self.road, self.resume = road, None
        self.out, self.back = w.Layer(out, 0), w.Layer(back, 0)

    def say(self, *message):
        self.say_raw(msgpack.packb(list(message)))

    def say_raw(self, text):
        self.road.relay(w.wrap_end(self.road.forward, self.out, text))

    def hear(self, *kinds, timeout=10.0):
        """The next message of these kinds; PINGs and HELLOs are answered."""
        until = time.monotonic() + timeout
        while True:
            layer = self.road.hear_end(max(until - time.monotonic(), 0.001))
            m = w.unpack_first(self.back.remove(layer, len(layer) + 104))
            if m[0] in (PING, HELLO):
                self.say(PONG, m[1])
            if m[0] in kinds:
                return m

    def hello(self, timeout=15.0):
        """Until the other end is heard: it may not be joined yet."""
        until = time.monotonic() + timeout
        while True:
            nonce = int.from_bytes(os.urandom(8), "big")
            self.say(HELLO, nonce)
            with contextlib.suppress(Failure):
                return self.hear(PONG, timeout=0.5)
            if time.monotonic() > until:
                raise Failure("the other end is not there")

    def data(self, port, payload, number=0):
        whole = msgpack.packb([DATA, port, payload])
        if len(whole) <= 1240:
            self.say_raw(whole)
            return
        parts = [whole[i:i + PIECE_BYTES]
                 for i in range(0, len(whole), PIECE_BYTES)]
        for i, part in enumerate(parts):
            self.say(PIECE, number, i, len(parts), part)

    def answer(self, timeout=10.0):
        """Port and payload of the next datagram."""
        m = self.hear(DATA, PIECE, timeout=timeout)
        if m[0] == PIECE:
            parts = {m[2]: m[4]}
            while len(parts) < m[3]:
                n = self.hear(PIECE, timeout=timeout)
                parts[n[2]] = n[4]
            m = w.unpack_first(b"".join(parts[i] for i in range(m[3])))
        return m[1], m[2]


def leg_of_opener(road, noise, noise2):
    """And whether the other end knew the channel that was to be resumed."""
    resumed = noise.read(noise2)[0]
    to_responder, to_initiator, _ = noise.split()
    leg = Leg(road, to_responder, to_initiator)
    leg.resume = resume_name(to_responder)
    return leg, bool(resumed)


def leg_of_responder(road, noise):
    to_responder, to_initiator, _ = noise.split()
    leg = Leg(road, to_initiator, to_responder)
    leg.resume = resume_name(to_responder)
    return leg
