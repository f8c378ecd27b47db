# SPDX-License-Identifier: MIT
"""A daemon that says anything: the connection goes on or ends, all that waits
for it hears of that, and nothing else goes wrong."""
import asyncio
import os
import random
import unittest

from fake import FakeTest, warren

SEED = int(os.environ.get("WARREN_TEST_SEED", "0")) or random.getrandbits(32)
WORDS = ("subscribed listening opened data end peer gone state stream parted "
         "circuit refused lost closed nothing").split()
KEYS = ("peer key opened port data reason text state visit event circuit hops "
        "hop source to direction service stream read written count code"
        ).split()


class Anything(FakeTest):
    def value(self, depth=0):
        dice = self.dice
        return dice.choice([
            lambda: None, lambda: dice.random() < 0.5,
            lambda: dice.randrange(-2, 2 ** 64), lambda: dice.randrange(9),
            lambda: dice.random(), lambda: dice.randbytes(dice.randrange(99)),
            lambda: dice.choice(["p1.peer.warren", "x", "", "in", "ready"]),
            lambda: [] if depth > 2 else [self.value(depth + 1)] * 2,
            lambda: {} if depth > 2 else {"a": self.value(depth + 1)}])()

    def right(self, key):
        if key in ("port", "visit", "circuit", "hops", "hop", "stream",
                   "read", "written", "count"):
            return self.dice.randrange(9)
        return {"data": b"x" * self.dice.randrange(999), "opened": True}.get(
            key, f"{key}1")

    def params(self):
        return {k: self.value() if self.dice.random() < 0.02
                else self.right(k) for k in KEYS
                if self.dice.random() < 0.98}

    def say(self):
        about = self.dice.choice(list(self.daemon.last.running) or [1])
        kind = self.dice.random()
        if kind < 0.97:
            self.daemon.last.send([2, self.dice.choice(WORDS),
                                   [about, self.params()]])
        elif kind < 0.98:
            self.daemon.last.send([1, about, None, self.params()])
        elif kind < 0.99:
            self.daemon.last.fail(about, "full")
        else:
            self.daemon.last.send(self.value())

    async def one(self, seed):
        self.dice = random.Random(seed)
        self.node = await warren.open(self.daemon.path)
        service = await self.node.register_service(
            "club", on_peer=lambda p: None, on_data=lambda p, n, d: None,
            on_gone=lambda p, r: None, on_state=lambda s: None)
        server = await service.start_server(self.visited, 80)
        events = await self.node.events()
        reader, writer = await self.node.open_connection("a:1")
        writer.write(b"x" * 100_000)
        waits = [asyncio.ensure_future(w) for w in (
            reader.read(), writer.wait_closed(), service.wait_closed(),
            server.wait_closed(), self.all_of(events))]
        for _ in range(self.dice.randrange(60)):
            self.say()
        await asyncio.sleep(0.002)
        self.daemon.last.close()
        done, late = await asyncio.wait(waits, timeout=30)
        self.assertEqual(late, set(), f"seed {seed}")
        for wait in done:
            self.assertIsInstance(wait.exception(),
                                  (warren.WarrenError, type(None)))
        await self.until(lambda: self.node.closed)
        self.told += 1

    @staticmethod
    async def all_of(events):
        async for _ in events:
            pass

    async def visited(self, reader, _):
        try:
            await reader.read()
        except warren.WarrenError:
            pass

    async def test_anything(self):
        print(f"WARREN_TEST_SEED={SEED}", flush=True)
        self.daemon.answers("service.list")
        self.daemon.runs("service.register")
        self.daemon.runs("stream.listen", "listening")
        self.daemon.runs("events", "subscribed")
        self.daemon.has_streams()
        self.told = 0
        for number in range(80):
            with self.subTest(number=number):
                await self.one(SEED + number)
            self.assertEqual(self.trouble, [])
        self.assertEqual(self.told, 80)


if __name__ == "__main__":
    unittest.main()
