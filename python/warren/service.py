# SPDX-License-Identifier: MIT
"""Hidden services: Node.register_service()."""
from __future__ import annotations

import asyncio
import inspect
from typing import (TYPE_CHECKING, Any, Awaitable, Callable, Dict, List,
                    Optional, Set, Union)

from . import _values as v
from ._client import Client, Params, Request
from ._stream import StreamTransport
from .errors import WarrenError
from .types import Peer, Reason, State

if TYPE_CHECKING:
    from .node import Node

LIMIT = 64 * 1024  # of a StreamReader, as asyncio has it
TASKS_MAX = 1024  # coroutines of callbacks that run at a time

OnPeer = Callable[[Peer], Union[None, Awaitable[None]]]
OnData = Callable[[Peer, int, bytes], Union[None, Awaitable[None]]]
OnGone = Callable[[Peer, Reason], Union[None, Awaitable[None]]]
OnState = Callable[[State], Union[None, Awaitable[None]]]
OnStream = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]
Accept = Callable[[Peer], bool]


class Service:
    """A registration. It goes on until close(), or until the node is closed.

    Callbacks are functions, called from the event loop one after the other, or
    coroutine functions, each call of which becomes a task.
    """

    def __init__(self, node: "Node", identifier: str,
                 on_peer: Optional[OnPeer], on_data: Optional[OnData],
                 on_gone: Optional[OnGone], on_state: Optional[OnState]
                 ) -> None:
        self.identifier = identifier
        self._node = node
        self._client: Client = node.client
        self._on = (on_peer, on_data, on_gone, on_state)
        self._peers: Dict[str, Peer] = {}
        self._state: Optional[State] = None
        self._request: Optional[Request] = None
        self._servers: List["Server"] = []
        self._tasks: Set["asyncio.Future[None]"] = set()
        self._somebody: List["asyncio.Future[Peer]"] = []
        self.dropped = 0  # datagrams, for TASKS_MAX callbacks were running

    # ---- For programs ------------------------------------------------------

    @property
    def peers(self) -> List[Peer]:
        """Who is there now."""
        return list(self._peers.values())

    @property
    def state(self) -> Optional[State]:
        """How it stands; None: not told yet."""
        return self._state

    async def wait_peer(self) -> Peer:
        """A peer, as soon as there is one."""
        if self._peers:
            return next(iter(self._peers.values()))
        waiting: "asyncio.Future[Peer]" = \
            asyncio.get_running_loop().create_future()
        if self._request is None or self._request.answer.done():
            raise WarrenError("cancelled", "the service was closed")
        self._somebody.append(waiting)
        try:
            return await waiting
        finally:
            if waiting in self._somebody:
                self._somebody.remove(waiting)

    async def send(self, peer: Union[Peer, str], payload: bytes,
                   port: int = 0) -> None:
        """A datagram to a peer, as Node.tunnel_data()."""
        name = peer.name if isinstance(peer, Peer) else peer
        await self._node.tunnel_data(0, f"{name}:{port}" if port else name,
                                     payload)

    async def start_server(self, callback: OnStream, port: int,
                           accept: Optional[Accept] = None,
                           limit: int = LIMIT) -> "Server":
        """Takes the streams that peers open to a port: `callback` is called
        with a StreamReader and a StreamWriter of asyncio for each, as
        asyncio.start_server() does; a coroutine function becomes a task.
        writer.get_extra_info("peer") is the Peer. With `accept`, streams of
        those for whom it is False are refused.

        Code "in_use": somebody takes the streams of that port already."""
        server = Server(self, callback, port, accept, limit)
        await server._start()
        self._servers = [s for s in self._servers if s.is_serving()]
        self._servers.append(server)
        return server

    async def close(self) -> None:
        """Ends it, and its servers; its streams go on. Others find it no more
        within some hours, unless the daemon's configuration keeps it."""
        for server in self._servers:
            server.close()
        for server in self._servers:
            await server.wait_closed()
        if self._request is not None:
            self._request.cancel()
            await asyncio.wait([self._request.answer])
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()

    async def wait_closed(self) -> None:
        """Returns after close(); raises what else has ended it."""
        if self._request is None:
            return
        try:
            await asyncio.shield(self._request.answer)
        except WarrenError as error:
            if error.code != "cancelled" or self._client.closed:
                raise

    async def __aenter__(self) -> "Service":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- Inside ------------------------------------------------------------

    async def _begin(self, **params: Any) -> None:
        """Returns when the daemon has taken it; nothing is said then, but it
        answers in order: what it refuses it has refused before the next."""
        self._request = self._client.start(
            "service.register", self._news, service=self.identifier, **params)
        self._request.answer.add_done_callback(self._ended)
        try:
            await self._client.call("service.list")
        except asyncio.CancelledError:
            self._request.cancel()
            raise
        if self._request.answer.done():
            await self._request.answer

    def _ended(self, answer: "asyncio.Future[Params]") -> None:
        for waiting in self._somebody:
            if not waiting.done():
                waiting.set_exception(answer.exception() or WarrenError(
                    "cancelled", "the service was closed"))

    def _peer(self, name: str) -> Peer:
        return self._peers.get(name) or Peer(name)

    def _news(self, method: str, params: Params) -> None:
        on_peer, on_data, on_gone, on_state = self._on
        if method == "peer":
            peer = Peer(v.text(params, "peer"), v.maybe_text(params, "key"),
                        v.flag(params, "opened"))
            self._peers[peer.name] = peer
            self._call(on_peer, peer)
            for waiting in self._somebody:
                if not waiting.done():
                    waiting.set_result(peer)
            self._somebody.clear()
        elif method == "data":
            if len(self._tasks) >= TASKS_MAX:
                self.dropped += 1
                return
            self._call(on_data, self._peer(v.text(params, "peer")),
                       v.count(params, "port"), v.data(params, "data"))
        elif method == "gone":
            peer = self._peer(v.text(params, "peer"))
            self._peers.pop(peer.name, None)
            self._call(on_gone, peer, Reason(v.text(params, "reason"),
                                             v.text(params, "text")))
        elif method == "state":
            self._state = State(v.text(params, "state"),
                                v.text(params, "text"))
            self._call(on_state, self._state)

    def _call(self, callback: Optional[Callable[..., Any]], *args: Any
              ) -> None:
        """One that fails is told to the event loop, and ends nothing."""
        if callback is None:
            return
        try:
            result = callback(*args)
        except Exception as error:
            self._say(error)
            return
        if inspect.isawaitable(result):
            task = asyncio.ensure_future(result)
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Future[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._say(task.exception())

    def _say(self, error: Optional[BaseException]) -> None:
        asyncio.get_running_loop().call_exception_handler({
            "message": f"a callback of the service {self.identifier!r} "
                       "failed", "exception": error})


class Server:
    """What Service.start_server() gives."""

    def __init__(self, service: Service, callback: OnStream, port: int,
                 accept: Optional[Accept], limit: int) -> None:
        self.port = port
        self._service = service
        self._client = service._client
        self._callback = callback
        self._accept = accept
        self._limit = limit
        self._request: Optional[Request] = None
        self._listening: "asyncio.Future[None]" = \
            asyncio.get_running_loop().create_future()

    def is_serving(self) -> bool:
        return self._request is not None and not self._request.answer.done()

    def close(self) -> None:
        """Takes no more streams; those that there are go on."""
        if self._request is not None:
            self._request.cancel()

    async def wait_closed(self) -> None:
        if self._request is not None:
            await asyncio.wait([self._request.answer])

    async def serve_forever(self) -> None:
        """Until it is cancelled, and then closes it; raises what else has
        ended it."""
        if self._request is None:
            return
        try:
            await asyncio.shield(self._request.answer)
        finally:
            self.close()

    async def __aenter__(self) -> "Server":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await self.wait_closed()

    async def _start(self) -> None:
        self._request = self._client.start(
            "stream.listen", self._news, service=self._service.identifier,
            port=self.port)
        self._request.answer.add_done_callback(self._ended)
        try:
            await asyncio.shield(self._listening)
        except asyncio.CancelledError:
            self.close()
            raise

    def _ended(self, answer: "asyncio.Future[Params]") -> None:
        if not self._listening.done():
            self._listening.set_exception(answer.exception() or WarrenError(
                "unexpected", "it ended before it began"))

    def _news(self, method: str, params: Params) -> None:
        if method == "listening" and not self._listening.done():
            self._listening.set_result(None)
        elif method == "stream":
            self._visit(v.count(params, "visit"), v.text(params, "peer"),
                        v.maybe_text(params, "key"))

    def _visit(self, visit: int, name: str, key: Optional[str]) -> None:
        peer = self._service._peers.get(name) or Peer(name, key)
        try:
            wanted = self._service._node._has_room() and (
                self._accept is None or self._accept(peer))
        except Exception as error:
            self._service._say(error)
            wanted = False
        if not wanted:
            self._client.insist("stream.refuse", visit=visit)
            return
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=self._limit, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, self._callback,
                                                loop=loop)
        transport = StreamTransport(self._client, protocol, {
            "peer": peer, "peername": peer.at(self.port)})
        transport.start("stream.accept", visit=visit)
        self._service._node._keep(transport)
        transport.made()
