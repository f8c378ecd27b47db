# SPDX-License-Identifier: MIT
"""The DHTs of the node: Node.dht, and Node.mainline, that of BitTorrent."""
from __future__ import annotations

from typing import Any, Optional, Tuple, Union

from . import _values as v
from ._client import Client, Params
from .errors import WarrenError
from .types import DhtPeer, Effort, Found, Item, Scrape, Stored

Hash = Union[bytes, str]  # 20 bytes, or 40 hex digits
InfoHash = Union[bytes, str]  # the same, or a magnet link


def _hex(what: str, value: Hash, size: int) -> str:
    text = value.hex() if isinstance(value, bytes) else value.lower()
    if len(text) != 2 * size or set(text) - set("0123456789abcdef"):
        raise WarrenError("syntax", f"{what} must be {size} bytes, or "
                          f"{2 * size} hex digits")
    return text


def _info_hash(value: InfoHash) -> str:
    if isinstance(value, str) and value[:7].lower() == "magnet:":
        return value  # the daemon reads it
    return _hex("target", value, 20)


def _effort(m: Params) -> Effort:
    return Effort(v.text(m, "target"), v.count(m, "asked"),
                  v.count(m, "answered"), v.count(m, "hops"),
                  v.seconds(m, "duration") or 0.0)


def _peers(m: Params) -> Tuple[DhtPeer, ...]:
    return tuple(DhtPeer(v.text(p, "address"), v.count(p, "hop"),
                         v.maybe_text(p, "from")) for p in v.maps(m, "peers"))


def _stored(m: Params) -> Stored:
    return Stored(_effort(m), v.count(m, "stored"), v.flag(m, "kept"))


class Dht:
    """One of the two. Code "unsupported": the node is not in the mainline DHT
    (its setting mainline.enabled). A magnet link is taken where an info-hash
    is; one without a hash has the code "syntax"."""

    def __init__(self, client: Client, mainline: bool = False) -> None:
        self._client = client
        self._mainline = mainline or None

    async def _call(self, method: str, **params: Any) -> Params:
        return await self._client.call(f"dht.{method}",
                                       mainline=self._mainline, **params)

    async def get_peers(self, target: InfoHash, no_seeds: bool = False
                        ) -> Found:
        """Looks for the peers of a hash; none found is no error. With
        `no_seeds` only those who have not all of it, as far as nodes know."""
        m = await self._call("get_peers", target=_info_hash(target),
                             no_seeds=no_seeds or None)
        return Found(_effort(m), _peers(m))

    async def scrape(self, target: InfoHash) -> Scrape:
        """How many peers there are, estimated by nodes that count (BEP
        33)."""
        m = await self._call("scrape", target=_info_hash(target))
        return Scrape(_effort(m), v.count(m, "scraped"), v.number(m, "seeds"),
                      v.number(m, "downloaders"), _peers(m))

    async def announce(self, target: InfoHash, port: Optional[int] = None,
                       seed: bool = False) -> Stored:
        """Announces this host under a hash, at `port` or at the one that the
        node sends from; as one that has all of it, if it is a `seed`. The
        daemon renews it until it is withdrawn, also when this program has
        ended."""
        return _stored(await self._call(
            "announce", target=_info_hash(target), port=port,
            seed=seed or None))

    async def withdraw(self, target: InfoHash) -> None:
        """Code "not_found": nothing is published there."""
        await self._call("withdraw", target=_info_hash(target))

    async def get(self, target: Hash, salt: Optional[bytes] = None
                  ) -> Optional[Item]:
        """The item there, of mutable ones the newest; None: not found."""
        m = v.sub(await self._call(
            "get", target=_hex("target", target, 20), salt=salt), "item")
        if m is None:
            return None
        mutable = v.flag(m, "mutable")
        return Item(m.get("value"), mutable, v.count(m, "hop"),
                    v.text(m, "key") if mutable else None,
                    v.text(m, "signature") if mutable else None,
                    v.count(m, "seq") if mutable else None,
                    v.data(m, "salt") if mutable else b"",
                    v.data(m, "bencoded") if "bencoded" in m else None)

    async def put(self, value: Any, key: Optional[Hash] = None,
                  signature: Optional[Hash] = None, seq: Optional[int] = None,
                  salt: Optional[bytes] = None, cas: Optional[int] = None
                  ) -> Stored:
        """Stores bytes, an int, a list or a dict with sorted keys, of at most
        1000 bytes when bencoded; `effort.target` is where. The daemon renews
        it. With `key`, `signature` (BEP 44) and `seq` it is a mutable one."""
        return _stored(await self._call(
            "put", value=value,
            key=None if key is None else _hex("key", key, 32),
            signature=(None if signature is None
                       else _hex("signature", signature, 64)),
            seq=seq, salt=salt, cas=cas))
