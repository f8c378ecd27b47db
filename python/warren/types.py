# SPDX-License-Identifier: MIT
"""What the functions of this package answer with. All are values: none changes
after it was made. Times are seconds; what is not known is None."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Tuple


@dataclass(frozen=True)
class Hop:
    identity: str  # 64 hex digits
    address: str
    rtt: Optional[float]


@dataclass(frozen=True)
class Circuit:
    id: int
    hops: int
    built: int  # hops so far
    state: str  # "building", "ready", "retiring"
    age: float
    idle: float
    up: int  # bytes
    down: int
    build_time: Optional[float]
    rtt: Optional[float]
    path: Tuple[Hop, ...]


@dataclass(frozen=True)
class Answer:
    """Of tunnel_send()."""
    source: str
    data: bytes
    circuit: int  # that it went over
    rtt: float


@dataclass(frozen=True)
class Peer:
    """Whoever is at the other end of a service. It outlives circuits; once it
    is gone its name is nobody's."""
    name: str  # "p17.peer.warren": a destination
    # 64 hex digits, by which it is known again: a member's of a string, or the
    # service's. None: a client of a service with an address is nobody.
    key: Optional[str] = None
    opened: bool = False  # by this side

    def at(self, port: int) -> str:
        """The destination of this port: "p17.peer.warren:80"."""
        return f"{self.name}:{port}"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class State:
    """How a registration stands: `name` is for programs, "fine" or why
    nothing comes ("starting", "no_path", "not_found", ...)."""
    name: str
    text: str


@dataclass(frozen=True)
class Reason:
    name: str
    text: str


@dataclass(frozen=True)
class NewService:
    """Of new_service()."""
    name: str
    address: Optional[str]  # "<56 characters>.warren"
    string: Optional[str]


# ---- The DHT ----------------------------------------------------------------

@dataclass(frozen=True)
class Effort:
    """What a lookup took."""
    target: str  # 40 hex digits
    asked: int  # nodes
    answered: int
    hops: int
    duration: float


@dataclass(frozen=True)
class DhtPeer:
    address: str
    hop: int  # that named it first
    told_by: Optional[str]  # None: it was known here


@dataclass(frozen=True)
class Found:
    """Of get_peers()."""
    effort: Effort
    peers: Tuple[DhtPeer, ...]


@dataclass(frozen=True)
class Scrape:
    """Of scrape(). The estimates are worth nothing when nobody counts."""
    effort: Effort
    scraped: int  # nodes that count
    seeds: float
    downloaders: float
    peers: Tuple[DhtPeer, ...]  # that were named by the way


@dataclass(frozen=True)
class Stored:
    """Of announce() and put()."""
    effort: Effort
    stored: int  # nodes that took it
    kept: bool  # on this node's disk, and so renewed after a restart


@dataclass(frozen=True)
class Item:
    """Of get(). `value` as msgpack has it: bytes, int, list or dict; None for
    one of the mainline DHT whose keys are out of order, which is in
    `bencoded` as it came."""
    value: Any
    mutable: bool
    hop: int  # that had it
    # Of mutable ones:
    key: Optional[str] = None
    signature: Optional[str] = None
    seq: Optional[int] = None
    salt: bytes = b""
    bencoded: Optional[bytes] = None
