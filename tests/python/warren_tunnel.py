# SPDX-License-Identifier: MIT
"""The tunnels of warren once more, written from docs/protocol-tunnel.md alone:
the handshake, links, cells and onion layers, and a client that builds a
circuit over a UDP socket. It shows that the document is enough, and that the
daemons do what it says.

Section numbers are those of the document. Needs python3-nacl and
python3-msgpack. A peer that does not do as it should raises Failure.
"""
import hashlib
import hmac
import os
import socket
import struct
import time

import msgpack
from nacl import bindings
from nacl.exceptions import CryptoError

VERSION = 1
SMALL, LARGE = 386, 1410
BODY_AT = 42
WINDOW = 960
(REFUSE, INIT, ACCEPT, RETRY, CELL, ASK, TELL, POKE, PART, COOKIE,
 UNKNOWN) = range(11)
PING, PONG, CLOSE, REKEY, REKEYED, SAMPLE_ASK, SAMPLE = range(1, 8)
CREATE, CREATED, DESTROY, RELAY = 0x10, 0x11, 0x12, 0x20
EXTEND, EXTENDED, FAILED, DATA, PIECE, M_PING, M_PONG, M_DESTROY, M_TEST, \
    M_TESTED = range(1, 11)
PACKET_IN, PACKET_BACK = 64, 65
ZERO = bytes(8)


class Failure(Exception):
    """A peer that does not answer, or not as the document says."""


# ---- 2 Primitives -----------------------------------------------------------

def nonce_of(counter):
    return bytes(4) + struct.pack("<Q", counter)


def seal(key, counter, text, associated=b""):
    return bindings.crypto_aead_chacha20poly1305_ietf_encrypt(
        bytes(text), bytes(associated), nonce_of(counter), key)


def unseal(key, counter, sealed, associated=b""):
    try:
        return bindings.crypto_aead_chacha20poly1305_ietf_decrypt(
            bytes(sealed), bytes(associated), nonce_of(counter), key)
    except CryptoError:
        raise Failure("not authentic") from None


def blake2b(size, text, key=b""):
    return hashlib.blake2b(text, digest_size=size, key=key).digest()


def public_key(secret):
    return bindings.crypto_scalarmult_base(secret)


def unpack_first(text):
    """The msgpack object at the beginning; behind it must be zeros."""
    unpacker = msgpack.Unpacker(raw=True)
    unpacker.feed(bytes(text))
    value = unpacker.unpack()
    if any(text[unpacker.tell():]):
        raise Failure("something behind a message")
    return value


def compact(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.inet_pton(family, host) + struct.pack(">H", port)


def endpoint(raw):
    family = socket.AF_INET if len(raw) == 6 else socket.AF_INET6
    return (socket.inet_ntop(family, raw[:-2]),
            int.from_bytes(raw[-2:], "big"))


class Window:
    """Which counters were seen."""

    def __init__(self, start):
        self.top, self.start, self.seen = start - 1, start, set()

    def is_fresh(self, counter):
        return (counter >= self.start and counter not in self.seen
                and counter > self.top - WINDOW)

    def accept(self, counter):
        self.seen.add(counter)
        self.top = max(self.top, counter)
        if len(self.seen) > 4 * WINDOW:
            self.seen = {c for c in self.seen if c > self.top - WINDOW}


# ---- 3 The handshake --------------------------------------------------------

def prologue(purpose, network, identity):
    return msgpack.packb(["warren", VERSION, purpose, network, identity])


class Noise:
    """Noise_NK_25519_ChaChaPoly_BLAKE2b, either side."""
    NAME = b"Noise_NK_25519_ChaChaPoly_BLAKE2b"

    def __init__(self, purpose, network, identity, static):
        self.h = self.ck = self.NAME + bytes(64 - len(self.NAME))
        self.k = None
        self.mix_hash(prologue(purpose, network, identity))
        self.mix_hash(static)
        self.remote, self.secret = static, None

    def mix_hash(self, data):
        self.h = blake2b(64, self.h + data)

    def hkdf(self, material):
        temp = hmac.new(self.ck, material, hashlib.blake2b).digest()
        one = hmac.new(temp, b"\1", hashlib.blake2b).digest()
        return one, hmac.new(temp, one + b"\2", hashlib.blake2b).digest()

    def mix_dh(self, secret, public):
        self.ck, k = self.hkdf(bindings.crypto_scalarmult(secret, public))
        self.k = k[:32]

    def write(self, payload=b"", ephemeral=None):
        self.secret = ephemeral or os.urandom(32)
        e = public_key(self.secret)
        self.mix_hash(e)
        self.mix_dh(self.secret, self.remote)
        sealed = seal(self.k, 0, payload, self.h)
        self.mix_hash(sealed)
        return e + sealed

    def read(self, message, secret=None):
        """The responder reads with its static secret."""
        self.remote = message[:32]
        self.mix_hash(self.remote)
        self.mix_dh(secret or self.secret, self.remote)
        payload = unseal(self.k, 0, message[32:], self.h)
        self.mix_hash(message[32:])
        return payload

    def split(self):
        """to_responder, to_initiator, transcript"""
        one, two = self.hkdf(b"")
        return one[:32], two[:32], self.h


# ---- 4, 5 Datagrams, opening a link -----------------------------------------

def padded(fields, total, start=b""):
    """The array of the fields and a pad, so that it has `total` bytes. The pad
    begins with `start`."""
    size = total - len(msgpack.packb(fields)) - 2
    if size > 255:
        size -= 1
    datagram = msgpack.packb(fields + [start.ljust(size, ZERO[:1])])
    assert len(datagram) == total
    return datagram


def init(identity, index, noise1, cookie=None):
    def datagram(mac1, mac2):
        return padded([INIT, VERSION, index, noise1, mac1, mac2], 256)
    blank = datagram(bytes(16), bytes(16))
    maced = blank[:blank.index(noise1) + len(noise1) + 2]
    mac1 = blake2b(16, maced, blake2b(32, b"warren mac1" + identity))
    mac2 = blake2b(16, maced, cookie) if cookie else bytes(16)
    return datagram(mac1, mac2), mac1


def open_cookie(identity, mac1, nonce, sealed):
    return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
        sealed, mac1, nonce, blake2b(32, b"warren cookie" + identity))


def ask(network, nonce, cookie=b"", reached=None, ask_back=False):
    """`reached`: where it is sent, (host, port)."""
    where = compact(*reached) if reached else b""
    return padded([ASK, VERSION, network, nonce], 640, cookie.ljust(
        16, ZERO[:1]) + bytes([ask_back, len(where)]) + where)


# ---- 6 Cells ----------------------------------------------------------------

class CellKeys:
    """One direction of a session."""

    def __init__(self, key):
        self.head = key
        self.body = blake2b(32, b"warren body", key)
        self.mask_key = blake2b(16, b"warren mask", key)

    def mask(self, counter, body):
        mask = bindings.crypto_shorthash_siphash24(
            struct.pack(">Q", counter), self.mask_key)
        body = bytearray(body)
        for before_end in (8, 32, 56, 80):
            for i in range(8):
                body[i - before_end] ^= mask[i]
        return bytes(body)


def fits(text, small, large):
    if len(text) > large:
        raise Failure("too long")
    return small if len(text) <= small else large


def cell(keys, session, counter, circuit, kind, text):
    """`text` is the body of a RELAY cell, or the text of another."""
    if kind == RELAY:
        body = keys.mask(counter, text)
    else:
        size = fits(text, 328, 1352)
        body = seal(keys.body, counter, text + bytes(size - len(text)))
    head = seal(keys.head, counter, struct.pack(">IB", circuit, kind), body)
    return (b"\x95\x04\xce" + struct.pack(">I", session) + b"\xcf"
            + struct.pack(">Q", counter) + b"\xc4\x15" + head + b"\xc5"
            + struct.pack(">H", len(body)) + body)


def parts(large):
    """A large cell as two datagrams, for a path that loses long ones."""
    head, half = b"\x95\x08" + large[2:16], LARGE // 2
    return [head + bytes([i]) + b"\xc5" + struct.pack(">H", half)
            + large[i * half:(i + 1) * half] for i in range(2)]


class Halves:
    """Those that wait for the other one."""

    def __init__(self):
        self.waiting = {}

    def join(self, datagram):
        """The cell that this part completes; what is no part as it is."""
        if len(datagram) != LARGE // 2 + 20 or datagram[:2] != b"\x95\x08":
            return datagram
        cell_of, half = datagram[2:16], datagram[16]
        self.waiting.setdefault(cell_of, {})[half] = datagram[20:]
        if len(self.waiting[cell_of]) < 2:
            return datagram
        halves = self.waiting.pop(cell_of)
        return halves[0] + halves[1]


def peek_cell(datagram):
    """Session index and counter, or None for what is no cell."""
    if len(datagram) not in (SMALL, LARGE) or datagram[:3] != b"\x95\x04\xce" \
            or datagram[7] != 0xcf or datagram[16:18] != b"\xc4\x15" \
            or datagram[39:42] != b"\xc5" + struct.pack(
                ">H", len(datagram) - BODY_AT):
        return None
    return (int.from_bytes(datagram[3:7], "big"),
            int.from_bytes(datagram[8:16], "big"))


def open_cell(keys, counter, datagram):
    """Circuit index, type and text (the body of a RELAY cell)."""
    body = datagram[BODY_AT:]
    circuit, kind = struct.unpack(">IB", unseal(keys.head, counter,
                                                datagram[18:39], body))
    if kind == RELAY:
        return circuit, kind, keys.mask(counter, body)
    return circuit, kind, unseal(keys.body, counter, body)


# ---- 9 Onion layers ---------------------------------------------------------

def first_counter(key):
    return 1 + (int.from_bytes(blake2b(16, b"warren counter", key)[:8], "big")
                >> 16)


class Layer:
    """One direction of one hop, at either end, or of a client at the other end
    of joined circuits (depth 0)."""

    def __init__(self, key, depth):
        self.key, self.around = key, 24 * depth if depth else 128
        self.counter = first_counter(key)
        self.window = Window(self.counter)

    def add(self, text):
        sealed = seal(self.key, self.counter, text)
        self.counter += 1
        return sealed + struct.pack(">Q", self.counter - 1)

    def remove(self, body, size):
        """The text of this layer of a body that had `size` bytes."""
        text = size - self.around
        counter = int.from_bytes(body[text + 16:text + 24], "big")
        if not self.window.is_fresh(counter):
            raise Failure("an old counter")
        opened = unseal(self.key, counter, body[:text + 16])
        self.window.accept(counter)
        return opened


def size_of(message, large=False):
    return 1368 if large else fits(message, 344 - 128, 1368 - 128) + 128


def add_layers(layers, text):
    for layer in reversed(layers):
        text = layer.add(text)
    return text


def wrap(layers, message, large=False):
    """A whole body, from the client to the last of these layers' hops."""
    size = size_of(message, large)
    return add_layers(layers, message + bytes(size - 24 * len(layers)
                                              - len(message)))


def wrap_end(layers, end, message, large=False, fill=os.urandom):
    """One for whoever is at the other end of joined circuits."""
    size = size_of(message, large)
    text = end.add(message + bytes(size - 128 - len(message)))
    tail = fill(104 - 24 * len(layers))
    while tail[-8:] == ZERO:
        tail = fill(len(tail))
    return add_layers(layers, text + tail)


def unwrap(layers, body):
    """Which hop (from 1) sent it, and its message; 0 and an end layer."""
    text = body
    for hop, layer in enumerate(layers, 1):
        text = layer.remove(text, len(body))
        if text[-8:] == ZERO:
            return hop, unpack_first(text[:len(body) - 128])
    return 0, text[:len(body) - 104]


# ---- 15 Descriptors ---------------------------------------------------------

class Descriptor:
    """Raises Failure for one that is not right; times are not checked."""

    def __init__(self, text, network):
        body, signature = msgpack.unpackb(text, raw=True)
        (version, name, self.identity, self.handshake_key, self.issued,
         self.expires, self.roles, addresses, policy, self.bandwidth,
         self.family, *more) = msgpack.unpackb(body, raw=True)
        if version != VERSION or name != network.encode():
            raise Failure("of another network or version")
        try:
            bindings.crypto_sign_open(
                signature + b"warren descriptor\0" + body, self.identity)
        except Exception:
            raise Failure("a forged descriptor") from None
        self.endpoints = [endpoint(a) for a in addresses]
        self.policy = policy.decode()
        self.tcp_policy = more[0].decode() if more else None


# ---- 16 Finding relays ------------------------------------------------------

def relay_key(network, i):
    return blake2b(20, msgpack.packb(["warren relay", network, i]))


def relay_key_index(identity):
    return blake2b(20, identity)[0]


# ---- A client ---------------------------------------------------------------

class Client:
    """A UDP socket, links and circuits over it, one thing at a time."""

    def __init__(self, address, network, timeout=5.0):
        self.sock = socket.socket(
            socket.AF_INET6 if ":" in address else socket.AF_INET,
            socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.network, self.timeout = network, timeout

    def close(self):
        self.sock.close()

    def receive(self, wanted, what):
        """The first that `wanted` makes anything of."""
        deadline = time.monotonic() + self.timeout
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"no answer in time: {what}")
            self.sock.settimeout(left)
            try:
                result = wanted(*self.sock.recvfrom(2048))
            except socket.timeout:
                continue
            if result is not None:
                return result

    def descriptor(self, node):
        """Asks the node at this endpoint for its descriptor."""
        nonce = os.urandom(8)

        def told(datagram, sender):
            if sender[:2] != node or datagram[0] >> 4 != 9:
                return None
            m = msgpack.unpackb(datagram, raw=True)
            if m[:2] == [COOKIE, nonce]:
                self.sock.sendto(ask(self.network, nonce, m[2], node), node)
            if m[:2] != [TELL, nonce]:
                return None
            return Descriptor(m[2], self.network)
        self.sock.sendto(ask(self.network, nonce, reached=node), node)
        return self.receive(told, f"TELL of {node}")


class Link:
    """A link that we open to the node of a descriptor."""

    def __init__(self, client, descriptor):
        self.client = client
        self.peer = descriptor.endpoints[0]
        self.local = int.from_bytes(os.urandom(4), "big") | 1
        self.circuits = {}
        self.counter, self.window, self.halves = 1, Window(1), Halves()
        self.open(descriptor)

    def open(self, d, cookie=None):
        noise = Noise("link", self.client.network, d.identity,
                      d.handshake_key)
        datagram, mac1 = init(d.identity, self.local, noise.write(), cookie)

        def answered(got, sender):
            if sender[:2] != self.peer or peek_cell(got):
                return None
            m = msgpack.unpackb(got, raw=True)
            return m if m[1] == self.local else None
        self.client.sock.sendto(datagram, self.peer)
        m = self.client.receive(answered, f"ACCEPT of {self.peer}")
        if m[0] == RETRY and cookie is None:
            return self.open(d, open_cookie(d.identity, mac1, m[2], m[3]))
        if m[0] != ACCEPT:
            raise Failure(f"kind {m[0]} in answer to INIT")
        self.remote = m[2]
        noise.read(m[3])
        forward, backward, _ = noise.split()
        self.out, self.back = CellKeys(forward), CellKeys(backward)
        self.send(0, PING)

    def send(self, circuit, kind, text=b""):
        self.client.sock.sendto(
            cell(self.out, self.remote, self.counter, circuit, kind, text),
            self.peer)
        self.counter += 1

    def receive(self, circuit, what):
        """The next cell for this circuit; type and text."""
        def for_it(datagram, _sender):
            datagram = self.halves.join(datagram)
            index = peek_cell(datagram)
            if index is None or index[0] != self.local \
                    or not self.window.is_fresh(index[1]):
                return None
            found, kind, text = open_cell(self.back, index[1], datagram)
            self.window.accept(index[1])
            if kind == PING:
                self.send(0, PONG, text[:8])
            if kind == CLOSE:
                raise Failure("the link was closed")
            return (kind, text) if found == circuit and kind >= CREATE else None
        return self.client.receive(for_it, what)

    def close(self):
        self.send(0, CLOSE)


def same(answers):
    """The answer to what was said more than once."""
    for answer in answers:
        if answer != answers[0]:
            raise Failure(f"{answer} after {answers[0]}")
    return answers[0]


class Circuit:
    """A circuit whose first hop is the peer of a link."""

    def __init__(self, link, first, times=1):
        self.link, self.forward, self.backward = link, [], []
        self.transcript = None  # of the last hop
        self.local = int.from_bytes(os.urandom(4), "big") | 1
        self.attempt = 0
        noise, noise1 = self.begin(first)
        answers = []
        for _ in range(times):
            link.send(0, CREATE, msgpack.packb([self.local, noise1]))
            answers.append(link.receive(self.local, "CREATED"))
        kind, text = same(answers)
        if kind != CREATED:
            raise Failure(f"refused: {unpack_first(text)}")
        self.remote, noise2 = unpack_first(text)
        self.finish(noise, noise2)

    def begin(self, d):
        noise = Noise("hop", self.link.client.network, d.identity,
                      d.handshake_key)
        return noise, noise.write(msgpack.packb([len(self.forward) + 1]))

    def finish(self, noise, noise2):
        noise.read(noise2)
        forward, backward, self.transcript = noise.split()
        depth = len(self.forward) + 1
        self.forward.append(Layer(forward, depth))
        self.backward.append(Layer(backward, depth))

    def send(self, hop, message):
        self.link.send(self.remote, RELAY,
                       wrap(self.forward[:hop], msgpack.packb(message)))

    def receive(self, what):
        """Hop and message."""
        kind, text = self.link.receive(self.local, what)
        if kind != RELAY:
            raise Failure(f"cell {kind:#x} instead of {what}: "
                          f"{unpack_first(text)}")
        return unwrap(self.backward, text)

    def extend(self, d, times=1):
        last = len(self.forward)
        noise, noise1 = self.begin(d)
        self.attempt += 1
        answers = []
        for _ in range(times):
            self.send(last, [EXTEND, self.attempt, d.identity, d.handshake_key,
                             compact(*d.endpoints[0]), noise1])
            answers.append(self.receive("EXTENDED"))
        hop, m = same(answers)
        if hop != last or m[:2] != [EXTENDED, self.attempt]:
            raise Failure(f"hop {hop} says {m} instead of EXTENDED")
        self.finish(noise, m[2])

    def ping(self, hop):
        nonce = int.from_bytes(os.urandom(8), "big")
        self.send(hop, [M_PING, nonce])
        return self.receive("PONG") == (hop, [M_PONG, nonce])

    def data(self, destination, payload):
        """`destination` is (host, port); a name goes as a name."""
        try:
            where = compact(*destination)
        except OSError:
            where = list(destination)
        self.send(len(self.forward), [DATA, where, payload])

    def answer(self):
        """Endpoint and payload of the next datagram that comes back."""
        hop, m = self.receive("DATA")
        if hop != len(self.forward) or m[0] != DATA:
            raise Failure(f"hop {hop} says {m} instead of DATA")
        return endpoint(m[1]), m[2]

    def destroy(self):
        self.link.send(self.remote, DESTROY, msgpack.packb([1]))
