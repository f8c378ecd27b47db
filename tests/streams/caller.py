# SPDX-License-Identifier: MIT
"""A client of the control socket with several requests running: what comes is
kept, and waited for."""
import socket
import time

from stage import PATIENCE  # which finds the harness
from harness import Control, Failure


class Caller(Control):
    def __init__(self, node):
        super().__init__(node)
        self.answers = {}  # msgid: error and result
        self.news = []     # [name, [msgid, params]]
        self.streams = {}  # msgid: Stream

    def take(self, timeout):
        """The next frame, kept; False when none comes in time."""
        self.socket.settimeout(timeout)
        try:
            frame = self.receive()
        except (socket.timeout, BlockingIOError):
            return False
        if frame[0] == 1:
            self.answers[frame[1]] = frame[2:]
        else:
            name, (msgid, params) = frame[1:]
            if msgid in self.streams and name == "data":
                self.streams[msgid].take(params["data"])
            else:
                self.news.append(frame[1:])
        return True

    def until(self, what, condition, timeout=PATIENCE):
        end = time.monotonic() + timeout
        while not (value := condition()):
            left = end - time.monotonic()
            if left < 0 or not self.take(max(left, 0.01)):
                raise Failure(f"{what} has not happened in {timeout} s: "
                              f"{self.news[-5:]} {self.answers}")
        return value

    def told(self, msgid, name=None):
        """The params of the news of a request."""
        return [params for method, (of, params) in self.news
                if of == msgid and name in (None, method)]

    def hear(self, msgid, name, timeout=PATIENCE, **wanted):
        """Waits for such news, and gives its params."""
        def find():
            for params in self.told(msgid, name):
                if all(params.get(k) == v for k, v in wanted.items()):
                    return [params]
            return None
        return self.until(f"{name} {wanted}", find, timeout)[0]

    def end(self, msgid, timeout=PATIENCE):
        """How a request has ended: its error's code, or the result."""
        self.until(f"the answer to {msgid}", lambda: msgid in self.answers,
                   timeout)
        error, result = self.answers[msgid]
        return result if error is None else error["code"]

    def ask(self, method, **params):
        return self.end(self.send(method, **params))

    def settle(self, quiet=0.3):
        """Takes what comes until nothing does."""
        while self.take(quiet):
            pass

    def connect(self, to, **params):
        return Stream(self, self.send("stream.connect", to=to, **params))

    def accept(self, visit, **params):
        return Stream(self, self.send("stream.accept", visit=visit, **params))


class Stream:
    """One of a caller's. It reads as long as `reads`, as much at a time as it
    began with."""

    def __init__(self, caller, msgid, reads=True):
        self.caller = caller
        self.msgid = msgid
        self.reads = reads
        self.data = bytearray()
        self.unread = 0  # and no credit given for it yet
        caller.streams[msgid] = self

    def ask(self, method, **params):
        return self.caller.ask(f"stream.{method}", call=self.msgid, **params)

    def take(self, data):
        self.data += data
        self.unread += len(data)
        if self.reads and self.unread >= 32768:
            self.caller.send("stream.read", call=self.msgid,
                             credit=self.unread)
            self.unread = 0

    def hear(self, name, timeout=PATIENCE):
        return self.caller.hear(self.msgid, name, timeout)

    def write(self, data, piece=32768):
        for at in range(0, len(data), piece):
            answer = self.ask("write", data=data[at:at + piece])
            if answer != {}:
                raise Failure(f"a write is answered with {answer}")

    def read(self, count):
        """Until so many bytes have come in all."""
        self.caller.until(f"{count} bytes", lambda: len(self.data) >= count)
        return bytes(self.data)

    def end(self):
        return self.caller.end(self.msgid)
