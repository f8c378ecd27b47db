# SPDX-License-Identifier: MIT
"""One connection to a daemon's control socket: requests, their answers, and
the news of those that go on.

Nothing is tried again and nothing connects again by itself: when the daemon
goes away, everything that waits for it fails with Disconnected, and so does
what is asked later.
"""
from __future__ import annotations

import asyncio
from typing import Any, Callable, Dict, List, Optional

from ._frames import (MSGID_MAX, FrameReader, Notification, Response,
                      pack_request, reason_of)
from ._where import Path, control_path
from .errors import Disconnected, NoDaemon, ProtocolError, WarrenError

Params = Dict[str, Any]
News = Callable[[str, Params], None]  # method, params
CLOSED = "closed"  # the last notification
AGAIN = 0.05  # s after which the daemon may have room for a request


class Request:
    """A request that was sent. `answer` is done when it is answered; until
    then `on_news` is called with what the daemon tells of it."""

    def __init__(self, client: "Client", msgid: int, method: str,
                 on_news: Optional[News]) -> None:
        self.msgid = msgid
        self.method = method
        self.answer: "asyncio.Future[Params]" = \
            asyncio.get_running_loop().create_future()
        self._client = client
        self._on_news = on_news
        # Who gives up waiting need not look at how it ended.
        self.answer.add_done_callback(
            lambda a: a.cancelled() or a.exception())

    def cancel(self) -> None:
        """Has the daemon end it; `answer` fails with the code "cancelled".
        Without effect on one that is answered."""
        self._client._cancel(self)

    def _tell(self, method: str, params: Params) -> None:
        if self._on_news is not None and not self.answer.done():
            self._on_news(method, params)


class Client(asyncio.Protocol):
    """What connect() gives. Belongs to the event loop that it was made on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._transport: Optional[asyncio.Transport] = None
        self._running: Dict[int, Request] = {}
        self._last_msgid = 0
        self._error: Optional[WarrenError] = None
        self._ended: "asyncio.Future[None]" = self._loop.create_future()
        self._full = False  # the daemon does not read
        self._waiting_for_room: List["asyncio.Future[None]"] = []

    # ---- For programs ------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether it has ended, by whatever side."""
        return self._error is not None

    async def call(self, method: str, /, on_news: Optional[News] = None,
                   **params: Any) -> Params:
        """Asks, and waits for the answer. Parameters that are None are left
        out. Who is cancelled while waiting cancels the request."""
        while self._full:
            room = self._loop.create_future()
            self._waiting_for_room.append(room)
            await room
        request = self.start(method, on_news, **params)
        try:
            return await asyncio.shield(request.answer)
        except asyncio.CancelledError:
            request.cancel()
            raise

    def start(self, method: str, /, on_news: Optional[News] = None,
              **params: Any) -> Request:
        """Sends a request at once, and does not wait."""
        if self._error is not None or self._transport is None:
            raise self._gone()
        msgid = self._next_msgid()
        frame = pack_request(msgid, method, {
            k: v for k, v in params.items() if v is not None})
        request = Request(self, msgid, method, on_news)
        self._running[msgid] = request
        self._transport.write(frame)
        return request

    def insist(self, method: str, /, **params: Any
               ) -> "asyncio.Future[Params]":
        """Asks again for as long as too many requests run at a time. For
        methods that are not answered with "full" for anything else."""
        done: "asyncio.Future[Params]" = self._loop.create_future()
        done.add_done_callback(lambda d: d.cancelled() or d.exception())

        def ask() -> None:
            try:
                request = self.start(method, **params)
            except WarrenError as error:
                done.set_exception(error)
            else:
                request.answer.add_done_callback(answered)

        def answered(answer: "asyncio.Future[Params]") -> None:
            error = answer.exception()
            if error is None:
                done.set_result(answer.result())
            elif (isinstance(error, WarrenError) and error.code == "full" and
                  not self.closed):
                self._loop.call_later(AGAIN, ask)
            else:
                done.set_exception(error)
        ask()
        return done

    async def close(self) -> None:
        """Ends the connection, and with it all that runs over it."""
        self._end(Disconnected("cancelled", "this program has closed it"))
        await asyncio.shield(self._ended)

    async def wait_closed(self) -> None:
        """Waits until it has ended, by whatever side."""
        await asyncio.shield(self._ended)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- For the event loop ------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                if self._error is not None:
                    return
                if isinstance(frame, Response):
                    self._answered(frame)
                else:
                    self._told(frame)
        except ProtocolError as error:
            self._end(error)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Optional[Exception]) -> None:
        text = f"the daemon is gone: {exc}" if exc else "the daemon is gone"
        self._end(Disconnected("disconnected", text))
        self._let_go()
        if not self._ended.done():
            self._ended.set_result(None)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._let_go()

    # ---- Inside ------------------------------------------------------------

    def _next_msgid(self) -> int:
        while True:
            self._last_msgid = self._last_msgid % MSGID_MAX + 1
            if self._last_msgid not in self._running:
                return self._last_msgid

    def _let_go(self) -> None:
        waiting, self._waiting_for_room = self._waiting_for_room, []
        for room in waiting:
            if not room.done():
                room.set_result(None)

    def _cancel(self, request: Request) -> None:
        if self._running.get(request.msgid) is request and not self.closed:
            self.insist("cancel", call=request.msgid)

    def _answered(self, frame: Response) -> None:
        request = self._running.pop(frame.msgid, None)
        if request is None:
            raise ProtocolError("unexpected", "an answer to no request")
        if request.answer.done():
            return
        if frame.error is not None:
            request.answer.set_exception(frame.error)
        else:
            request.answer.set_result(frame.result)

    def _told(self, frame: Notification) -> None:
        if frame.method == CLOSED and frame.msgid == 0:
            why = reason_of(frame.params)
            self._end(Disconnected(why.code, "the daemon has closed the "
                                   f"connection: {why.text}"))
            return
        request = self._running.get(frame.msgid)
        if request is None:
            return
        try:
            request._tell(frame.method, frame.params)
        except WarrenError as error:  # news that make no sense
            self._end(ProtocolError(error.code, error.text))

    def _gone(self) -> WarrenError:
        error = self._error or Disconnected("disconnected", "not connected")
        return type(error)(error.code, error.text)

    def _end(self, error: WarrenError) -> None:
        if self._error is not None:
            return
        self._error = error
        running, self._running = self._running, {}
        for request in running.values():
            if not request.answer.done():
                request.answer.set_exception(self._gone())
        self._full = False
        self._let_go()
        if self._transport is not None:
            self._transport.abort()


async def open_client(control: Optional[Path], data_dir: Optional[Path]
                      ) -> Client:
    """Connects to the daemon that control_path names; NoDaemon."""
    path = control_path(control, data_dir)
    try:
        _, client = await asyncio.get_running_loop().create_unix_connection(
            Client, path)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoDaemon("no_daemon", f"no daemon listens on {path}; start one "
                       "with: warren run") from error
    except OSError as error:
        raise NoDaemon("io", f"cannot connect to {path}: "
                       f"{error.strerror or error}") from error
    return client
