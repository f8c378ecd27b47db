# SPDX-License-Identifier: MIT
"""A daemon for tests, in this process: it answers as a test has it answer."""
import asyncio
import collections
import contextlib
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

import msgpack

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import warren  # noqa: E402

PATIENCE = 30  # s


class Connection:
    """The daemon's end of one client."""

    def __init__(self, daemon, reader, writer):
        self.daemon, self.reader, self.writer = daemon, reader, writer
        self.running = {}  # msgid: method
        self.streams = {}  # msgid: Stream
        self.requests = []
        self.deaf = False  # reads no more

    async def serve(self):
        unpacker = msgpack.Unpacker(raw=False)
        while not self.deaf:
            data = await self.reader.read(65536)
            if not data:
                return
            if self.deaf:
                return
            unpacker.feed(data)
            for kind, msgid, method, params in unpacker:
                assert kind == 0
                self.requests.append((method, params[0]))
                if len(self.running) >= self.daemon.running_max:
                    self.send([1, msgid, {"code": "full", "text": ""}, None])
                    continue
                self.running[msgid] = method
                handler = self.daemon.handlers.get(method)
                if handler is None:
                    self.fail(msgid, "unsupported", f"no method {method}")
                else:
                    handler(self, msgid, params[0])

    def send(self, value):
        self.raw(msgpack.packb(value))

    def raw(self, data):
        self.writer.write(data)

    def answer(self, msgid, **result):
        self.running.pop(msgid, None)
        self.send([1, msgid, None, result])

    def fail(self, msgid, code, text="it is so"):
        self.running.pop(msgid, None)
        self.send([1, msgid, {"code": code, "text": text}, None])

    def tell(self, msgid, method, **params):
        self.send([2, method, [msgid, params]])

    def close(self, code=None, text=""):
        if code is not None:
            self.send([2, "closed", [0, {"code": code, "text": text}]])
        self.writer.close()


class Stream:
    """A stream of the model: what is written comes back."""

    def __init__(self, connection, msgid, credit):
        self.connection, self.msgid, self.credit = connection, msgid, credit
        self.got = bytearray()
        self.out = collections.deque()
        self.shut = False
        self.read, self.written, self.asked = 0, 0, 0
        self.ended = self.said_end = False
        self.takes = True  # what is written
        self.waiting = []  # writes that were not taken
        self.echo = True

    def say(self, data):
        self.out.append(bytes(data))
        self.flow()

    def flow(self):
        while self.out and self.credit and not self.ended:
            data = self.out.popleft()
            now, later = data[:self.credit], data[self.credit:]
            if later:
                self.out.appendleft(later)
            self.credit -= len(now)
            self.read += len(now)
            self.connection.tell(self.msgid, "data", data=now)
        if self.shut and not self.out and not self.ended and self.echo:
            self.end()

    def half_end(self):
        """No more comes."""
        if not self.said_end:
            self.said_end = True
            self.connection.tell(self.msgid, "end")

    def end(self):
        """Well, both halves."""
        self.ended = True
        self.half_end()
        self.connection.answer(self.msgid, read=self.read,
                               written=self.written)

    def fail(self, code):
        self.ended = True
        for msgid in self.waiting:
            self.connection.fail(msgid, "cancelled")
        self.connection.fail(self.msgid, code)

    def write(self, msgid, data):
        assert 1 <= len(data) <= 32768 and not self.shut
        assert not self.waiting, "one write at a time"
        self.waiting.append(msgid)
        self.pending = data
        if self.takes:
            self.take()

    def take(self):
        for msgid in self.waiting:
            self.got += self.pending
            self.written += len(self.pending)
            self.connection.answer(msgid)
            if self.echo:
                self.say(self.pending)
        self.waiting.clear()


class Daemon:
    def __init__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="warren-")
        self.path = f"{self.dir.name}/control.sock"
        self.connections = []
        self.running_max = 512
        self.handlers = {"cancel": cancel}

    async def start(self):
        self.server = await asyncio.start_unix_server(self.serve, self.path)

    async def serve(self, reader, writer):
        connection = Connection(self, reader, writer)
        self.connections.append(connection)
        with contextlib.suppress(ConnectionError):
            await connection.serve()
            if connection.deaf:
                return
        writer.close()

    async def stop(self):
        self.server.close()
        for connection in self.connections:
            connection.writer.close()
        self.dir.cleanup()

    @property
    def last(self):
        return self.connections[-1]

    def methods(self):
        return [method for method, _ in self.last.requests]

    def answers(self, method, **result):
        self.handlers[method] = lambda c, msgid, _: c.answer(msgid, **result)

    def runs(self, method, told=None, **params):
        """It goes on, after this notification."""
        def handler(connection, msgid, _):
            if told is not None:
                connection.tell(msgid, told, **params)
        self.handlers[method] = handler

    def id_of(self, method):
        return next(m for m, name in self.last.running.items()
                    if name == method)

    def tell(self, method, notification, **params):
        self.last.tell(self.id_of(method), notification, **params)

    # ---- Streams -----------------------------------------------------------

    def has_streams(self, opens=True, prepare=lambda stream: None):
        def connect(c, msgid, params):
            stream = c.streams[msgid] = Stream(c, msgid,
                                               params.get("credit", 65536))
            stream.params = params
            prepare(stream)
            if opens and c.running[msgid] == "stream.connect":
                c.tell(msgid, "opened")

        def of(name):
            def handler(c, msgid, params):
                stream = c.streams.get(params["call"])
                if stream is None or stream.ended:
                    c.fail(msgid, "not_found")
                else:
                    getattr(self, name)(c, msgid, params, stream)
            return handler
        self.handlers["stream.connect"] = connect
        self.handlers["stream.accept"] = connect
        for name in "write", "read", "shutdown", "reset":
            self.handlers[f"stream.{name}"] = of(f"on_{name}")
        self.handlers["stream.refuse"] = lambda c, msgid, _: c.answer(msgid)

    @staticmethod
    def on_write(_, msgid, params, stream):
        stream.write(msgid, params["data"])

    @staticmethod
    def on_read(c, msgid, params, stream):
        c.answer(msgid)
        stream.asked += params["credit"]
        stream.credit += params["credit"]
        stream.flow()

    @staticmethod
    def on_shutdown(c, msgid, _, stream):
        c.answer(msgid)
        stream.shut = True
        stream.flow()

    @staticmethod
    def on_reset(c, msgid, _, stream):
        stream.fail("cancelled")
        c.answer(msgid)

    @property
    def stream(self):
        return list(self.last.streams.values())[-1]


def cancel(connection, msgid, params):
    if params["call"] not in connection.running or params["call"] == msgid:
        connection.fail(msgid, "not_found")
        return
    connection.fail(params["call"], "cancelled")
    connection.answer(msgid)


class FakeTest(unittest.IsolatedAsyncioTestCase):
    """With a daemon, `self.daemon`, and a node that talks to it, `self.node`.
    What goes wrong beside a test (tasks, callbacks) fails it, unless it looks
    at `self.trouble` itself."""

    async def asyncSetUp(self):
        self.trouble = []
        asyncio.get_running_loop().slow_callback_duration = PATIENCE
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self.trouble.append(context))
        self.daemon = Daemon()
        await self.daemon.start()
        self.node = await warren.open(self.daemon.path)
        self.client = self.node.client

    async def asyncTearDown(self):
        with unittest.mock.patch("warren.node.GRACE", 0.05):
            await self.node.close()
        await self.daemon.stop()
        self.assertEqual(self.trouble, [])

    async def until(self, condition):
        async def wait():
            while not condition():
                await asyncio.sleep(0.005)
        await asyncio.wait_for(wait(), PATIENCE)

    async def soon(self, awaitable):
        return await asyncio.wait_for(awaitable, PATIENCE)

    async def fails(self, code, awaitable, kind=warren.WarrenError):
        with self.assertRaises(kind) as caught:
            await self.soon(awaitable)
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception
