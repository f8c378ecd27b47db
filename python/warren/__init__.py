# SPDX-License-Identifier: MIT
"""A peer of the warren network in Python, by way of a daemon that runs
(`warren run`): tunnels, datagrams, hidden services, streams, the DHT.

    async with warren.open() as node:
        await node.build_tunnels(hops=3)
        reader, writer = await node.open_connection("example.org:80")

README.md has examples; docs/control.md of warren says more of the control
socket, include/warren.h of what the words mean.
"""
from ._client import Client, Request
from ._stream import StreamTransport
from .dht import Dht
from .errors import (Disconnected, NoDaemon, ProtocolError, StreamError,
                     WarrenError)
from .events import (CircuitEvent, DataEvent, Event, Events, GoneEvent,
                     LostEvent, PeerEvent, RefusedEvent, StateEvent,
                     StreamEvent)
from .node import Node, Opening, connect, open
from .service import Server, Service
from .types import (Answer, Circuit, DhtPeer, Effort, Found, Hop, Item,
                    NewService, Peer, Reason, Scrape, State, Stored)

__version__ = "0.1.0"

__all__ = [
    "Answer", "Circuit", "CircuitEvent", "Client", "DataEvent", "Dht",
    "DhtPeer", "Disconnected", "Effort", "Event", "Events", "Found",
    "GoneEvent", "Hop", "Item", "LostEvent", "NewService", "NoDaemon", "Node",
    "Opening", "Peer", "PeerEvent", "ProtocolError", "Reason", "RefusedEvent",
    "Request", "Scrape", "Server", "Service", "State", "StateEvent", "Stored",
    "StreamError", "StreamEvent", "StreamTransport", "WarrenError", "connect",
    "open",
]
