# SPDX-License-Identifier: MIT
"""Sockets of strangers: at any public address, or at all of them at once;
floods that have a pace, and what goes on meanwhile."""
import socket
import struct
import threading
import time

from internet import family_of

IP_FREEBIND, IPV6_FREEBIND, IP_PKTINFO = 15, 78, 8


def free_socket(family):
    """A UDP socket that can be bound to any public address."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    return sock


def bound_socket(address, port=0):
    sock = free_socket(family_of(address))
    sock.bind((address, port))
    return sock


class Crowd:
    """One socket that sends from any address and hears what is sent to any:
    thousands of strangers at the price of one. Answers to a source that is
    nobody's (a forged one) come here as well; look away."""

    def __init__(self, family=socket.AF_INET, port=0):
        self.family = family
        self.sock = free_socket(family)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.sock.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
        if family == socket.AF_INET:
            self.sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        else:
            self.sock.setsockopt(socket.IPPROTO_IPV6,
                                 socket.IPV6_RECVPKTINFO, 1)
        self.sock.bind(("", port))
        self.port = self.sock.getsockname()[1]

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def source(self, address):
        """What names this source in send_raw: make it once, use it often."""
        raw = socket.inet_pton(self.family, address)
        if self.family == socket.AF_INET:
            return [(socket.IPPROTO_IP, IP_PKTINFO,
                     struct.pack("=I4s4s", 0, raw, bytes(4)))]
        return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO,
                 struct.pack("=16sI", raw, 0))]

    def send_raw(self, source, to, datagram):
        """False when there was no room."""
        try:
            self.sock.sendmsg([datagram], source, socket.MSG_DONTWAIT, to)
            return True
        except BlockingIOError:
            return False

    def send(self, address, to, datagram):
        return self.send_raw(self.source(address), to, datagram)

    def receive(self, timeout=0.0):
        """(to which address of ours, from whom, datagram), or None."""
        self.sock.settimeout(timeout)
        try:
            datagram, control, _, sender = self.sock.recvmsg(2048, 128)
        except (BlockingIOError, socket.timeout):
            return None
        raw = control[0][2]
        ours = raw[8:12] if self.family == socket.AF_INET else raw[:16]
        return (socket.inet_ntop(self.family, ours), sender[:2], datagram)

    def drain(self):
        """Forgets what came; returns how many datagrams and bytes."""
        count = size = 0
        while (got := self.receive()) is not None:
            count, size = count + 1, size + len(got[2])
        return count, size


class Pace:
    """Spreads `rate` actions a second over `seconds`:
    for i in Pace(500, 10): send(i)
    What a busy machine made it miss it does not make good in a burst."""

    LATE = 0.01

    def __init__(self, rate, seconds):
        self.rate, self.seconds = rate, seconds

    def __iter__(self):
        begun = due = time.monotonic()
        i = 0
        while True:
            now = time.monotonic()
            if now >= begun + self.seconds:
                return
            if now < due:
                time.sleep(due - now)
            due = max(due, now - self.LATE) + 1 / self.rate
            yield i
            i += 1


class Meanwhile:
    """with Meanwhile(step): ... calls step() again and again in a thread."""

    def __init__(self, step):
        self.step, self.ended, self.error = step, threading.Event(), None
        self.count = 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.ended.is_set():
                self.step()
                self.count += 1
        except Exception as error:  # raised where it is left
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ended.set()
        self.thread.join()
        if self.error is not None and kind is None:
            raise self.error
