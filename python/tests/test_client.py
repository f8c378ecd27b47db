# SPDX-License-Identifier: MIT
"""Requests and answers; a daemon that answers wrongly, not at all, or goes."""
import asyncio
import os
import unittest
from unittest import mock

from fake import FakeTest, warren
from warren._where import control_path


class Calls(FakeTest):
    async def test_answers_find_their_requests(self):
        held = []
        self.daemon.handlers["hold"] = lambda c, msgid, p: held.append(
            (msgid, p["n"]))
        calls = [asyncio.ensure_future(self.client.call("hold", n=n))
                 for n in range(20)]
        await self.until(lambda: len(held) == 20)
        for msgid, n in reversed(held):
            self.daemon.last.answer(msgid, n=n)
        self.assertEqual([r["n"] for r in await asyncio.gather(*calls)],
                         list(range(20)))

    async def test_errors(self):
        self.daemon.handlers["no"] = lambda c, msgid, _: c.fail(
            msgid, "full", "too many")
        error = await self.fails("full", self.client.call("no"))
        self.assertEqual((error.text, str(error)),
                         ("too many", "full: too many"))
        await self.fails("unsupported", self.client.call("no.such"))
        await self.fails("too_large", self.client.call("no",
                                                       data=bytes(70000)))

    async def test_parameters_that_are_none_are_left_out(self):
        self.daemon.answers("x")
        await self.client.call("x", a=None, b=0)
        self.assertEqual(self.daemon.last.requests, [("x", {"b": 0})])

    async def test_news_come_before_the_answer(self):
        def handler(c, msgid, _):
            c.tell(msgid, "one", a=1)
            c.tell(msgid + 1, "other", a=1)  # of no request
            c.tell(msgid, "two")
            c.answer(msgid)
            c.tell(msgid, "late")
        self.daemon.handlers["x"] = handler
        news = []
        await self.client.call("x", lambda *n: news.append(n))
        self.assertEqual(news, [("one", {"a": 1}), ("two", {})])
        self.daemon.answers("y")
        await self.client.call("y")
        self.assertEqual(len(news), 2)

    async def test_who_gives_up_cancels(self):
        self.daemon.runs("x")
        call = asyncio.ensure_future(self.client.call("x"))
        await self.until(lambda: self.daemon.methods() == ["x"])
        call.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await call
        await self.until(lambda: self.daemon.methods() == ["x", "cancel"])
        await self.until(lambda: not self.client._running)
        self.assertFalse(self.client.closed)

    async def test_cancel_of_one_that_is_answered(self):
        self.daemon.answers("x")
        request = self.client.start("x")
        await request.answer
        request.cancel()
        self.daemon.answers("y")
        await self.client.call("y")
        self.assertEqual(self.daemon.methods(), ["x", "y"])

    async def test_msgids_come_round(self):
        self.daemon.runs("long")
        self.daemon.answers("x")
        long = self.client.start("long")
        self.assertEqual(long.msgid, 1)
        self.client._last_msgid = 2 ** 32 - 2
        self.assertEqual(self.client.start("x").msgid, 2 ** 32 - 1)
        second = self.client.start("x")
        self.assertEqual(second.msgid, 2)
        await second.answer


class Ends(FakeTest):
    async def waiting(self, count=3):
        self.daemon.runs("x")
        calls = [asyncio.ensure_future(self.client.call("x"))
                 for _ in range(count)]
        await self.until(lambda: len(self.daemon.methods()) == count)
        return calls

    async def gone(self, calls, code, kind=warren.Disconnected):
        for call in calls:
            await self.fails(code, call, kind)
        await self.soon(self.client.wait_closed())
        self.assertTrue(self.node.closed)
        await self.fails(code, self.client.call("x"), kind)
        with self.assertRaises(ConnectionError):
            await self.client.call("x")

    async def test_daemon_dies(self):
        calls = await self.waiting()
        self.daemon.last.close()
        await self.gone(calls, "disconnected")

    async def test_daemon_says_why(self):
        calls = await self.waiting()
        self.daemon.last.close("cancelled", "the daemon stops")
        await self.gone(calls, "cancelled")
        self.assertIn("the daemon stops", str(self.client._error))

    async def test_program_closes(self):
        calls = await self.waiting()
        await self.soon(self.node.close())
        await self.gone(calls, "cancelled")
        await self.node.close()  # again

    async def test_garbage(self):
        calls = await self.waiting()
        self.daemon.last.raw(b"\xc1\xc1")
        await self.gone(calls, "not_msgpack", warren.ProtocolError)

    async def test_no_frame(self):
        calls = await self.waiting()
        self.daemon.last.send({"hello": 1})
        await self.gone(calls, "syntax", warren.ProtocolError)

    async def test_answer_to_no_request(self):
        calls = await self.waiting()
        self.daemon.last.answer(99)
        await self.gone(calls, "unexpected", warren.ProtocolError)

    async def test_answer_twice(self):
        self.daemon.answers("y")
        calls = await self.waiting()
        await self.client.call("y")
        self.daemon.last.answer(len(calls) + 1)
        await self.gone(calls, "unexpected", warren.ProtocolError)

    async def test_answer_without_end(self):
        calls = await self.waiting()
        self.daemon.last.raw(b"\x94\x01\x01\xc0\x81\xa1x\xc6\x7f\xff\xff\xff")
        for _ in range(40):
            self.daemon.last.raw(bytes(65536))
        await self.gone(calls, "too_large", warren.ProtocolError)

    async def test_daemon_that_does_not_read(self):
        """Who asks waits, and is told when it goes."""
        self.daemon.last.deaf = True
        calls = [asyncio.ensure_future(self.client.call("x", d=bytes(60000)))
                 for _ in range(100)]
        await self.until(lambda: self.client._full)
        await asyncio.sleep(0.05)
        buffered = self.client._transport.get_write_buffer_size()
        self.assertLess(len(self.client._running), 100)
        self.assertLess(buffered, 1_000_000)
        self.daemon.last.writer.close()
        await self.gone(calls, "disconnected")


class Connects(unittest.IsolatedAsyncioTestCase):
    async def test_nobody_listens(self):
        with self.assertRaises(warren.NoDaemon) as caught:
            await warren.open("/nonexistent/control.sock")
        self.assertIn("/nonexistent/control.sock", caught.exception.text)
        self.assertIn("warren run", caught.exception.text)
        with self.assertRaises(warren.NoDaemon):
            async with warren.connect(data_dir="/nonexistent"):
                self.fail("connected")

    def test_where(self):
        def where(control=None, data_dir=None, **env):
            return control_path(control, data_dir, env)
        self.assertEqual(where("/a/b"), "/a/b")
        self.assertEqual(where(None, "/a"), "/a/control.sock")
        self.assertEqual(where(WARREN_NODE_CONTROL="/c",
                               WARREN_NODE_DATA_DIR="/d"), "/c")
        self.assertEqual(where(WARREN_NODE_DATA_DIR="/d"), "/d/control.sock")
        self.assertEqual(where("/a", WARREN_NODE_CONTROL="/c"), "/a")
        with mock.patch.object(os, "geteuid", lambda: 0):
            self.assertEqual(where(HOME="/h"), "/var/lib/warren/control.sock")
        with mock.patch.object(os, "geteuid", lambda: 1000):
            self.assertEqual(where(HOME="/h"),
                             "/h/.local/state/warren/control.sock")
            self.assertEqual(where(HOME="/h", XDG_STATE_HOME="/s"),
                             "/s/warren/control.sock")
            self.assertEqual(where(HOME="/h", XDG_STATE_HOME="s"),
                             "/h/.local/state/warren/control.sock")
            for wrong, code in (((), "not_found"), (("/a", "/b"), "syntax"),
                                (("/" + "x" * 107,), "too_large"),
                                (("",), "too_large")):
                with self.assertRaises(warren.WarrenError) as caught:
                    where(*wrong)
                self.assertEqual(caught.exception.code, code)


if __name__ == "__main__":
    unittest.main()
