#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes all that docs/vectors/services.txt names with the implementation that
was written from the document, and compares."""
import importlib.util
import sys
import unittest

if importlib.util.find_spec("nacl") is None:
    print("skipped: python3-nacl is missing, ./dev setup installs it")
    sys.exit(0)

import msgpack

import service_meeting as m
import service_record as r
import warren_tunnel as w
from vector_file import Vectors
from warren_tunnel import Failure, compact

NETWORK = "test"
PERIOD = 20833
WALL = 1800000000
SEED, ACCESS, RELAY, E = (bytes([b]) * 32 for b in (0x11, 0x55, 0x88, 0xcc))
SALT = AUTH_ID = b"\x77" * 16
v = Vectors("services.txt")


def intro(byte, *more):
    def key(offset, size=32):
        return bytes([byte + offset]) * size

    endpoints = [compact(f"8.8.4.{byte}", 7881), *more]
    return [[key(0), key(0x40), endpoints], key(0x80, 16), key(0xc0)]


class ServiceVectors(unittest.TestCase):
    def test_a_keys(self):
        secret = r.expand(SEED)
        self.assertEqual(r.scalar_bytes(secret.scalar), v("scalar"))
        self.assertEqual(secret.prefix, v("prefix"))
        self.assertEqual(secret.key, v("key"))
        self.assertEqual(r.credential(NETWORK, secret.key), v("credential"))
        self.assertEqual(r.credential(NETWORK, secret.key, ACCESS),
                         v("credential_with_access"))
        for i, period, access in ((1, PERIOD, b""), (2, PERIOD + 1, b""),
                                  (3, PERIOD, ACCESS)):
            factor = r.blind_factor(NETWORK, secret.key, period, access)
            self.assertEqual(factor, v(f"blind_factor.{i}"))
            blinded = r.blind_secret(secret, factor)
            self.assertEqual(r.scalar_bytes(blinded.scalar),
                             v(f"blinded_scalar.{i}"))
            self.assertEqual(blinded.prefix, v(f"blinded_prefix.{i}"))
            self.assertEqual(blinded.key, v(f"blinded_key.{i}"))
            self.assertEqual(r.blind_public(secret.key, factor), blinded.key)
            if i == 1:
                self.assertEqual(r.sign(blinded, b"a value"), v("signature"))
                r.verify(blinded.key, b"a value", v("signature"))

    def test_b_addresses(self):
        text = v("address").decode()
        self.assertEqual(r.address(NETWORK, v("key")), text)
        self.assertEqual(r.read_address(NETWORK, "www." + text.upper()),
                         v("key"))
        torsion = r.bindings.crypto_core_ed25519_add(
            v("key"), b"\xec" + b"\xff" * 30 + b"\x7f")
        for network, wrong in (("main", text), (NETWORK, "a" + text),
                               (NETWORK, "1" + text[1:]), (NETWORK, text[:-1]),
                               (NETWORK, r.address(NETWORK, torsion)),
                               (NETWORK, r.address(NETWORK, b"\1" * 32))):
            with self.assertRaises(Failure):
                r.read_address(network, wrong)

    def test_c_descriptors(self):
        view = r.View(NETWORK, v("key"), PERIOD)
        blinded = r.blind_secret(r.expand(SEED), view.factor)
        work = [b"\xdd" * 16, 2048, WALL + 3600]
        intros = [intro(1), intro(2, compact("2a00:1450::1", 7881)), intro(3)]
        text = r.descriptor_text(PERIOD, WALL, 180, 0, work, intros[::-1])
        self.assertEqual(text, v("descriptor_text"))
        value = view.seal(text, 7, b"\x66" * 24)
        self.assertEqual(msgpack.packb(value), v("descriptor_value"))
        for i, salt in enumerate(r.REPLICA_SALTS):
            signature = r.sign(blinded, r.signed_bytes(salt, 7, value))
            self.assertEqual(signature, v(f"descriptor_signature.{i}"))
            self.assertEqual(view.open(i, 7, value, signature),
                             [PERIOD, WALL, 180, 0, work, intros])
            for replica, seq in ((1 - i, 7), (i, 8), (i, 0)):
                with self.assertRaises(Failure):
                    view.open(replica, seq, value, signature)
        text = r.descriptor_text(PERIOD, WALL, 10, 0, None, [])
        self.assertEqual(msgpack.packb(view.seal(text, 8, b"\x66" * 24)),
                         v("withdrawn_value"))

    def test_d_points(self):
        secret = r.service_secret(SEED)
        self.assertEqual(secret, v("service_secret"))
        names = "auth_seed", "auth_key", "auth_id", "point_secret", "point_key"
        self.assertEqual(r.point_keys(secret, SALT, RELAY),
                         tuple(v(name) for name in names))

    def test_e_strings(self):
        string = r.String(NETWORK, b"my service identifier")
        topic, key = string.topic(PERIOD), string.entry_key(PERIOD)
        self.assertEqual(string.root, v("root"))
        self.assertEqual(topic, v("topic"))
        self.assertEqual(key, v("entry_key"))
        self.assertEqual(string.credential, v("string_credential"))
        for i in range(2):
            self.assertEqual(r.topic_hash(NETWORK, topic, i),
                             v(f"topic_hash.{i}"))
        (one, first), (two, second) = members = [
            r.member_keys(bytes([b]) * 32) for b in (0x99, 0xaa)]
        for i, pair in enumerate(members, 1):
            self.assertEqual(pair, (v(f"member_secret.{i}"),
                                    v(f"member_key.{i}")))
        place = AUTH_ID + RELAY + topic
        entry = r.seal_entry(key, place, first, WALL, 0, b"\xbb" * 24)
        self.assertEqual(entry, v("entry"))
        self.assertEqual(r.open_entry(key, place, entry), (first, WALL, 0))
        with self.assertRaises(Failure):
            r.open_entry(key, place[::-1], entry)
        mac = v("member_mac")
        self.assertEqual(r.member_mac(one, second, first, second, E), mac)
        self.assertEqual(r.member_mac(two, first, first, second, E), mac)
        self.assertNotEqual(r.member_mac(two, first, second, first, E), mac)

    def test_f_work(self):
        work = r.Work(b"\xdd" * 16, AUTH_ID, E, 64)
        nonce, digest = work.solve(0)
        self.assertEqual(nonce.to_bytes(8, "big"), v("work_nonce"))
        self.assertEqual(digest, v("work_digest"))
        self.assertEqual(work.hint(), v("work_hint"))
        work.verify(nonce, digest)
        with self.assertRaises(Failure):
            work.verify(nonce, digest[::-1])

    def test_g_times(self):
        self.assertEqual(r.period_of(WALL), PERIOD)
        midnight = PERIOD * r.DAY
        for into, lead, want in ((0, 7200, [0, -1]), (10800, 7200, [0]),
                                 (79199, 7200, [0]), (79200, 7200, [0, 1]),
                                 (75600, 10800, [0, 1]), (75599, 10800, [0])):
            self.assertEqual(r.alive(midnight + into, lead),
                             [PERIOD + p for p in want])
        r.check_time(WALL, 180, WALL - 7200)
        r.check_time(WALL, 180, WALL + 18000)
        for wall in WALL - 7201, WALL + 18001:
            with self.assertRaises(Failure):
                r.check_time(WALL, 180, wall)

    def test_h_establish(self):
        for i, topic, entry in ((0, b"", b""), (1, b"\1" * 32, b"\2" * 81)):
            self.assertEqual(msgpack.packb(m.establish(
                v("auth_seed"), v("auth_key"), b"\xf4" * 64, topic, entry, 20,
                300)), v(f"establish.{i}"))

    def test_i_invitations(self):
        target = [b"\xf2" * 32, b"\x41" * 32,
                  [compact("8.8.4.1", 7881), compact("2a00:1450::1", 7881)]]
        cookie, resume, e = b"\xf3" * 16, b"\xf5" * 16, b"\xee" * 32
        opener = m.handshake(NETWORK, v("credential"), v("point_key"))
        noise1 = opener.write(m.invitation(cookie, target, resume,
                                           greeting=WALL), e)
        self.assertEqual(noise1, v("noise1"))
        noise, fields = m.read_invitation(NETWORK, v("credential"),
                                          v("point_key"), v("point_secret"),
                                          noise1)
        self.assertEqual(fields, [cookie, target, resume, b"", b"", WALL, 0])
        self.assertEqual(m.answer(noise, True, b"\xef" * 32), v("noise2"))
        leg, resumed = m.leg_of_opener(None, opener, v("noise2"))
        self.assertTrue(resumed)
        other = m.leg_of_responder(None, noise)
        for key, name in ((leg.out.key, "to_responder"),
                          (other.back.key, "to_responder"),
                          (leg.back.key, "to_initiator"),
                          (other.out.key, "to_initiator"),
                          (leg.resume, "resume_name")):
            self.assertEqual(key, v(name))
        with self.assertRaises(Failure):
            m.read_invitation(NETWORK, v("credential_with_access"),
                              v("point_key"), v("point_secret"), noise1)
        mac = r.member_mac(v("member_secret.2"), v("member_key.1"),
                           v("member_key.2"), v("member_key.1"),
                           w.public_key(e))
        noise1 = m.handshake(
            NETWORK, v("string_credential"), v("member_key.1")).write(
                m.invitation(cookie, target, b"", v("member_key.2"), mac,
                             WALL), e)
        self.assertEqual(noise1, v("noise1_of_member"))

    def test_j_end_plane(self):
        cookie = b"\xf3" * 16
        for name, message in (
                ("hello", [m.HELLO, 5]), ("ping", [m.PING, 5]),
                ("pong", [m.PONG, 5]), ("data", [m.DATA, 53, b"hi"]),
                ("piece", [m.PIECE, 258, 1, 2, b"x"]),
                ("move", [m.MOVE, cookie, b"\1" * 448]),
                ("moved", [m.MOVED, cookie, 6]), ("close", [m.CLOSE, 1]),
                ("packet_in", [m.PACKET_IN, b"packet"]),
                ("packet_back", [m.PACKET_BACK, b"packet"])):
            self.assertEqual(msgpack.packb(message), v(f"end_{name}"))
        for depth in 1, 4:
            end = w.Layer(b"\xf0" * 32, 0)
            layers = [w.Layer(b"\xf1" * 32, i + 1) for i in range(depth)]
            body = w.wrap_end(layers, end, v("end_hello"),
                              fill=lambda n: b"\xaa" * n)
            self.assertEqual(body, v(f"end_cell.{depth}"))
            hop, found = w.unwrap(
                [w.Layer(b"\xf1" * 32, i + 1) for i in range(depth)], body)
            self.assertEqual((hop, found), (0, v("end_layer")))
            text = w.Layer(b"\xf0" * 32, 0).remove(found, len(body))
            self.assertEqual(w.unpack_first(text), [m.HELLO, 5])

    def test_z_nothing_is_left_out(self):
        self.assertEqual(v.unused(), set())


if __name__ == "__main__":
    unittest.main()
