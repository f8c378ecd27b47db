# SPDX-License-Identifier: MIT
"""The node's DHT: Node.dht."""
from __future__ import annotations

from typing import Any, Optional, Union

from . import _values as v
from ._client import Client, Params
from .errors import WarrenError
from .types import DhtPeer, Effort, Found, Item, Stored

Hash = Union[bytes, str]  # 20 bytes, or 40 hex digits


def _hex(what: str, value: Hash, size: int) -> str:
    text = value.hex() if isinstance(value, bytes) else value.lower()
    if len(text) != 2 * size or set(text) - set("0123456789abcdef"):
        raise WarrenError("syntax", f"{what} must be {size} bytes, or "
                          f"{2 * size} hex digits")
    return text


def _effort(m: Params) -> Effort:
    return Effort(v.text(m, "target"), v.count(m, "asked"),
                  v.count(m, "answered"), v.count(m, "hops"),
                  v.seconds(m, "duration") or 0.0)


def _stored(m: Params) -> Stored:
    return Stored(_effort(m), v.count(m, "stored"), v.flag(m, "kept"))


class Dht:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def get_peers(self, target: Hash) -> Found:
        """Looks for the peers of a hash; none found is no error."""
        m = await self._client.call("dht.get_peers",
                                    target=_hex("target", target, 20))
        return Found(_effort(m), tuple(
            DhtPeer(v.text(p, "address"), v.count(p, "hop"),
                    v.maybe_text(p, "from")) for p in v.maps(m, "peers")))

    async def announce(self, target: Hash, port: Optional[int] = None
                       ) -> Stored:
        """Announces this host under a hash, at `port` or at the one that the
        node sends from. The daemon renews it until it is withdrawn, also when
        this program has ended."""
        return _stored(await self._client.call(
            "dht.announce", target=_hex("target", target, 20), port=port))

    async def withdraw(self, target: Hash) -> None:
        """Code "not_found": nothing is published there."""
        await self._client.call("dht.withdraw",
                                target=_hex("target", target, 20))

    async def get(self, target: Hash, salt: Optional[bytes] = None
                  ) -> Optional[Item]:
        """The item there, of mutable ones the newest; None: not found."""
        m = v.sub(await self._client.call(
            "dht.get", target=_hex("target", target, 20), salt=salt), "item")
        if m is None:
            return None
        mutable = v.flag(m, "mutable")
        return Item(m.get("value"), mutable, v.count(m, "hop"),
                    v.text(m, "key") if mutable else None,
                    v.text(m, "signature") if mutable else None,
                    v.count(m, "seq") if mutable else None,
                    v.data(m, "salt") if mutable else b"")

    async def put(self, value: Any, key: Optional[Hash] = None,
                  signature: Optional[Hash] = None, seq: Optional[int] = None,
                  salt: Optional[bytes] = None, cas: Optional[int] = None
                  ) -> Stored:
        """Stores bytes, an int, a list or a dict with sorted keys, of at most
        1000 bytes when bencoded; `effort.target` is where. The daemon renews
        it. With `key`, `signature` (BEP 44) and `seq` it is a mutable one."""
        return _stored(await self._client.call(
            "dht.put", value=value,
            key=None if key is None else _hex("key", key, 32),
            signature=(None if signature is None
                       else _hex("signature", signature, 64)),
            seq=seq, salt=salt, cas=cas))
