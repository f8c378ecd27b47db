# SPDX-License-Identifier: MIT
"""Sends through a SOCKS5 proxy, as fast as it takes, to a server behind it.

Sender and server are processes of their own; the network between them is
measured, they are not. Nobody but benchmarks needs to outrun them: a stream
is sent and read in large pieces, datagrams leave in trains (UDP_SEGMENT).
"""
import multiprocessing
import socket
import struct
import time

from measure import PAYLOAD, Failure, cpu_of

FORK = multiprocessing.get_context("fork")
PATIENCE = 10.0  # seconds without a byte, after which either end gives up
BUFFER = 4 << 20

STREAM, DATAGRAMS = 1, 3  # commands of SOCKS5, RFC 1928
UDP_SEGMENT = 103

# Exits of py-ipv8 pass on what looks like BitTorrent: type and version of uTP
# (BEP 29), no extension. Then: how many datagrams were sent or came.
HEAD = struct.Struct(">BB10xQ")
ACK_EACH = 16
RESEND_AFTER = 0.1  # seconds without an answer: what is missing is lost


# ---- SOCKS5 -----------------------------------------------------------------

def destination(address):
    """An IPv4 address or a name, and a port, as SOCKS5 has them."""
    host, port = address
    try:
        where = b"\x01" + socket.inet_aton(host)
    except OSError:
        where = b"\x03" + bytes((len(host),)) + host.encode()
    return where + struct.pack(">H", port)


def receive(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise Failure("the SOCKS proxy hung up")
        data += more
    return data


def greet(sock, user):
    sock.sendall(b"\x05\x01" + (b"\x02" if user else b"\x00"))
    method = receive(sock, 2)[1]
    if user and method == 2:
        sock.sendall(b"\x01" + bytes((len(user),)) + user.encode() +
                     b"\x01x")
        method = receive(sock, 2)[1]
    if method != 0:
        raise Failure("the SOCKS proxy refuses who asks")


def ask(proxy, command, address, meanwhile=lambda: None, user=None):
    """The connection, and where datagrams go. meanwhile() is called between
    the request and its answer; `user` has circuits of his own."""
    sock = socket.create_connection(proxy, PATIENCE)
    greet(sock, user)
    sock.sendall(bytes((5, command, 0)) + destination(address))
    meanwhile()
    head = receive(sock, 4)
    if head[1] != 0 or head[3] != 1:
        raise Failure(f"the SOCKS proxy answers {head.hex()}")
    bound = receive(sock, 6)
    return sock, (socket.inet_ntoa(bound[:4]), *struct.unpack(">H", bound[4:]))


# ---- The server -------------------------------------------------------------

def take_stream(sock, count):
    buffer = bytearray(1 << 18)
    while got := sock.recv_into(buffer):
        count.value += got


def serve(listener, function, *arguments):
    function(listener.accept()[0], *arguments)


def serve_datagrams(sock, count):
    """Tells after each ACK_EACH how far the sender's numbers have come."""
    buffer = bytearray(2048)
    unanswered = 0
    while True:
        got, source = sock.recvfrom_into(buffer)
        count.value += got
        unanswered += 1
        if unanswered >= ACK_EACH:
            unanswered = 0
            sock.sendto(buffer[:HEAD.size], source)


def server_socket(kind, address, port=0):
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.settimeout(PATIENCE)
    sock.bind((address, port))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    return sock


# ---- The sender -------------------------------------------------------------

def send_stream(sock):
    piece = bytes(1 << 16)
    while True:
        sock.sendall(piece)


def send_datagrams(sock, _control, header, window):
    """window.value datagrams are under way; each has its number. They are
    taken as long as the connection is open that asked for it."""
    step = len(header) + PAYLOAD
    train = bytearray((header + bytes(PAYLOAD)) * ACK_EACH)
    sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, step)
    sock.settimeout(RESEND_AFTER)
    sent = seen = 0
    while True:
        while sent - seen + ACK_EACH <= window.value:
            for offset in range(len(header), len(train), step):
                sent += 1
                HEAD.pack_into(train, offset, 1, 0, sent)
            sock.send(train)
        try:
            answer = sock.recv(2048)
            seen = max(seen, HEAD.unpack_from(answer, len(header))[2])
        except TimeoutError:
            seen = sent


# ---- Both -------------------------------------------------------------------

def at_once(function, *arguments):
    return function(*arguments)


class Load:
    """One transfer at a time, from `proxy` to a server on `address`. `here`
    and `there` call a function where client and server are."""

    def __init__(self, proxy, address, here=at_once, there=at_once):
        self.proxy = proxy
        self.address = address
        self.here, self.there = here, there
        self.count = FORK.RawValue("Q", 0)
        self.window = FORK.RawValue("Q", ACK_EACH)
        self.processes = []

    def start(self, function, *arguments):
        """It ends by itself when nothing comes or goes."""
        process = FORK.Process(target=quietly, args=(function, *arguments),
                               daemon=True)
        process.start()
        self.processes.append(process)

    def start_stream(self, meanwhile=lambda: None, user=None, to=None,
                     port=0, down=False):
        """Up, or `down`. `to`: what leads to the server, on `port`."""
        send, take = (send_stream,), (take_stream, self.count)
        with self.there(server_socket, socket.SOCK_STREAM, self.address,
                        port) as listener:
            self.start(serve, listener, *(send if down else take))
            sock = self.here(ask, self.proxy, STREAM,
                             to or listener.getsockname(), meanwhile, user)[0]
        with sock:
            self.start((take if down else send)[0], sock,
                       *(take if down else send)[1:])

    def start_datagrams(self):
        with server_socket(socket.SOCK_DGRAM, self.address) as server:
            self.start(serve_datagrams, server, self.count)
            header = b"\x00\x00\x00" + destination(server.getsockname())
        control, bound = ask(self.proxy, DATAGRAMS, ("0.0.0.0", 0))
        with control, socket.socket(socket.AF_INET,
                                    socket.SOCK_DGRAM) as sock:
            sock.connect(bound)
            self.start(send_datagrams, sock, control, header,
                       self.window)

    def measure(self, pids, seconds):
        """MB/s that came, and processor seconds of `pids` for a gigabyte."""
        return together([self], pids, seconds)[1:]

    def stop(self):
        for process in self.processes:
            process.kill()
            process.join()
        self.processes = []


def together(loads, pids, seconds):
    """MB/s of each, and what Load.measure says of all."""
    cpu = sum(map(cpu_of, pids))
    before = [load.count.value for load in loads]
    begun = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - begun
    each = [(load.count.value - count) / 1e6 / elapsed
            for load, count in zip(loads, before)]
    cpu = sum(map(cpu_of, pids)) - cpu
    if min(each) == 0:
        raise Failure("nothing came to the server")
    return each, sum(each), cpu / (sum(each) * elapsed) * 1e3


def quietly(function, *arguments):
    try:
        function(*arguments)
    except OSError:
        pass  # the other end, or the network, is gone
