# SPDX-License-Identifier: MIT
"""Streams as transports of asyncio, so that its StreamReader and StreamWriter,
and every protocol that is written for it, go over them unchanged.

What the program has not read waits here up to CREDIT bytes, and then at the
other end; what the other end has not read waits in the buffer here, whose
limits are those of asyncio (writer.drain()).
"""
from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Deque, Dict, Optional, Tuple, Union

from . import _values as v
from ._client import Client, Params, Request
from .errors import Disconnected, StreamError, WarrenError

CREDIT = 256 * 1024  # bytes that may be on their way to the program
WRITE_MAX = 32768  # bytes of one stream.write
HIGH_WATER = 128 * 1024
# At a time, over one connection: the daemon runs 512 requests for each, and a
# stream has two of them.
STREAMS_MAX = 240
LINGER = 60.0  # s after close() in which the other end may end its half

Data = Union[bytes, bytearray, memoryview]


def _as_stream_error(error: BaseException) -> BaseException:
    if isinstance(error, WarrenError) and not isinstance(error, Disconnected):
        return StreamError(error.code, error.text)
    return error


def _hand(protocol: asyncio.BaseProtocol, data: bytes) -> None:
    """To a protocol of either kind."""
    if isinstance(protocol, asyncio.Protocol):
        protocol.data_received(data)
        return
    assert isinstance(protocol, asyncio.BufferedProtocol)
    while data:
        room = memoryview(protocol.get_buffer(len(data)))
        count = min(len(room), len(data))
        if count == 0:
            raise RuntimeError("get_buffer() returned an empty buffer")
        room[:count] = data[:count]
        protocol.buffer_updated(count)
        data = data[count:]


class StreamTransport(asyncio.Transport):
    """One stream. It ends with one call of the protocol's connection_lost:
    with None after both halves were shut, or when this side gave it up by
    abort(); else with what went wrong, a StreamError or Disconnected."""

    # Has loop.start_tls() take it.
    _start_tls_compatible = True

    def __init__(self, client: Client, protocol: asyncio.BaseProtocol,
                 extra: Dict[str, Any]) -> None:
        super().__init__(extra)
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._protocol = protocol
        self._request: Optional[Request] = None
        self.opened: "asyncio.Future[None]" = self._loop.create_future()
        self.opened.add_done_callback(
            lambda o: o.cancelled() or o.exception())
        self.lost: "asyncio.Future[None]" = self._loop.create_future()
        self._made = False  # the protocol knows of it
        self._lost = False  # and has heard of its end, or soon will
        # What comes in.
        self._paused = False
        self._held: Deque[bytes] = deque()
        self._credit = CREDIT  # that the daemon still has
        self._owed = 0  # to grant
        self._end_came = False
        self._end_due = False
        self._end_told = False
        self._good_end = False  # both halves were shut
        # What goes out.
        self._buffer = bytearray()
        self._in_flight = 0  # bytes of the stream.write that runs
        self._eof = False  # no more is written
        self._shut = False  # and the daemon knows
        self._closing = False
        self._linger: Optional[asyncio.TimerHandle] = None
        self._full = False  # the protocol was paused
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4

    def start(self, method: str, **params: Any) -> None:
        self._request = self._client.start(method, self._news, credit=CREDIT,
                                           **params)
        self._request.answer.add_done_callback(self._answered)

    def made(self) -> None:
        """Has the protocol know of it, and have what came meanwhile."""
        self._made = True
        try:
            self._protocol.connection_made(self)
        except Exception as error:
            self._failed(error)
        self._deliver()

    # ---- asyncio.Transport -------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def is_closing(self) -> bool:
        return self._closing or self._lost

    def is_reading(self) -> bool:
        return not self._paused and not self.is_closing()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        # Never at once: who resumes is not ready yet for what comes then.
        self._loop.call_soon(self._deliver)

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return len(self._buffer) + self._in_flight

    def get_write_buffer_limits(self) -> Tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: Optional[int] = None,
                                low: Optional[int] = None) -> None:
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be at least low ({low}), "
                             "and neither below 0")
        self._high, self._low = high, low
        self._flow()

    def write(self, data: Data) -> None:
        if self._eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.is_closing():
            return
        self._buffer += data
        self._push()
        self._flow()

    def write_eof(self) -> None:
        self._eof = True
        self._push()

    def close(self) -> None:
        """What was written is still sent, and then the stream ends well, if
        the other end shuts its half within a minute. What that still sends is
        thrown away."""
        if self.is_closing():
            return
        self._closing = True
        self._eof = True
        self._linger = self._loop.call_later(LINGER, self._not_ended)
        self._push()
        self._deliver()

    def abort(self) -> None:
        """Ends both halves at once: what was not sent is forgotten, and the
        other end is told that this is no good end."""
        self._force_close(None)

    def _force_close(self, exc: Optional[BaseException]) -> None:
        """Also called by asyncio's TLS."""
        if self._lost:
            return
        if self._request is not None and not self._client.closed:
            self._client.insist("stream.reset", call=self._request.msgid)
        self._lose(exc)

    # ---- What the daemon says ----------------------------------------------

    def _news(self, method: str, params: Params) -> None:
        if method in ("data", "end") and self._end_came:
            raise WarrenError("unexpected", "a stream goes on after its end")
        if method == "data":
            data = v.data(params, "data")
            self._credit -= len(data)
            if self._credit < 0:
                raise WarrenError("too_large", "more data than this stream "
                                  "has asked for")
            if data:
                self._held.append(data)
        elif method == "end":
            self._end_came = True
        elif method == "opened" and not self.opened.done():
            self.opened.set_result(None)
        self._deliver()

    def _answered(self, answer: "asyncio.Future[Params]") -> None:
        error = answer.exception()
        if error is not None:
            error = _as_stream_error(error)
            if not self.opened.done():
                self.opened.set_exception(error)
            self._lose(error)
            return
        if not self._end_came:
            self._lose(StreamError("unexpected", "it ended without an end"))
            return
        self._good_end = True
        self._deliver()

    def _not_ended(self) -> None:
        self._force_close(StreamError("timeout", "the other end did not shut "
                                      "its half after this one was closed"))

    # ---- In ----------------------------------------------------------------

    def _grant(self) -> None:
        """What the program has taken may come again, not each byte by
        itself."""
        if (self._owed < CREDIT // 2 or self._end_came or self._lost or
                self._request is None or self._client.closed):
            return
        self._client.insist("stream.read", call=self._request.msgid,
                            credit=self._owed)
        self._credit += self._owed
        self._owed = 0

    def _deliver(self) -> None:
        """As much as the protocol takes now."""
        if not self._made or self._lost:
            return
        while self._held and (self._closing or not self._paused):
            data = self._held.popleft()
            self._owed += len(data)
            if self._closing:
                continue
            try:
                _hand(self._protocol, data)
            except Exception as error:
                self._failed(error)
            if self._lost:
                return
        if self._paused and not self._closing:
            return
        self._grant()
        if self._end_came and not self._end_told and not self._end_due:
            self._end_due = True
            self._loop.call_soon(self._tell_end)
        elif self._end_told and self._good_end:
            self._lose(None)

    def _tell_end(self) -> None:
        """In a turn of the loop of its own, as the end of a socket comes:
        what has resumed reading in this one has not read yet, and asyncio's
        TLS would lose what it still has."""
        self._end_due = False
        if self._lost or (self._paused and not self._closing):
            return
        self._end_told = True
        try:
            if not self._closing and not self._wants_to_write():
                self.close()
        except Exception as error:
            self._failed(error)
        self._deliver()

    def _failed(self, error: Exception) -> None:
        """A fault of the program: its stream alone ends."""
        self._loop.call_exception_handler({
            "message": "a protocol failed at a stream",
            "exception": error, "transport": self,
            "protocol": self._protocol})
        self._force_close(error)

    def _wants_to_write(self) -> bool:
        protocol = self._protocol
        assert isinstance(protocol, (asyncio.Protocol,
                                     asyncio.BufferedProtocol))
        return bool(protocol.eof_received())

    # ---- Out ---------------------------------------------------------------

    def _push(self) -> None:
        """One stream.write runs at a time."""
        request = self._request
        if request is None or self._in_flight or self._lost or self._shut \
                or self._client.closed:
            return
        if self._buffer:
            data = bytes(self._buffer[:WRITE_MAX])
            del self._buffer[:WRITE_MAX]
            self._in_flight = len(data)
            self._client.insist("stream.write", call=request.msgid, data=data
                                ).add_done_callback(self._written)
        elif self._eof:
            self._shut = True
            self._client.insist("stream.shutdown", call=request.msgid
                                ).add_done_callback(self._written)

    def _written(self, answer: "asyncio.Future[Params]") -> None:
        self._in_flight = 0
        error = answer.exception()
        if self._lost:
            return
        if error is None:
            self._push()
            self._flow()
        elif not (isinstance(error, WarrenError) and error.code in
                  ("cancelled", "not_found")):
            # Else the stream has ended, and its own answer says how.
            self._force_close(_as_stream_error(error))

    def _flow(self) -> None:
        waiting = self.get_write_buffer_size()
        if not self._full and waiting > self._high:
            self._full = True
            self._protocol.pause_writing()
        elif self._full and waiting <= self._low:
            self._full = False
            self._protocol.resume_writing()

    # ---- The end -----------------------------------------------------------

    def _lose(self, exc: Optional[BaseException]) -> None:
        if self._lost:
            return
        self._lost = True
        self._held.clear()
        self._buffer.clear()
        if self._linger is not None:
            self._linger.cancel()
        if not self.opened.done():
            self.opened.set_exception(
                exc or StreamError("cancelled", "given up here"))
        self.lost.set_result(None)
        if self._made:
            self._loop.call_soon(self._tell_lost, exc)

    def _tell_lost(self, exc: Optional[BaseException]) -> None:
        self._protocol.connection_lost(
            exc if exc is None or isinstance(exc, Exception)
            else StreamError("failed", str(exc)))
