# SPDX-License-Identifier: MIT
"""Picks values out of the maps that the daemon answers with. One that is
absent, or of another type than it has to be, is an error."""
from __future__ import annotations

from typing import Any, Dict, List, Optional

from .errors import WarrenError

Map = Dict[str, Any]


def _wrong(key: str, what: str) -> WarrenError:
    return WarrenError("wrong_type", "the daemon's answer has no "
                       f"'{key}' that is {what}")


def text(m: Map, key: str) -> str:
    value = m.get(key)
    if isinstance(value, bytes):  # strings of others need not be UTF-8
        return value.decode(errors="surrogateescape")
    if not isinstance(value, str):
        raise _wrong(key, "a text")
    return value


def maybe_text(m: Map, key: str) -> Optional[str]:
    return None if m.get(key) is None else text(m, key)


def count(m: Map, key: str) -> int:
    value = m.get(key)
    if type(value) is not int or value < 0:
        raise _wrong(key, "a number from 0 on")
    return value


def maybe_count(m: Map, key: str) -> Optional[int]:
    return None if m.get(key) is None else count(m, key)


def number(m: Map, key: str) -> float:
    value = m.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(key, "a number")
    return float(value)


def seconds(m: Map, key: str) -> Optional[float]:
    """Milliseconds there; nil: not known."""
    return None if m.get(key) is None else number(m, key) / 1000


def flag(m: Map, key: str) -> bool:
    value = m.get(key)
    if not isinstance(value, bool):
        raise _wrong(key, "true or false")
    return value


def data(m: Map, key: str) -> bytes:
    value = m.get(key)
    if isinstance(value, str):
        return value.encode(errors="surrogateescape")
    if not isinstance(value, bytes):
        raise _wrong(key, "bytes")
    return value


def counts(m: Map, key: str) -> List[int]:
    value = m.get(key)
    if not isinstance(value, list) or not all(
            type(v) is int and v >= 0 for v in value):
        raise _wrong(key, "a list of numbers")
    return list(value)


def maps(m: Map, key: str) -> List[Map]:
    value = m.get(key)
    if not isinstance(value, list) or not all(
            isinstance(v, dict) for v in value):
        raise _wrong(key, "a list of maps")
    return list(value)


def sub(m: Map, key: str) -> Optional[Map]:
    value = m.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _wrong(key, "a map")
    return value
