# SPDX-License-Identifier: MIT
"""What goes wrong. All are WarrenError, with a word for programs (`code`) and
a sentence for people (`text`)."""
from __future__ import annotations


class WarrenError(Exception):
    """The daemon answered with an error, or something of it did not work.

    `code` is one of the words of docs/control.md ("syntax", "full",
    "not_found", "timeout", ...) and stays; `text` is for people.
    """

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code = code
        self.text = text


class NoDaemon(WarrenError, ConnectionError):
    """Nobody listens on the control socket, or it may not be used."""


class Disconnected(WarrenError, ConnectionError):
    """The daemon has gone, or has ended the connection: `code` is its reason,
    or "disconnected" where it gave none. Everything of this connection has
    ended, and nothing connects again by itself."""


class ProtocolError(Disconnected):
    """What came was no msgpack-RPC; the connection was closed."""


class StreamError(WarrenError, ConnectionError):
    """A stream was never there, or has broken off: `code` is the reason, as
    "refused", "policy", "resolve", "timeout", "link_lost" or "reset". The good
    end of a stream is b"" from read(), never this; and this never looks like
    that."""
