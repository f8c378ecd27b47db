# SPDX-License-Identifier: MIT
"""A node of the network, as a program has it: by way of its daemon."""
from __future__ import annotations

import asyncio
import ssl as tls
from typing import (Any, Callable, Coroutine, Generator, Generic, List,
                    Optional, Set, Tuple, TypeVar, Union)

from . import _stream
from . import _values as v
from ._client import Client, News, Params, open_client
from ._stream import StreamTransport
from ._where import Path
from .dht import Dht
from .errors import StreamError, WarrenError
from .events import Events
from .service import (LIMIT, OnData, OnGone, OnPeer, OnState, Service)
from .types import Answer, Circuit, Hop, NewService, Peer

Destination = Union[str, Peer]
Isolation = Union[int, str]
P = TypeVar("P", bound=asyncio.BaseProtocol)
T = TypeVar("T")
GRACE = 5.0  # s in which close() waits for streams that were closed


def _ms(timeout: Optional[float]) -> Optional[int]:
    return None if timeout is None else max(1, round(timeout * 1000))


def _circuit(m: Params) -> Circuit:
    return Circuit(
        v.count(m, "id"), v.count(m, "hops"), v.count(m, "built"),
        v.text(m, "state"), v.number(m, "age"), v.number(m, "idle"),
        v.count(m, "up"), v.count(m, "down"), v.seconds(m, "build_time"),
        v.seconds(m, "rtt"), tuple(
            Hop(v.text(h, "identity"), v.text(h, "address"),
                v.seconds(h, "rtt")) for h in v.maps(m, "path")))


class Node:
    """What open() gives. `hops` is how many strangers are between: 1 to 4, to
    services 1 to 3. All that fails raises a WarrenError."""

    def __init__(self, client: Client) -> None:
        self.client = client  # for methods that have no function here
        self.dht = Dht(client)
        self.mainline = Dht(client, mainline=True)
        self._streams: Set[StreamTransport] = set()

    @property
    def closed(self) -> bool:
        return self.client.closed

    async def call(self, method: str, /, on_news: Optional[News] = None,
                   **params: Any) -> Params:
        """A method of the control socket (docs/control.md), and its
        result."""
        return await self.client.call(method, on_news, **params)

    async def status(self) -> Params:
        """What `warren status --json` prints."""
        return await self.client.call("status")

    async def close(self) -> None:
        """Ends all that runs: registrations, servers, streams. Streams that
        were closed before have some seconds to send what they still have."""
        closing = [t.lost for t in self._streams if t.is_closing()]
        if closing:
            await asyncio.wait(closing, timeout=GRACE)
        await self.client.close()

    async def __aenter__(self) -> "Node":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- Tunnels -----------------------------------------------------------

    async def build_tunnels(self, hops: int, count: Optional[int] = None,
                            timeout: Optional[float] = None) -> List[int]:
        """Keeps a pool of data circuits of that many hops from now on, also
        when this program has ended. Waits until `count` are there (else as
        many as tunnel.min_circuits says), and returns their numbers. Code
        "no_nodes": not within `timeout` (30 s); the node goes on trying."""
        m = await self.client.call("tunnel.build", hops=hops, count=count,
                                   timeout=_ms(timeout))
        return v.counts(m, "circuits")

    async def stop_tunnels(self, hops: int) -> None:
        """Keeps it no longer. Code "not_found": there was none."""
        await self.client.call("tunnel.stop", hops=hops)

    async def active_data_circuits(self, hops: int) -> List[int]:
        """The circuits of that many hops that data can be sent over now."""
        return v.counts(await self.client.call("tunnel.active", hops=hops),
                        "circuits")

    async def tunnels_ready(self) -> float:
        """Available circuits divided by tunnel.min_circuits, over the pools of
        all lengths: above 1.0 with more than the minimum."""
        return v.number(await self.client.call("tunnel.circuits"), "ready")

    async def circuits(self) -> List[Circuit]:
        """All data circuits, also those that are being built."""
        m = await self.client.call("tunnel.circuits")
        return [_circuit(c) for c in v.maps(m, "circuits")]

    async def close_circuit(self, circuit: int) -> None:
        """The pool replaces it if it has to."""
        await self.client.call("tunnel.close", circuit=circuit)

    async def tunnel_data(self, circuit: int, destination: Destination,
                          payload: bytes, type: str = "data") -> None:
        """Sends one datagram through the circuit's exit, to "192.0.2.1:53",
        "[2001:db8::1]:53" or "host.example:53", which the exit looks up; or to
        a peer (a Peer, "p17.peer.warren", "p17.peer.warren:53") or a service
        ("<56 characters>.warren:53"), for which no circuit is needed: give 0.
        It was sent when this returns; whether it arrives is as with UDP. What
        comes back are events: events("data")."""
        await self.client.call("tunnel.data", circuit=circuit or None,
                               to=str(destination), data=bytes(payload),
                               type=type)

    async def tunnel_send(self, destination: str, payload: bytes,
                          hops: int = 3, timeout: Optional[float] = None
                          ) -> Answer:
        """A datagram through some exit, and its answer: the node chooses the
        circuit, and another one when that breaks or its exit refuses. Codes
        "refused", "silent" (no answer within `timeout`, 30 s), "no_circuit".
        """
        m = await self.client.call("tunnel.send", hops=hops, to=destination,
                                   data=bytes(payload), timeout=_ms(timeout))
        outcome = v.text(m, "outcome")
        if outcome != "answered":
            raise WarrenError(outcome, v.maybe_text(m, "text") or "")
        return Answer(v.text(m, "source"), v.data(m, "data"),
                      v.count(m, "circuit"), v.seconds(m, "rtt") or 0.0)

    def events(self, *kinds: str) -> Events:
        """What happens, as it happens; `kinds` out of "circuits", "data",
        "peers", "services" and "streams", without any all of them:

            async with node.events("data") as events:
                async for event in events: ...
        """
        return Events(self.client, kinds)

    # ---- Streams -----------------------------------------------------------

    async def create_connection(
            self, protocol_factory: Callable[[], P], destination: Destination,
            hops: int = 3, isolation: Optional[Isolation] = None,
            timeout: Optional[float] = None, access: Optional[str] = None,
            early: bool = False) -> Tuple[StreamTransport, P]:
        """As open_connection(), for protocols of asyncio."""
        if not self._has_room():
            raise StreamError("full", f"{_stream.STREAMS_MAX} streams are "
                              "open over this connection: open() another")
        protocol = protocol_factory()
        transport = StreamTransport(self.client, protocol, {
            "peername": str(destination),
            "peer": destination if isinstance(destination, Peer) else None})
        transport.start("stream.connect", to=str(destination), hops=hops,
                        isolation=isolation, timeout=_ms(timeout),
                        access=access)
        self._keep(transport)
        if not early:
            try:
                await asyncio.shield(transport.opened)
            except asyncio.CancelledError:
                transport.abort()
                raise
        transport.made()
        return transport, protocol

    async def open_connection(
            self, destination: Destination, hops: int = 3,
            isolation: Optional[Isolation] = None,
            timeout: Optional[float] = None, access: Optional[str] = None,
            early: bool = False, ssl: Optional[tls.SSLContext] = None,
            server_hostname: Optional[str] = None, limit: int = LIMIT
    ) -> Tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Opens a stream to a host of the Internet, which an exit looks up and
        connects to; to a service by its address, with the secret `access`
        where it wants one; or to a peer, where `hops` is ignored. Returns a
        StreamReader and a StreamWriter of asyncio once the other end is there.

        Streams with different `isolation` keys never share a circuit. With
        `early` it returns at once, and what is written meanwhile travels with
        the request. With `ssl` it is TLS.

        StreamError, also later from read() and drain(), tells how it failed:
        "refused", "policy", "resolve", "timeout", "link_lost", ...
        writer.transport.abort() resets the stream. With close(), what was
        written is still sent: `await writer.wait_closed()`.
        """
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport: asyncio.Transport
        if ssl is None:
            transport, _ = await self.create_connection(
                lambda: protocol, destination, hops, isolation, timeout,
                access, early)
        else:
            below, _ = await self.create_connection(
                asyncio.Protocol, destination, hops, isolation, timeout,
                access, early)
            transport = await self._secure(
                below, protocol, ssl,
                server_hostname or str(destination).rpartition(":")[0])
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    @staticmethod
    async def _secure(below: StreamTransport,
                      protocol: asyncio.StreamReaderProtocol,
                      context: tls.SSLContext, host: str) -> asyncio.Transport:
        try:
            secure = await asyncio.get_running_loop().start_tls(
                below, protocol, context, server_hostname=host)
            if secure is None:
                raise StreamError("tls", "the stream has ended meanwhile")
        except BaseException:
            below.abort()
            raise
        protocol.connection_made(secure)
        return secure

    def _has_room(self) -> bool:
        open_ones = sum(not t.lost.done() for t in self._streams)
        return open_ones < _stream.STREAMS_MAX

    def _keep(self, transport: StreamTransport) -> None:
        self._streams.add(transport)
        transport.lost.add_done_callback(
            lambda _: self._streams.discard(transport))

    # ---- Services ----------------------------------------------------------

    async def register_service(
            self, identifier: str, hops: Optional[int] = None,
            on_peer: Optional[OnPeer] = None, on_data: Optional[OnData] = None,
            on_gone: Optional[OnGone] = None,
            on_state: Optional[OnState] = None,
            access: Optional[str] = None) -> Service:
        """Finds, and is found by, everybody who registers the same string; or
        is the service of an address, when this node has its key
        (new_service()); or reaches who is.

        `on_peer(peer)` is called for each that is found, once; `on_data(peer,
        port, payload)` with what they send; `on_gone(peer, reason)` when they
        have left; `on_state(state)` when it stands another way. `hops` is 1 to
        3, else 3; `access` is 64 hex digits that the owner of an address has
        given.

        What the daemon's configuration, or another program, has registered
        already is shared: those who are there are told first, and it goes on
        after close(), with its own number of hops.
        """
        service = Service(self, identifier, on_peer, on_data, on_gone,
                          on_state)
        await service._begin(hops=hops, access=access)
        return service

    async def new_service(self, name: str, string: Optional[str] = None
                          ) -> NewService:
        """Makes the key of a service in the daemon's data directory: whoever
        has that file is the service. It runs from now on, also after this
        program and at each start of the daemon, until remove_service()."""
        m = await self.client.call("service.new", name=name, service=string)
        return NewService(v.text(m, "name"), v.maybe_text(m, "address"),
                          v.maybe_text(m, "string"))

    async def remove_service(self, name: str) -> None:
        """Ends it and takes its key away, for good."""
        await self.client.call("service.remove", name=name)


class Opening(Generic[T]):
    """`async with open() as node:`, or `node = await open()` and a close()."""

    def __init__(self, connect: Callable[[], Coroutine[Any, Any, T]],
                 close: Callable[[T], Coroutine[Any, Any, None]]) -> None:
        self._connect = connect
        self._close = close
        self._opened: Optional[T] = None

    def __await__(self) -> Generator[Any, None, T]:
        return self._connect().__await__()

    async def __aenter__(self) -> T:
        self._opened = await self._connect()
        return self._opened

    async def __aexit__(self, *_: object) -> None:
        if self._opened is not None:
            await self._close(self._opened)


def connect(control: Optional[Path] = None, data_dir: Optional[Path] = None
            ) -> "Opening[Client]":
    """A connection to the daemon whose control socket is `control`, or whose
    data directory is `data_dir`; without either, where WARREN_NODE_CONTROL or
    WARREN_NODE_DATA_DIR say, or in the default directory of this user.
    NoDaemon. The daemon takes whoever may open its socket: its own user and
    root."""
    return Opening(lambda: open_client(control, data_dir), Client.close)


def open(control: Optional[Path] = None, data_dir: Optional[Path] = None
         ) -> "Opening[Node]":
    """The node of a daemon that runs, found as connect() finds it."""
    async def opened() -> Node:
        return Node(await open_client(control, data_dir))
    return Opening(opened, Node.close)
