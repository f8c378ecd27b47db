# SPDX-License-Identifier: MIT
"""What happens at a node, as it happens: Node.events()."""
from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Callable, Deque, Dict, Generator, Optional, Tuple, Union

from . import _values as v
from ._client import Client, Params, Request
from .errors import WarrenError

KINDS = ("circuits", "data", "peers", "services", "streams")
QUEUE = 1024  # events that wait for the program


@dataclass(frozen=True)
class CircuitEvent:
    """A data circuit can be used ("ready"), or is gone ("closed")."""
    event: str
    circuit: int
    hops: int
    hop: int  # at which it failed, the nearest being 1; 0: ended here
    reason: Optional[str]
    text: Optional[str]


@dataclass(frozen=True)
class DataEvent:
    """A datagram came in, or went out ("in", "out")."""
    direction: str
    circuit: Optional[int]  # None: of a peer
    source: Optional[str]  # of one that came in: a destination for answers
    to: Optional[str]  # of one that went out
    data: bytes


@dataclass(frozen=True)
class RefusedEvent:
    """An exit did not send a datagram."""
    circuit: int
    reason: str
    text: str


@dataclass(frozen=True)
class PeerEvent:
    peer: str
    service: Optional[str]
    key: Optional[str]
    opened: bool


@dataclass(frozen=True)
class GoneEvent:
    peer: str
    service: Optional[str]
    reason: str
    text: str


@dataclass(frozen=True)
class StateEvent:
    service: Optional[str]
    state: str
    text: str


@dataclass(frozen=True)
class StreamEvent:
    """"asked", "opened", "accepted" or "ended"."""
    event: str
    stream: int
    to: Optional[str]
    peer: Optional[str]
    port: Optional[int]
    read: int
    written: int
    reason: Optional[str]
    text: Optional[str]


@dataclass(frozen=True)
class LostEvent:
    """So many events are missing here: the program, or this connection, was
    too slow for them."""
    count: int


Event = Union[CircuitEvent, DataEvent, RefusedEvent, PeerEvent, GoneEvent,
              StateEvent, StreamEvent, LostEvent]


def _circuit(m: Params) -> Event:
    return CircuitEvent(v.text(m, "event"), v.count(m, "circuit"),
                        v.count(m, "hops"), v.maybe_count(m, "hop") or 0,
                        v.maybe_text(m, "reason"), v.maybe_text(m, "text"))


def _data(m: Params) -> Event:
    return DataEvent(v.text(m, "direction"), v.maybe_count(m, "circuit"),
                     v.maybe_text(m, "source"), v.maybe_text(m, "to"),
                     v.data(m, "data"))


def _stream(m: Params) -> Event:
    return StreamEvent(v.text(m, "event"), v.count(m, "stream"),
                       v.maybe_text(m, "to"), v.maybe_text(m, "peer"),
                       v.maybe_count(m, "port"),
                       v.maybe_count(m, "read") or 0,
                       v.maybe_count(m, "written") or 0,
                       v.maybe_text(m, "reason"), v.maybe_text(m, "text"))


_READERS: Dict[str, Callable[[Params], Event]] = {
    "circuit": _circuit,
    "data": _data,
    "refused": lambda m: RefusedEvent(
        v.count(m, "circuit"), v.text(m, "reason"), v.text(m, "text")),
    "peer": lambda m: PeerEvent(
        v.text(m, "peer"), v.maybe_text(m, "service"),
        v.maybe_text(m, "key"), v.flag(m, "opened")),
    "gone": lambda m: GoneEvent(
        v.text(m, "peer"), v.maybe_text(m, "service"),
        v.text(m, "reason"), v.text(m, "text")),
    "state": lambda m: StateEvent(
        v.maybe_text(m, "service"), v.text(m, "state"), v.text(m, "text")),
    "stream": _stream,
    "lost": lambda m: LostEvent(v.count(m, "count")),
}


class Events:
    """Events of the kinds that were asked for, from `async with` on (or from
    the first turn of `async for` without it); iterates without an end. Up to
    QUEUE of them wait here; of more, a LostEvent says how many are missing.

    When the daemon goes away the iteration raises Disconnected. Who leaves an
    `async for` without `async with` around it goes on being told.
    """

    def __init__(self, client: Client, kinds: Tuple[str, ...]) -> None:
        unknown = sorted(set(kinds) - set(KINDS))
        if unknown:
            raise WarrenError("syntax", f"there are no events of the kind "
                              f"{', '.join(unknown)}; there are: "
                              f"{', '.join(KINDS)}")
        self._client = client
        self._kinds = ",".join(kinds) or None
        self._queue: Deque[Event] = deque()
        self._lost = 0  # since the last that was put there
        self._closed = False
        self._request: Optional[Request] = None
        self._subscribed: "Optional[asyncio.Future[None]]" = None
        self._came: "Optional[asyncio.Future[None]]" = None

    async def __aenter__(self) -> "Events":
        await self._subscribe()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __await__(self) -> Generator[object, None, "Events"]:
        """await node.events(): subscribed, to be closed by close()."""
        return self.__aenter__().__await__()

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> Event:
        request = await self._subscribe()
        while not self._queue and not self._lost:
            if self._closed:
                raise StopAsyncIteration
            if request.answer.done():
                await request.answer
                raise WarrenError("unexpected", "the events have ended")
            self._came = asyncio.get_running_loop().create_future()
            await self._came
        if self._queue:
            return self._queue.popleft()
        lost, self._lost = self._lost, 0
        return LostEvent(lost)

    async def close(self) -> None:
        """The daemon tells no more; what has come can still be had."""
        self._closed = True
        self._wake()
        if self._request is not None:
            self._request.cancel()
            await asyncio.wait([self._request.answer])

    async def _subscribe(self) -> Request:
        if self._request is None:
            self._subscribed = asyncio.get_running_loop().create_future()
            self._request = self._client.start(
                "events", self._news, kinds=self._kinds)
            self._request.answer.add_done_callback(self._ended)
        if self._subscribed is not None:
            await asyncio.shield(self._subscribed)
        return self._request

    def _ended(self, answer: "asyncio.Future[Params]") -> None:
        subscribed = self._subscribed
        if subscribed is not None and not subscribed.done():
            subscribed.set_exception(answer.exception() or WarrenError(
                "unexpected", "it ended before it began"))
        self._wake()

    def _wake(self) -> None:
        if self._came is not None and not self._came.done():
            self._came.set_result(None)

    def _news(self, method: str, params: Params) -> None:
        if method == "subscribed":
            if self._subscribed is not None and not self._subscribed.done():
                self._subscribed.set_result(None)
            return
        reader = _READERS.get(method)
        if reader is None:  # of a newer daemon
            return
        self._put(reader(params))
        self._wake()

    def _put(self, event: Event) -> None:
        missed = event.count if isinstance(event, LostEvent) else 0
        if len(self._queue) >= QUEUE - 1:
            self._lost += missed or 1
            return
        if self._lost:
            self._queue.append(LostEvent(self._lost + missed))
            self._lost = 0
            if missed:
                return
        self._queue.append(event)
