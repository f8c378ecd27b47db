# SPDX-License-Identifier: MIT
"""The frames of the control socket (docs/control.md): msgpack-RPC, one
object after the other. Nothing here trusts what it reads."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, Mapping, Optional, Union

import msgpack

from .errors import ProtocolError, WarrenError

REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2
REQUEST_MAX = 65536  # bytes of a request
FRAME_MAX = 1024 * 1024  # bytes of anything else
READ_MAX = 256 * 1024  # bytes that are handed to the reader at once
MSGID_MAX = 2 ** 32 - 1
METHOD_MAX = 64
VALUES_MAX = 128 * 1024  # elements of one container


@dataclass(frozen=True)
class Response:
    msgid: int
    error: Optional[WarrenError]
    result: Dict[str, Any]  # {} beside an error


@dataclass(frozen=True)
class Notification:
    method: str
    msgid: int  # of the request that it is news of; 0: of none
    params: Dict[str, Any]


Frame = Union[Response, Notification]


def pack_request(msgid: int, method: str, params: Mapping[str, Any]) -> bytes:
    """A request; WarrenError when it is larger than the daemon takes, or holds
    what msgpack cannot say."""
    try:
        frame: bytes = msgpack.packb([REQUEST, msgid, method, [params]],
                                     unicode_errors="surrogateescape")
    except (TypeError, ValueError, OverflowError) as error:
        raise WarrenError("syntax", f"{method}: {error}") from error
    if len(frame) > REQUEST_MAX:
        raise WarrenError("too_large", f"{method}: a request has at most "
                          f"{REQUEST_MAX} bytes, this one {len(frame)}")
    return frame


def reason_of(value: Any) -> WarrenError:
    """{"code": , "text": } as an error."""
    code = value.get("code") if isinstance(value, dict) else None
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(code, str) or not isinstance(text, str):
        raise ProtocolError("syntax", "an error without code and text")
    return WarrenError(code, text)


def _map(value: Any) -> Dict[str, Any]:
    if not isinstance(value, dict):
        raise ProtocolError("syntax", "a result or news that is no map")
    return value


def _msgid(value: Any) -> int:
    # True is an int to Python, and none to msgpack.
    if type(value) is not int or not 0 <= value <= MSGID_MAX:
        raise ProtocolError("syntax", "a frame without a msgid")
    return value


def frame_of(value: Any) -> Frame:
    """Checks one object; ProtocolError when it is no frame for a client."""
    kind = value[0] if isinstance(value, list) and value else None
    if type(kind) is int and kind == RESPONSE and len(value) == 4:
        msgid = _msgid(value[1])
        if value[2] is not None:
            return Response(msgid, reason_of(value[2]), {})
        return Response(msgid, None, _map(value[3]))
    if type(kind) is int and kind == NOTIFICATION and len(value) == 3:
        method, about = value[1], value[2]
        if (isinstance(method, str) and 0 < len(method) <= METHOD_MAX and
                isinstance(about, list) and len(about) == 2):
            return Notification(method, _msgid(about[0]), _map(about[1]))
    raise ProtocolError("syntax", "a frame is neither a response nor a "
                        "notification")


class FrameReader:
    """Frames out of bytes in pieces of any length."""

    def __init__(self, frame_max: int = FRAME_MAX) -> None:
        self._max = frame_max
        self._fed = 0  # bytes, in all
        self._end = 0  # of the last whole frame, among these
        self._unpacker = msgpack.Unpacker(
            raw=False, unicode_errors="surrogateescape", strict_map_key=True,
            max_buffer_size=frame_max + READ_MAX,
            max_array_len=VALUES_MAX, max_map_len=VALUES_MAX)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yields the frames that are whole now. After a ProtocolError what
        follows is worth nothing."""
        for at in range(0, len(data), READ_MAX):
            yield from self._feed(data[at:at + READ_MAX])

    def _feed(self, data: bytes) -> Iterator[Frame]:
        self._fed += len(data)
        try:
            self._unpacker.feed(data)
            while True:
                value = self._unpacker.unpack()
                self._check_size(self._unpacker.tell())
                self._end = self._unpacker.tell()
                yield frame_of(value)
        except msgpack.OutOfData:
            pass
        except (msgpack.UnpackException, ValueError, TypeError,
                RecursionError, OverflowError) as error:
            raise ProtocolError("not_msgpack", "what came is no msgpack: "
                                f"{error or type(error).__name__}") from error
        # The unpacker bounds what it has not looked at yet, and no more.
        self._check_size(self._fed)

    def _check_size(self, end: int) -> None:
        if end - self._end > self._max:
            raise ProtocolError("too_large", "a frame is larger than "
                                f"{self._max} bytes")
