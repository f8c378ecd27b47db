# SPDX-License-Identifier: MIT
"""What services publish and prove, once more, written from
docs/protocol-services.md alone: addresses, blinded keys, descriptors, keys of
introduction points, topics, entries of members, proof of work.

Scalars are numbers of Python's; points are libsodium's. Secrets are not kept
from anybody here: this is for tests. Needs python3-nacl and python3-msgpack.
What is not as it should be raises Failure.
"""
import base64
import collections
import hashlib
import struct

import msgpack
from nacl import bindings
from nacl.exceptions import CryptoError

from warren_tunnel import Failure, blake2b, public_key, unpack_first

ORDER = 2 ** 252 + 27742317777372353535851937790883648493
DAY = 86400
SKEW = 7200
REPLICA_SALTS = b"", b"\1"
VALUE, TEXT, ENTRY_TEXT = 996, 955, 41
INTROS_MAX = 6

Blinded = collections.namedtuple("Blinded", "scalar prefix key")
PointKeys = collections.namedtuple(
    "PointKeys", "auth_seed auth_key auth_id secret key")


def labelled(size, label, *parts, key=b""):
    return blake2b(size, label.encode() + b"\0" + b"".join(parts), key)


def number(raw):
    return int.from_bytes(raw, "little")


def scalar_bytes(scalar):
    return scalar.to_bytes(32, "little")


def clamp(raw):
    return (number(raw) & ((1 << 254) - 8)) | 1 << 254


def base(scalar):
    return bindings.crypto_scalarmult_ed25519_base_noclamp(
        scalar_bytes(scalar))


def multiply(scalar, point):
    try:
        return bindings.crypto_scalarmult_ed25519_noclamp(
            scalar_bytes(scalar), point)
    except (CryptoError, RuntimeError):
        raise Failure("not the key of a service") from None


def seal(key, nonce, text, along):
    return bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        text, along, nonce, key)


def unseal(key, nonce, sealed, along):
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed, along, nonce, key)
    except CryptoError:
        raise Failure("not sealed for us") from None


# ---- Keys of services -------------------------------------------------------

def expand(seed):
    h = hashlib.sha512(seed).digest()
    a = clamp(h[:32]) % ORDER
    return Blinded(a, h[32:], base(a))


def check_key(key):
    """(l - 1) A is -A only without a torsion part."""
    if not bindings.crypto_core_ed25519_is_valid_point(key):
        raise Failure("not the key of a service")
    if multiply(ORDER - 1, key) != key[:31] + bytes([key[31] ^ 0x80]):
        raise Failure("a key with torsion")


def blind_factor(network, key, period, access=b""):
    return scalar_bytes(clamp(labelled(
        32, "warren blind",
        msgpack.packb([network, key, access, period, DAY]))))


def blind_secret(long_term, factor):
    h = clamp(factor)
    a = long_term.scalar * h % ORDER
    prefix = hashlib.sha512(b"warren blind nonce\0" + long_term.prefix
                            + scalar_bytes(h)).digest()[:32]
    return Blinded(a, prefix, base(a))


def blind_public(key, factor):
    return multiply(clamp(factor), key)


def sign(blinded, message):
    r = number(hashlib.sha512(blinded.prefix + message).digest()) % ORDER
    nonce = base(r)
    k = number(hashlib.sha512(nonce + blinded.key + message).digest())
    return nonce + scalar_bytes((r + k * blinded.scalar) % ORDER)


def verify(key, message, signature):
    try:
        bindings.crypto_sign_open(signature + message, key)
    except CryptoError:
        raise Failure("a wrong signature") from None


def credential(network, key, access=b""):
    return blake2b(32, msgpack.packb(["warren credential", network, key,
                                      access]))


# ---- Addresses --------------------------------------------------------------

def checksum(network, key, version):
    return labelled(32, "warren address", network.encode(), key,
                    bytes([version]))[:2]


def address(network, key):
    raw = key + checksum(network, key, 1) + b"\1"
    return base64.b32encode(raw).decode().lower() + ".warren"


def read_address(network, text):
    labels = text.lower().split(".")
    if labels[-1] != "warren" or len(labels) < 2:
        raise Failure("no address")
    if len(labels[-2]) != 56:
        raise Failure("an address of another length")
    try:
        raw = base64.b32decode(labels[-2].upper())
    except ValueError:
        raise Failure("an address with other characters") from None
    if checksum(network, raw[:32], raw[34]) != raw[32:34]:
        raise Failure("mistyped, or of another network")
    if raw[34] != 1:
        raise Failure("an address of another version")
    check_key(raw[:32])
    return raw[:32]


# ---- Periods ----------------------------------------------------------------

def period_of(wall):
    return wall // DAY


def alive(wall, lead=3 * 3600):
    """What a client asks for at once; with the service's own lead, what it
    publishes."""
    p, into = divmod(wall, DAY)
    if into < 3 * 3600:
        return [p, p - 1]
    return [p, p + 1] if into >= DAY - lead else [p]


# ---- Descriptors ------------------------------------------------------------

def check_target(target):
    identity, handshake_key, endpoints = target
    lengths = [len(e) for e in endpoints]
    if (len(identity), len(handshake_key)) != (32, 32) or \
            lengths not in ([6], [18], [6, 18]):
        raise Failure("a relay that is none")


def descriptor_text(period, issued, lifetime, flags, work, intros):
    """`work` is None or [seed, effort, expires], an intro [[identity,
    handshake key, [endpoint, ..]], auth id, service key]."""
    intros = sorted(intros, key=lambda intro: intro[0][0])
    return msgpack.packb([period, issued, lifetime, flags, work,
                          intros]).ljust(TEXT, b"\0")


def read_text(text):
    period, issued, lifetime, flags, work, intros = fields = unpack_first(text)
    if len(intros) > INTROS_MAX or not 1 <= lifetime <= 1440 or flags > 255:
        raise Failure("a descriptor out of its limits")
    for target, auth_id, key in intros:
        check_target(target)
        if (len(auth_id), len(key)) != (16, 32):
            raise Failure("an introduction point that is none")
    names = [intro[0][0] for intro in intros]
    if any(a >= b for a, b in zip(names, names[1:])):
        raise Failure("a relay twice, or out of order")
    if work is not None and (len(work) != 3 or len(work[0]) != 16
                             or work[1] == 0):
        raise Failure("work that is none")
    return fields


def signed_bytes(salt, seq, value):
    """BEP 44's, of a value that is a byte string."""
    head = b"4:salt%d:%s" % (len(salt), salt) if salt else b""
    return head + b"3:seqi%de1:v%d:%s" % (seq, len(value), value)


class View:
    """What one knows of a service in a period."""

    def __init__(self, network, key, period, access=b""):
        self.period = period
        self.factor = blind_factor(network, key, period, access)
        self.key = blind_public(key, self.factor)
        self.credential = credential(network, key, access)
        self.seal_key = labelled(32, "warren descriptor", self.key,
                                 struct.pack(">I", period),
                                 key=self.credential)

    def along(self, seq):
        return b"\1" + self.key + struct.pack(">Q", seq)

    def seal(self, text, seq, nonce):
        return b"\1" + nonce + seal(self.seal_key, nonce, text,
                                    self.along(seq))

    def open(self, replica, seq, value, signature):
        if seq < 1 or len(value) != VALUE or value[0] != 1:
            raise Failure("no descriptor")
        verify(self.key, signed_bytes(REPLICA_SALTS[replica], seq, value),
               signature)
        fields = read_text(unseal(self.seal_key, value[1:25], value[25:],
                                  self.along(seq)))
        if fields[0] != self.period:
            raise Failure("of another period")
        return fields


def check_time(issued, lifetime, wall):
    if issued > wall + SKEW:
        raise Failure("from the future: a clock is wrong")
    if issued + 60 * lifetime + SKEW < wall:
        raise Failure("over: the service is down, or a clock wrong")


# ---- Keys of points and members ---------------------------------------------

def service_secret(seed):
    return labelled(32, "warren service secret", key=seed)


def auth_id(auth_key):
    return blake2b(16, auth_key)


def point_keys(secret, salt, relay):
    keys = labelled(64, "warren point", salt, relay, key=secret)
    auth_key, _ = bindings.crypto_sign_seed_keypair(keys[:32])
    return PointKeys(keys[:32], auth_key, auth_id(auth_key), keys[32:],
                     public_key(keys[32:]))


def member_keys(secret):
    m = labelled(32, "warren member key", key=secret)
    return m, public_key(m)


def member_mac(secret, peer, opener, other, e):
    """The same for M_i with M_r and for M_r with M_i."""
    return labelled(16, "warren member", opener, other, e,
                    key=bindings.crypto_scalarmult(secret, peer))


# ---- Strings ----------------------------------------------------------------

class String:
    def __init__(self, network, string):
        if not 1 <= len(string) <= 255:
            raise Failure("a string has 1 to 255 bytes")
        self.root = blake2b(32, msgpack.packb(["warren service", network,
                                               string]))
        self.credential = labelled(32, "credential", key=self.root)

    def topic(self, period):
        return labelled(32, "topic", struct.pack(">I", period), key=self.root)

    def entry_key(self, period):
        return labelled(32, "entry", struct.pack(">I", period), key=self.root)


def topic_hash(network, topic, replica):
    return blake2b(20, msgpack.packb(["warren topic", network, topic,
                                      replica]))


def seal_entry(key, place, member, issued, flags, nonce):
    """`place` is auth id | relay | topic, 80 bytes."""
    text = msgpack.packb([member, issued, flags]).ljust(ENTRY_TEXT, b"\0")
    return nonce + seal(key, nonce, text, place)


def open_entry(key, place, entry):
    member, issued, flags = unpack_first(
        unseal(key, entry[:24], entry[24:], place))
    if len(member) != 32:
        raise Failure("no member")
    return member, issued, flags


# ---- Work -------------------------------------------------------------------

class Work:
    def __init__(self, seed, auth, e, effort):
        self.seed, self.effort = seed, effort
        self.fixed = seed, auth, e

    def hint(self):
        return labelled(16, "warren work hint", *self.fixed[:2])[:4]

    def challenge(self, nonce):
        return labelled(32, "warren work", *self.fixed,
                        struct.pack(">QI", nonce, self.effort))

    def digest(self, challenge):
        return bindings.crypto_pwhash_alg(
            16, challenge, self.seed, 1, 2 ** 20,
            bindings.crypto_pwhash_ALG_ARGON2ID13)

    def is_worth(self, challenge, digest):
        value, = struct.unpack(">I", blake2b(16, challenge + digest)[:4])
        return self.effort > 0 and value * self.effort < 2 ** 32

    def solve(self, nonce):
        while True:
            challenge = self.challenge(nonce)
            digest = self.digest(challenge)
            if self.is_worth(challenge, digest):
                return nonce, digest
            nonce += 1

    def verify(self, nonce, digest):
        challenge = self.challenge(nonce)
        if not self.is_worth(challenge, digest):
            raise Failure("not worth its effort")
        if self.digest(challenge) != digest:
            raise Failure("a false digest")
