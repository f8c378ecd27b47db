#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes all that docs/vectors/tunnel.txt names with the implementation that
was written from the document, and compares."""
import importlib.util
import struct
import sys
import unittest

if importlib.util.find_spec("nacl") is None:
    print("skipped: python3-nacl is missing, ./dev setup installs it")
    sys.exit(0)

import msgpack
from nacl import bindings

import warren_tunnel as w
from vector_file import Vectors

NETWORK = "test"
v = Vectors("tunnel.txt")


def secret(byte):
    return bytes([byte]) * 32


def handshake(purpose, hop, ephemeral, payload=b""):
    """Both sides: noise1, noise2, keys."""
    identity, static = v(f"identity.{hop}"), v(f"handshake_key.{hop}")
    client = w.Noise(purpose, NETWORK, identity, static)
    node = w.Noise(purpose, NETWORK, identity, static)
    noise1 = client.write(payload, secret(ephemeral))
    assert node.read(noise1, secret(0x21 + hop)) == payload
    noise2 = node.write(b"", secret(ephemeral + 0x10))
    client.read(noise2)
    assert client.split() == node.split()
    return noise1, noise2, client.split()


class Vectors(unittest.TestCase):
    def test_a_nodes(self):
        for i in range(1, 4):
            identity, _ = bindings.crypto_sign_seed_keypair(secret(0x10 + i))
            self.assertEqual(identity, v(f"identity.{i}"))
            self.assertEqual(w.public_key(secret(0x21 + i)),
                             v(f"handshake_key.{i}"))

    def test_b_link(self):
        identity = v("identity.1")
        self.assertEqual(w.prologue("link", NETWORK, identity), v("prologue"))
        noise1, noise2, keys = handshake("link", 1, 0x30)
        self.assertEqual(noise1, v("noise1"))
        self.assertEqual(noise2, v("noise2"))
        self.assertEqual(keys, (v("to_responder"), v("to_initiator"),
                                v("transcript")))
        datagram, mac1 = w.init(identity, 0x01020304, noise1)
        self.assertEqual(datagram, v("init"))
        self.assertEqual(msgpack.packb([w.ACCEPT, 0x01020304, 0x05060708,
                                        noise2]), v("accept"))
        cookie = w.blake2b(16, w.compact("203.0.113.200", 7881), secret(0x77))
        self.assertEqual(cookie, v("cookie"))
        retry = msgpack.unpackb(v("retry"), raw=True)
        self.assertEqual(retry[:3], [w.RETRY, 0x01020304, b"\x66" * 24])
        self.assertEqual(w.open_cookie(identity, mac1, retry[2], retry[3]),
                         cookie)
        self.assertEqual(w.init(identity, 0x01020304, noise1, cookie)[0],
                         v("init_with_cookie"))
        self.assertEqual(msgpack.packb([w.REFUSE, 0x01020304, 1]), v("refuse"))
        self.assertEqual(w.ask(NETWORK, bytes(range(1, 9))), v("ask"))
        cookie = bytes([9, 10, 11, 12]).ljust(16, b"\0")
        self.assertEqual(w.ask(NETWORK, bytes(range(1, 9)), cookie),
                         v("ask_with_cookie"))
        self.assertEqual(w.ask(NETWORK, bytes(range(1, 9)), cookie,
                               ("203.0.113.200", 7881), True),
                         v("ask_of_unproven"))
        self.assertEqual(msgpack.packb([w.COOKIE, bytes(range(1, 9)), cookie]),
                         v("cookie_for_ask"))
        self.assertEqual(msgpack.packb([w.POKE]), v("poke"))
        self.assertEqual(msgpack.packb([w.UNKNOWN, 0x01020304]), v("unknown"))

    def test_c_cells(self):
        keys = w.CellKeys(v("to_responder"))
        self.assertEqual(keys.body, v("body_key"))
        self.assertEqual(keys.mask_key, v("mask_key"))
        destroy = msgpack.packb([1])
        self.assertEqual(destroy, v("text_destroy"))
        text = b"a body of 344 bytes, zeros from here on"
        body = text + bytes(344 - len(text))
        for name, counter, circuit, kind, text in (
                ("cell_ping", 1, 0, w.PING, b""),
                ("cell_destroy", 2, 0x0a0b0c0d, w.DESTROY, destroy),
                ("cell_relay", 3, 0x0a0b0c0d, w.RELAY, body)):
            made = w.cell(keys, 0x05060708, counter, circuit, kind, text)
            self.assertEqual(made, v(name), name)
            self.assertEqual(w.peek_cell(made), (0x05060708, counter))
            opened = w.open_cell(keys, counter, made)
            self.assertEqual(opened[:2], (circuit, kind))
            self.assertEqual(opened[2].rstrip(b"\0"), text.rstrip(b"\0"))
        large = w.cell(keys, 0x05060708, 4, 0, w.PING,
                       b"\x88" * 8 + bytes(1344))
        self.assertEqual(large, v("cell_large_ping"))
        self.assertEqual(w.parts(large), [v("part.1"), v("part.2")])
        for order in (1, 2), (2, 1):
            halves = w.Halves()
            first, second = [halves.join(v(f"part.{i}")) for i in order]
            self.assertIsNone(w.peek_cell(first))
            self.assertEqual(second, large)
        self.assertEqual(msgpack.packb([0x11121314, v("noise1")]),
                         v("text_rekey"))

    def test_d_onion(self):
        down, up, at_hop, at_client = [], [], [], []
        for i in range(1, 4):
            noise1, noise2, keys = handshake("hop", i, 0x30 + i,
                                             msgpack.packb([i]))
            self.assertEqual(noise1, v(f"hop_noise1.{i}"))
            self.assertEqual(noise2, v(f"hop_noise2.{i}"))
            self.assertEqual(keys[0], v(f"forward_key.{i}"))
            self.assertEqual(keys[1], v(f"backward_key.{i}"))
            for key, layers, name in ((keys[0], (down, at_hop), "forward"),
                                      (keys[1], (up, at_client), "backward")):
                for layer in layers:
                    layer.append(w.Layer(key, i))
                self.assertEqual(struct.pack(">Q", w.first_counter(key)),
                                 v(f"{name}_counter.{i}"))
        self.assertEqual(msgpack.packb([0x0a0b0c0d, v("hop_noise1.1")]),
                         v("text_create"))
        self.assertEqual(msgpack.packb([0x0e0f1011, v("hop_noise2.1")]),
                         v("text_created"))
        data = [w.DATA, w.compact("203.0.113.99", 7881), b"hello"]
        self.check_forward("data", 3, data, down, at_hop)
        self.check_backward(data, up, at_client)
        self.check_forward("ping", 2, [w.M_PING, 0x0123456789abcdef], down,
                           at_hop)

    def check_forward(self, name, hop, message, down, at_hop):
        body = w.wrap(down[:hop], msgpack.packb(message))
        self.assertEqual(len(body), 344)
        for i in range(1, hop + 1):
            self.assertEqual(body, v(f"{name}_at_hop.{i}"))
            body = at_hop[i - 1].remove(body, 344)
            self.assertEqual(body[-8:] == w.ZERO, i == hop)
        self.assertEqual(w.unpack_first(body), message)

    def check_backward(self, message, up, at_client):
        text = msgpack.packb(message)
        text += bytes(344 - 24 * 3 - len(text))
        for i in range(3, 0, -1):
            text = up[i - 1].add(text)
            self.assertEqual(text, v(f"answer_from_hop.{i}"))
        self.assertEqual(w.unwrap(at_client, text), (3, message))
        with self.assertRaises(w.Failure):
            w.unwrap(at_client, text)

    def test_e_messages(self):
        noise = b"\x99" + bytes(49)
        pad = b"\0\x08" + bytes(6)
        nonce = 0x500000001
        for name, message in (
                ("extend", [w.EXTEND, 1, v("identity.2"),
                            v("handshake_key.2"),
                            w.compact("203.0.113.2", 7881), noise]),
                ("extended", [w.EXTENDED, 1, noise[:48]]),
                ("failed", [w.FAILED, 1, 3]),
                ("data_to_name", [w.DATA, ["echo.example", 7], b"hello"]),
                ("piece", [w.PIECE, 258, 1, 2, b"llo"]),
                ("pong", [w.M_PONG, 7]),
                ("destroy", [w.M_DESTROY, 11]),
                ("test", [w.M_TEST, nonce, pad]),
                ("tested", [w.M_TESTED, nonce, pad]),
                ("packet_in", [w.PACKET_IN, b"packet"]),
                ("packet_back", [w.PACKET_BACK, b"packet"])):
            self.assertEqual(msgpack.packb(message), v(name), name)

    def test_f_directory(self):
        d = w.Descriptor(v("descriptor"), NETWORK)
        self.assertEqual(d.identity, v("identity.1"))
        self.assertEqual(d.handshake_key, v("handshake_key.1"))
        self.assertEqual((d.issued, d.expires), (1800000000, 1800086400))
        self.assertEqual((d.roles, d.bandwidth, d.family), (3, 1000, b""))
        self.assertEqual(d.endpoints, [("203.0.113.1", 7881)])
        self.assertEqual(d.policy, "accept 443")
        self.assertIsNone(d.tcp_policy)
        t = w.Descriptor(v("descriptor_tcp"), NETWORK)
        self.assertEqual((t.identity, t.policy), (d.identity, d.policy))
        self.assertEqual(t.tcp_policy, "accept 80,443")
        forged = bytearray(v("descriptor"))
        forged[100] ^= 1
        with self.assertRaises(w.Failure):
            w.Descriptor(bytes(forged), NETWORK)
        i = w.relay_key_index(v("identity.1"))
        self.assertEqual(bytes([i]), v("key_index"))
        self.assertEqual(w.relay_key(NETWORK, i), v("key_of_hop"))
        self.assertEqual(w.relay_key("main", 0), v("key_main_0"))
        self.assertEqual(w.relay_key("main", 255), v("key_main_255"))

    def test_z_nothing_is_left_out(self):
        self.assertEqual(v.unused(), set())


if __name__ == "__main__":
    unittest.main()
