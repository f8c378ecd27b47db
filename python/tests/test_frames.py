# SPDX-License-Identifier: MIT
"""Frames: whole, in pieces, and such as no daemon sends."""
import os
import random
import unittest

import msgpack

from fake import warren
from warren._frames import (FRAME_MAX, REQUEST_MAX, FrameReader, Notification,
                            Response, pack_request)

SEED = int(os.environ.get("WARREN_TEST_SEED", "0")) or random.getrandbits(32)


def read(data):
    return list(FrameReader().feed(data))


class Frames(unittest.TestCase):
    def wrong(self, data, code=None):
        with self.assertRaises(warren.ProtocolError) as caught:
            read(data)
        if code is not None:
            self.assertEqual(caught.exception.code, code)

    def test_answers_and_news(self):
        data = b"".join(map(msgpack.packb, (
            [1, 7, None, {"a": 1}],
            [1, 2 ** 32 - 1, {"code": "full", "text": "no"}, None],
            [2, "peer", [7, {"peer": "p"}]])))
        wanted = [Response(7, None, {"a": 1}),
                  Response(2 ** 32 - 1, warren.WarrenError("full"), {}),
                  Notification("peer", 7, {"peer": "p"})]
        for size in range(1, len(data) + 1):
            reader = FrameReader()
            got = [f for at in range(0, len(data), size)
                   for f in reader.feed(data[at:at + size])]
            self.assertEqual(got[0], wanted[0])
            self.assertEqual(got[2], wanted[2])
            self.assertEqual((got[1].msgid, got[1].error.code,
                              got[1].error.text), (2 ** 32 - 1, "full", "no"))

    def test_no_frames(self):
        for value in (
                None, 1, "x", [], {}, [1], [1, 2], [1, 2, None], [True, 1,
                None, {}], [1, True, None, {}], [1, -1, None, {}],
                [1, 2 ** 32, None, {}], [1, "1", None, {}], [1, 1, "no", None],
                [1, 1, {}, None], [1, 1, {"code": 1, "text": ""}, None],
                [1, 1, {"code": "x"}, None], [1, 1, None, None],
                [1, 1, None, [1]], [1, 1, None, {}, 1], [0, 1, "status", []],
                [2, "x", [1]], [2, "", [1, {}]], [2, "x" * 65, [1, {}]],
                [2, 1, [1, {}]], [2, "x", [1, []]], [2, "x", {}],
                [3, "x", [1, {}]], [1.0, 1, None, {}]):
            with self.subTest(value=value):
                self.wrong(msgpack.packb(value), "syntax")

    def test_no_msgpack(self):
        for data in (b"\xc1", b"\x94\x01\x07\xc0\x81\x90\x01",  # a list as key
                     b"\x91" * 5000, b"\x81\xc0\x01"):
            with self.subTest(data=data[:8]):
                self.wrong(data + b"\xc0")
        self.wrong(b"\x91" * 2_000_000)

    def test_too_large(self):
        begin = b"\x94\x01\x07\xc0\x81\xa1x\xc6"
        size = FRAME_MAX - len(begin) - 4
        whole = begin + size.to_bytes(4, "big") + bytes(size)
        self.assertEqual(len(read(whole)), 1)
        self.assertEqual(len(read(whole * 5)), 5)  # the bound is of one
        size = 2 ** 31
        self.wrong(begin + size.to_bytes(4, "big") + bytes(FRAME_MAX))
        # Many small values, which the unpacker takes one by one.
        self.wrong(b"\x94\x01\x07\xc0\x81\xa1x\xdd\x00\x01\xff\xff" +
                   b"\xa7xxxxxxx" * 131071)
        self.wrong(b"\xdd\x00\x01\x00\x00" + b"\xa7xxxxxxx" * 131000 +
                   bytes(FRAME_MAX))

    def test_random_bytes(self):
        print(f"WARREN_TEST_SEED={SEED}", flush=True)
        dice = random.Random(SEED)
        good = msgpack.packb([2, "data", [7, {"peer": "p1", "port": 1,
                                              "data": b"abc"}]])
        for _ in range(3000):
            data = bytearray(good * 3)
            for _ in range(dice.randrange(1, 4)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            try:
                read(bytes(data))
            except warren.ProtocolError:
                pass

    def test_requests(self):
        self.assertEqual(
            msgpack.unpackb(pack_request(1, "status", {"a": b"b"})),
            [0, 1, "status", [{"a": b"b"}]])
        for params, code in (({"data": bytes(REQUEST_MAX)}, "too_large"),
                             ({"data": object()}, "syntax"),
                             ({"count": 2 ** 64}, "syntax")):
            with self.assertRaises(warren.WarrenError) as caught:
                pack_request(1, "x", params)
            self.assertEqual(caught.exception.code, code)


if __name__ == "__main__":
    unittest.main()
