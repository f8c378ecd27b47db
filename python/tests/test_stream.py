# SPDX-License-Identifier: MIT
"""Streams: both ways, slow on either side, ended well and badly."""
import asyncio
import unittest
import unittest.mock

import msgpack

from fake import FakeTest, warren
from warren._stream import CREDIT, HIGH_WATER

BIG = bytes(range(256)) * 8192  # 2 MB


class Streams(FakeTest):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.daemon.has_streams()

    async def connect(self, **more):
        return await self.soon(self.node.open_connection("a.example:80",
                                                         **more))

    async def test_what_is_asked(self):
        await self.connect(hops=2, isolation="me", timeout=1.5)
        self.assertEqual(self.daemon.stream.params, {
            "to": "a.example:80", "hops": 2, "isolation": "me",
            "timeout": 1500, "credit": CREDIT})

    async def test_echo_and_ends(self):
        reader, writer = await self.connect()
        writer.write(b"hello\nworld")
        self.assertEqual(await self.soon(reader.readline()), b"hello\n")
        writer.write_eof()
        self.assertEqual(await self.soon(reader.read()), b"world")
        self.assertTrue(reader.at_eof())
        writer.close()
        await self.soon(writer.wait_closed())
        self.assertEqual(self.daemon.methods(), [
            "stream.connect", "stream.write", "stream.shutdown"])
        with self.assertRaises(RuntimeError):
            writer.write(b"more")

    async def test_half_close(self):
        """What comes after our end, and what is written after theirs."""
        def prepare(stream):
            stream.echo = False
        self.daemon.has_streams(prepare=prepare)
        reader, writer = await self.connect()
        writer.write(b"request")
        writer.write_eof()
        stream = self.daemon.stream
        await self.until(lambda: stream.shut)
        stream.say(b"late")
        self.assertEqual(await self.soon(reader.read(10)), b"late")
        stream.end()
        self.assertEqual(await self.soon(reader.read()), b"")
        await self.soon(writer.wait_closed())

        reader, writer = await self.connect()
        stream = self.daemon.stream
        stream.half_end()
        self.assertEqual(await self.soon(reader.read()), b"")
        self.assertFalse(writer.is_closing())
        writer.write(b"still")
        await self.until(lambda: stream.got == b"still")
        writer.close()
        await self.until(lambda: stream.shut)
        stream.end()
        await self.soon(writer.wait_closed())

    async def test_much_both_ways(self):
        reader, writer = await self.connect()

        async def write():
            for at in range(0, len(BIG), 100_000):
                writer.write(BIG[at:at + 100_000])
                await writer.drain()
            writer.write_eof()
        writing = asyncio.ensure_future(write())
        self.assertTrue(await self.soon(reader.read()) == BIG)
        await writing
        self.assertTrue(self.daemon.stream.got == BIG)

    async def test_more_than_the_buffer_at_once(self):
        """The reader pauses and resumes all the while."""
        reader, writer = await self.connect(limit=1000)
        stream = self.daemon.stream
        for at in range(0, len(BIG), 7000):
            stream.out.append(BIG[at:at + 7000])
        stream.flow()
        self.assertTrue(await self.soon(
            reader.readexactly(len(BIG))) == BIG)
        writer.close()

    async def test_program_does_not_read(self):
        """No more is asked for than fits here; then all of it comes."""
        reader, writer = await self.connect(limit=1000)
        stream = self.daemon.stream
        stream.say(BIG)
        stream.shut = True
        await self.until(lambda: stream.credit == 0)
        await asyncio.sleep(0.05)
        self.assertLessEqual(stream.read, CREDIT + stream.asked)
        self.assertLess(stream.read, 2 * CREDIT)
        self.assertTrue(await self.soon(reader.read()) == BIG)
        writer.close()

    async def test_other_end_does_not_read(self):
        """drain() waits, and no more waits here than the limit."""
        def prepare(stream):
            stream.takes = stream.echo = False
        self.daemon.has_streams(prepare=prepare)
        _, writer = await self.connect()
        stream = self.daemon.stream
        writer.write(bytes(HIGH_WATER))
        await self.soon(writer.drain())
        writer.write(b"1")
        draining = asyncio.ensure_future(writer.drain())
        await self.until(lambda: stream.waiting)
        await asyncio.sleep(0.05)
        self.assertFalse(draining.done())
        self.assertEqual(self.daemon.methods().count("stream.write"), 1)
        stream.takes = True
        stream.take()
        await self.soon(draining)
        await self.until(lambda: len(stream.got) == HIGH_WATER + 1)

    async def test_never_there(self):
        self.daemon.handlers["stream.connect"] = lambda c, msgid, _: c.fail(
            msgid, "refused", "nobody listens at that port")
        error = await self.fails("refused", self.connect(),
                                 warren.StreamError)
        self.assertIsInstance(error, ConnectionError)
        self.assertEqual(len(self.node._streams), 0)

    async def test_breaks_off(self):
        """Never what a good end looks like: to none of who waits for it."""
        for read in ("read", "readline", "readexactly", "readuntil"):
            with self.subTest(read):
                reader, writer = await self.connect()
                writer.write(b"abc")
                args = {"read": (-1,), "readexactly": (10,)}.get(read, ())
                reading = asyncio.ensure_future(getattr(reader, read)(*args))
                await self.until(lambda: self.daemon.stream.read == 3)
                self.daemon.stream.fail("link_lost")
                await self.fails("link_lost", reading, warren.StreamError)
                await self.fails("link_lost", reader.read(1),
                                 warren.StreamError)
                await self.fails("link_lost", writer.drain(),
                                 warren.StreamError)
                await self.fails("link_lost", writer.wait_closed(),
                                 warren.StreamError)

    async def test_breaks_off_while_a_write_waits(self):
        def prepare(stream):
            stream.takes = False
        self.daemon.has_streams(prepare=prepare)
        _, writer = await self.connect()
        writer.write(bytes(2 * HIGH_WATER))
        draining = asyncio.ensure_future(writer.drain())
        await self.until(lambda: self.daemon.stream.waiting)
        self.daemon.stream.fail("link_lost")
        with self.assertRaises(ConnectionError):
            await self.soon(draining)
        await self.fails("link_lost", writer.wait_closed(),
                         warren.StreamError)

    async def test_answer_without_end_is_no_good_end(self):
        reader, writer = await self.connect()
        self.daemon.last.answer(self.daemon.stream.msgid, read=0, written=0)
        await self.fails("unexpected", reader.read(), warren.StreamError)
        await self.fails("unexpected", writer.drain(), warren.StreamError)

    async def test_daemon_dies(self):
        reader, writer = await self.connect()
        reading = asyncio.ensure_future(reader.read())
        self.daemon.last.close("cancelled", "the daemon stops")
        await self.fails("cancelled", reading, warren.Disconnected)
        await self.fails("cancelled", writer.wait_closed(),
                         warren.Disconnected)
        await self.fails("cancelled", self.connect(), warren.Disconnected)

    async def test_reset(self):
        _, writer = await self.connect()
        writer.write(bytes(300_000))
        writer.transport.abort()
        await self.soon(writer.wait_closed())
        await self.until(lambda: self.daemon.stream.ended)
        self.assertEqual(self.daemon.methods()[-1], "stream.reset")
        self.assertLess(len(self.daemon.stream.got), 300_000)
        writer.write(b"nothing")
        self.assertFalse(self.client.closed)

    async def test_close_sends_what_was_written(self):
        """Also when nobody reads what comes back, and the node is closed at
        once."""
        _, writer = await self.connect()
        writer.write(BIG)
        writer.close()
        await self.soon(self.node.close())
        self.assertTrue(self.daemon.stream.got == BIG)
        self.assertTrue(self.daemon.stream.shut)
        await self.soon(writer.wait_closed())

    async def test_close_does_not_wait_for_ever(self):
        def prepare(stream):
            stream.echo = False
        self.daemon.has_streams(prepare=prepare)
        reader, writer = await self.connect()
        with unittest.mock.patch("warren._stream.LINGER", 0.1):
            writer.close()
        await self.fails("timeout", writer.wait_closed(), warren.StreamError)
        await self.until(lambda: self.daemon.stream.ended)

    async def test_who_gives_up_waiting_resets(self):
        self.daemon.has_streams(opens=False)
        opening = asyncio.ensure_future(self.connect())
        await self.until(lambda: self.daemon.methods() == ["stream.connect"])
        opening.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await opening
        await self.until(lambda: self.daemon.stream.ended)

    async def test_early_data(self):
        self.daemon.has_streams(opens=False)
        reader, writer = await self.connect(early=True)
        writer.write(b"early")
        self.assertEqual(await self.soon(reader.read(5)), b"early")
        self.daemon.stream.fail("resolve")
        await self.fails("resolve", reader.read(), warren.StreamError)

    async def test_more_data_than_asked_for(self):
        """Ends the connection: a daemon that does that is none."""
        reader, writer = await self.connect()
        for _ in range(2 * CREDIT // 65536 + 3):
            self.daemon.last.tell(self.daemon.stream.msgid, "data",
                                  data=bytes(65536))
        await self.until(lambda: self.node.closed)
        await self.fails("too_large", reader.read(), warren.ProtocolError)
        await self.fails("too_large", writer.drain(), warren.ProtocolError)

    async def test_data_after_the_end(self):
        """Likewise."""
        reader, writer = await self.connect()
        for method in "end", "data":
            self.daemon.last.tell(self.daemon.stream.msgid, method, data=b"x")
        await self.until(lambda: self.node.closed)
        await self.fails("unexpected", reader.read(), warren.ProtocolError)
        await self.fails("unexpected", writer.drain(), warren.ProtocolError)

    async def test_protocol_that_fails(self):
        """Its own stream ends, and no other."""
        class Bad(asyncio.Protocol):
            def data_received(self, data):
                raise ZeroDivisionError

            def eof_received(self):
                raise ZeroDivisionError

            def connection_lost(self, exc):
                self.lost = exc
        reader, writer = await self.connect()
        for happens in ("half_end",), ("say", b"x"):
            _, bad = await self.node.create_connection(Bad, "b.example:80")
            getattr(self.daemon.stream, happens[0])(*happens[1:])
            await self.until(lambda: hasattr(bad, "lost"))
            self.assertIsInstance(bad.lost, ZeroDivisionError)
            self.assertIsInstance(self.trouble.pop()["exception"],
                                  ZeroDivisionError)
        writer.write(b"still there")
        self.assertEqual(await self.soon(reader.readexactly(11)),
                         b"still there")

    async def test_end_comes_in_a_turn_of_its_own(self):
        """Else asyncio's TLS loses what it has not handed on yet."""
        class Watch(asyncio.Protocol):
            same_turn = False
            ends = []

            def data_received(self, data):
                self.same_turn = True
                asyncio.get_running_loop().call_soon(self.turn)

            def turn(self):
                self.same_turn = False

            def eof_received(self):
                self.ends.append(self.same_turn)
        transport, watch = await self.node.create_connection(
            Watch, "a.example:80")
        msgid = self.daemon.stream.msgid
        self.daemon.last.raw(
            msgpack.packb([2, "data", [msgid, {"data": b"x"}]]) +
            msgpack.packb([2, "end", [msgid, {}]]))
        await self.until(lambda: watch.ends)
        self.assertEqual(watch.ends, [False])
        transport.abort()

    async def test_buffered_protocol(self):
        class Buffered(asyncio.BufferedProtocol):
            def __init__(self):
                self.got, self.room = b"", bytearray(1000)

            def get_buffer(self, _):
                return self.room

            def buffer_updated(self, count):
                self.got += self.room[:count]

            def eof_received(self):
                self.end = True

            def connection_lost(self, exc):
                self.lost = exc
        transport, protocol = await self.node.create_connection(
            Buffered, "a.example:80")
        transport.write(BIG[:50_000])
        transport.write_eof()
        await self.until(lambda: hasattr(protocol, "lost"))
        self.assertTrue(protocol.got == BIG[:50_000])
        self.assertTrue(protocol.end)
        self.assertIsNone(protocol.lost)

    async def test_more_than_the_daemon_runs_at_a_time(self):
        """What streams ask for then is asked for again."""
        both = [await self.connect() for _ in range(5)]
        self.daemon.running_max = 6
        with unittest.mock.patch("warren._client.AGAIN", 0.001):
            for reader, writer in both:
                writer.write(BIG[:400_000])
                writer.write_eof()
            for reader, writer in both:
                self.assertTrue(await self.soon(reader.read()) ==
                                BIG[:400_000])
        got = sum(len(s.got) for s in self.daemon.last.streams.values())
        self.assertEqual(got, 5 * 400_000)
        self.daemon.running_max = 0
        await self.fails("full", self.connect(), warren.StreamError)
        self.assertFalse(self.client.closed)

    async def test_more_than_one_connection_has_room_for(self):
        with unittest.mock.patch("warren._stream.STREAMS_MAX", 2):
            both = [await self.connect() for _ in range(2)]
            error = await self.fails("full", self.connect(),
                                     warren.StreamError)
            self.assertIn("open() another", error.text)
            both[0][1].transport.abort()
            await self.connect()

    async def test_many(self):
        async def one(n):
            reader, writer = await self.connect(isolation=n % 4)
            writer.write(bytes([n]) * 10_000)
            writer.write_eof()
            return await reader.read() == bytes([n]) * 10_000
        got = await self.soon(asyncio.gather(*map(one, range(100))))
        self.assertEqual(got.count(True), 100)
        await self.until(lambda: not self.client._running)
        self.assertEqual(len(self.node._streams), 0)


class Servers(FakeTest):
    PEER = "p17.peer.warren"

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.daemon.has_streams()
        self.daemon.answers("service.list", services=[])
        self.daemon.runs("service.register")
        self.daemon.runs("stream.listen", "listening", service="club", port=80)
        self.service = await self.node.register_service("club")
        self.daemon.tell("service.register", "peer", peer=self.PEER,
                         key="ab" * 32, opened=False)

    def visit(self, number=1, peer=PEER):
        self.daemon.tell("stream.listen", "stream", visit=number, peer=peer,
                         key=None, port=80)

    async def test_serves(self):
        async def serve(reader, writer):
            peers.append(writer.get_extra_info("peer"))
            writer.write(b"you said " + await reader.read())
            writer.close()
        peers = []
        async with await self.service.start_server(serve, 80) as server:
            self.assertTrue(server.is_serving())
            self.visit(7)
            await self.until(lambda: self.daemon.last.streams)
            stream = self.daemon.stream
            self.assertEqual(stream.params["visit"], 7)
            stream.echo = False
            stream.say(b"hello")
            stream.half_end()
            await self.until(lambda: stream.shut)
            self.assertEqual(stream.got, b"you said hello")
            self.daemon.last.answer(stream.msgid, read=5, written=14)
        self.assertFalse(server.is_serving())
        self.assertEqual(peers, [warren.Peer(self.PEER, "ab" * 32, False)])

    async def test_refuses(self):
        kept = []
        server = await self.service.start_server(
            lambda *both: kept.append(both), 80,
            accept=lambda peer: peer.key is not None)
        self.visit(1, "p18.peer.warren")
        await self.until(lambda: self.daemon.methods()[-1] == "stream.refuse")
        self.visit(2)
        await self.until(lambda: self.daemon.methods()[-1] == "stream.accept")
        server.close()
        await self.soon(server.wait_closed())

    async def test_more_visitors_than_there_is_room_for(self):
        kept = []
        await self.service.start_server(lambda *both: kept.append(both), 80)
        with unittest.mock.patch("warren._stream.STREAMS_MAX", 1):
            self.visit(1)
            self.visit(2)
            await self.until(
                lambda: "stream.refuse" in self.daemon.methods())
        self.assertEqual(self.daemon.methods().count("stream.accept"), 1)

    async def test_function_that_fails(self):
        """Its own stream ends, and no other, nor the service."""
        def bad(*_):
            raise ZeroDivisionError
        server = await self.service.start_server(bad, 80)
        self.visit(1)
        await self.until(lambda: "stream.reset" in self.daemon.methods())
        self.assertIsInstance(self.trouble.pop()["exception"],
                              ZeroDivisionError)
        self.assertTrue(server.is_serving())
        self.assertFalse(self.node.closed)

    async def test_visitor_that_has_gone(self):
        async def serve(reader, _):
            try:
                await reader.read()
            except warren.StreamError as error:
                codes.append(error.code)
        codes = []
        self.daemon.handlers["stream.accept"] = lambda c, msgid, _: c.fail(
            msgid, "not_found")
        await self.service.start_server(serve, 80)
        self.visit()
        await self.until(lambda: codes)
        self.assertEqual(codes, ["not_found"])

    async def test_port_that_is_taken(self):
        self.daemon.handlers["stream.listen"] = lambda c, msgid, _: c.fail(
            msgid, "in_use")
        await self.fails("in_use", self.service.start_server(print, 80))

    async def test_serve_forever(self):
        server = await self.service.start_server(print, 80)
        serving = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(0.01)
        self.daemon.last.close()
        await self.fails("disconnected", serving, warren.Disconnected)


if __name__ == "__main__":
    unittest.main()
