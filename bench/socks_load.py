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
    """An IPv4 address and port as SOCKS5 has them."""
    return b"\x01" + socket.inet_aton(address[0]) + struct.pack(
        ">H", address[1])


def receive(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise Failure("the SOCKS proxy hung up")
        data += more
    return data


def ask(proxy, command, address, meanwhile=lambda: None):
    """The connection, and where datagrams go. meanwhile() is called between
    the request and its answer."""
    sock = socket.create_connection(proxy, PATIENCE)
    sock.sendall(b"\x05\x01\x00")
    if receive(sock, 2) != b"\x05\x00":
        raise Failure("the SOCKS proxy wants a password")
    sock.sendall(bytes((5, command, 0)) + destination(address))
    meanwhile()
    head = receive(sock, 4)
    if head[1] != 0 or head[3] != 1:
        raise Failure(f"the SOCKS proxy answers {head.hex()}")
    bound = receive(sock, 6)
    return sock, (socket.inet_ntoa(bound[:4]), *struct.unpack(">H", bound[4:]))


# ---- The server -------------------------------------------------------------

def serve_stream(listener, count):
    sock = listener.accept()[0]
    buffer = bytearray(1 << 18)
    while got := sock.recv_into(buffer):
        count.value += got


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


def server_socket(kind, address):
    sock = socket.socket(socket.AF_INET, kind)
    sock.settimeout(PATIENCE)
    sock.bind((address, 0))
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

class Load:
    """One transfer at a time, from `proxy` to a server on `address`."""

    def __init__(self, proxy, address):
        self.proxy = proxy
        self.address = address
        self.count = FORK.RawValue("Q", 0)
        self.window = FORK.RawValue("Q", ACK_EACH)
        self.processes = []

    def start(self, function, *arguments):
        """It ends by itself when nothing comes or goes."""
        process = FORK.Process(target=quietly, args=(function, *arguments),
                               daemon=True)
        process.start()
        self.processes.append(process)

    def start_stream(self, meanwhile):
        with server_socket(socket.SOCK_STREAM, self.address) as listener:
            self.start(serve_stream, listener, self.count)
            sock = ask(self.proxy, STREAM, listener.getsockname(),
                       meanwhile)[0]
        with sock:
            self.start(send_stream, sock)

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
        cpu, count = sum(map(cpu_of, pids)), self.count.value
        begun = time.monotonic()
        time.sleep(seconds)
        elapsed = time.monotonic() - begun
        megabytes = (self.count.value - count) / 1e6
        cpu = sum(map(cpu_of, pids)) - cpu
        if megabytes == 0:
            raise Failure("nothing came to the server")
        return megabytes / elapsed, cpu / megabytes * 1e3

    def stop(self):
        for process in self.processes:
            process.kill()
            process.join()
        self.processes = []


def quietly(function, *arguments):
    try:
        function(*arguments)
    except OSError:
        pass  # the other end, or the network, is gone
