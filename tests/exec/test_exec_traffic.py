#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What programs send that `warren exec` runs: streams and datagrams, their
ends, how many there may be, and what becomes of them with the daemon."""
import pathlib
import re
import resource
import selectors
import socket
import struct
import subprocess
import textwrap
import threading
import time
import unittest
import unittest.mock

from running import WHY_NOT, Running, python
from scene import EXIT, Scene
from stage import CLIENT, PATIENCE, echo, wait_for
from harness import clean_environment

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing is a reset


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Traffic(Running, Scene):
    def test_ends_of_streams(self):
        """Ends and resets reach the other side as what they are."""
        node = self.add()
        ends = []

        def talk(server, s):
            word = s.recv(5)
            if word == b"reset":
                s.sendall(b"part")
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                time.sleep(0.2)  # or the kernel drops what it has not sent
                s.close()
            elif word == b"watch":
                try:
                    ends.append(s.recv(1))
                except ConnectionResetError:
                    ends.append("reset")
            else:
                echo(server, s)

        port = self.server(talk).server_address[1]
        said = self.done(node, *python("""
            to = "web.example", int(sys.argv[1])

            def dial(word, to=to):
                s = socket.create_connection(to, 60)
                s.settimeout(60)
                s.sendall(word)
                return s

            def rest(s):
                out = b""
                try:
                    while data := s.recv(65536):
                        out += data
                except ConnectionResetError:
                    return out, "reset"
                return out, "end"

            s = dial(b"hello")
            s.sendall(b"x" * 3000000)
            s.shutdown(socket.SHUT_WR)
            out, end = rest(s)
            print(len(out), end)
            print(*rest(dial(b"reset")))
            s = dial(b"reset")
            s.shutdown(socket.SHUT_WR)
            print(*rest(s))
            print(*rest(dial(b"", ("web.example", 9))))
            print(*rest(dial(b"", ("nowhere.example", 9))))
            dial(b"watch").close()
            s = dial(b"watch")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
            import time
            time.sleep(1)
            s.close()
            time.sleep(1)
            """, port))
        self.assertEqual(said.decode().splitlines(), [
            "3000000 end", "b'part' reset", "b'part' reset", "b'' reset",
            "b'' reset"])
        wait_for("the server sees both", lambda: len(ends) == 2, PATIENCE)
        self.assertEqual(set(ends), {b"", "reset"})

    def test_many_at_once(self):
        port = self.server(echo).server_address[1]
        said = self.done(self.add(), *python("""
            import threading
            whole = []

            def one(i):
                s = socket.create_connection(("web.example",
                                              int(sys.argv[1])), 60)
                s.settimeout(60)
                data = b"%d " % i * 20000

                def send():
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                threading.Thread(target=send, daemon=True).start()
                got = b""
                while more := s.recv(65536):
                    got += more
                if got == data:
                    whole.append(i)
            threads = [threading.Thread(target=one, args=(i,))
                       for i in range(200)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            print(len(whole))
            """, port), timeout=2 * PATIENCE)
        self.assertEqual(said, b"200\n")

    def test_slow_reader(self):
        """Who does not read holds up the other end, and nobody's memory."""
        sent = []

        def pour(_, s):
            s.settimeout(1)
            try:
                while True:
                    sent.append(s.send(bytes(65536)))
            except TimeoutError:
                pass
            s.settimeout(None)
            s.sendall(b"end")

        node = self.add(config="[streams]\nwindow = 256k\nbuffer = 256k\n")
        port = self.server(pour).server_address[1]
        process = subprocess.Popen(self.words(node, *python("""
            s = socket.create_connection(("web.example", int(sys.argv[1])))
            sys.stdin.read(1)
            count = 0
            while data := s.recv(65536):
                count += len(data)
            print(count, data)
            """, port)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=clean_environment())
        self.closing.append(process.stdout)

        def stuck():
            before = sum(sent)
            time.sleep(1.2)
            return before > 0 and sum(sent) == before
        wait_for("the server is held up", stuck, PATIENCE)
        carrier, = self.carriers(node)[1:] or self.carriers(node)
        held = re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(
            f"/proc/{carrier}/status").read_text())[1]
        self.assertLess(int(held), 64 * 1024)  # with the sanitizers
        out, _ = process.communicate(b"x", timeout=PATIENCE)
        self.assertEqual(out.split()[0], b"%d" % (sum(sent) + 3))

    def test_datagrams(self):
        """To a name, by either family: the answer is from where it went."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.closing.append(server)
        server.bind((self.host, 0))
        process = self.background("/usr/bin/python3", "-c", textwrap.dedent("""
            import socket, sys
            s = socket.socket(fileno=int(sys.argv[1]))
            while True:
                data, who = s.recvfrom(65536)
                s.sendto(data + b" " + who[0].encode(), who)
            """), server.fileno(), pass_fds=[server.fileno()])
        said = self.done(self.add(), *python("""
            port = int(sys.argv[1])
            for family in socket.AF_INET, socket.AF_INET6:
                to = socket.getaddrinfo("web.example", port, family,
                                        socket.SOCK_DGRAM)[0][4]
                s = socket.socket(family, socket.SOCK_DGRAM)
                s.settimeout(60)
                for data in b"one", b"x" * 1100:
                    s.sendto(data, to)
                    answer, who = s.recvfrom(65536)
                    print(answer.split()[0] == data, who[:2] == to[:2])
                s = socket.socket(family, socket.SOCK_DGRAM)
                s.settimeout(60)
                s.connect(to)  # takes what is from there alone
                s.send(b"two")
                print(*s.recv(65536).decode().split())
                print(socket.gethostbyaddr(to[0])[0])
            # Each of several that speak at once gets its own answers.
            many = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    for _ in range(4)]
            for i, s in enumerate(many):
                s.settimeout(60)
                s.sendto(b"%d" % i, ("web.example", port))
            print(*(s.recv(99).split()[0].decode() for s in many))
            """, server.getsockname()[1]))
        self.assertTrue(process.poll() is None)
        self.assertEqual(said.decode(), 2 * (
            f"True True\nTrue True\ntwo {self.exit.address}\n"
            "web.example\n") + "0 1 2 3\n")

    def test_few_files(self):
        """A daemon that may open few files serves as many connections as half
        of them, and goes on: it can be asked, and by another run."""
        port = self.server(echo).server_address[1]
        node = self.add()
        node.stop()
        node.start(*CLIENT, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (240, 240)))
        node.wait_joined()
        process = subprocess.Popen(self.words(node, *python("""
            held = []
            for _ in range(200):
                s = socket.create_connection(("web.example",
                                              int(sys.argv[1])))
                s.settimeout(60)
                try:
                    s.sendall(b"hello")
                    if s.recv(5) == b"hello":
                        held.append(s)
                except ConnectionResetError:
                    pass
            print(len(held), flush=True)
            sys.stdin.read()
            """, port)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=clean_environment())
        served = int(process.stdout.readline())
        self.assertGreater(served, 80)
        self.assertLessEqual(served, 120)
        self.assertTrue(node.status()["dht"]["joined"])
        process.communicate(b"", timeout=PATIENCE)
        self.assertEqual(self.done(node, "echo", "served"), b"served\n")

    def test_daemon_killed(self):
        node = self.add()
        port = self.server(echo).server_address[1]
        process = subprocess.Popen(self.words(node, *python("""
            s = socket.create_connection(("web.example", int(sys.argv[1])))
            there = s.getpeername()
            s.sendall(b"hello")
            print(s.recv(5), flush=True)
            try:
                s.recv(1)
            except OSError as error:
                print(error.strerror)
            try:
                while True:  # until who carries has gone too
                    socket.create_connection(there[:2]).close()
            except OSError as error:
                print(error.strerror)
            """, port)), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=clean_environment())
        self.assertEqual(process.stdout.readline(), b"b'hello'\n")
        node.kill()
        out, said = process.communicate(timeout=PATIENCE)
        self.assertEqual(out, b"Connection reset by peer\n"
                         b"Connection refused\n")
        self.assertEqual(said, b"warren: the daemon is gone, and with it the "
                         b"connections of /usr/bin/python3\n")
        self.assertEqual(process.returncode, 0)

    def test_isolation(self):
        """All runs share circuits, but for those with --isolate."""
        node = self.add()
        port = self.server(echo).server_address[1]
        counts, processes = [], []
        for flags in (), (), ("--isolate",), ("--isolate",), ():
            process = subprocess.Popen(self.words(node, *python("""
                s = socket.create_connection(("web.example",
                                              int(sys.argv[1])))
                s.sendall(b"hello")
                print(s.recv(5), flush=True)
                sys.stdin.read()
                """, port), flags=("--hops", "1", *flags)),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env=clean_environment())
            processes.append(process)
            self.assertEqual(process.stdout.readline(), b"b'hello'\n")
            counts.append(node.metrics()[
                'warren_stream_connections{whose="own"}'])
        for process in processes:
            process.communicate(b"", timeout=PATIENCE)
        self.assertEqual(counts, [1, 1, 2, 3, 3])


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Caps(Running, Scene):
    """What one run has at most; an exit that takes more of one client."""
    MORE = ("--exit.tcp_circuit_burst", "5000", "--exit.tcp_circuit_rate",
            "5000", "--exit.tcp_source_rate", "5000", "--exit.tcp_rate",
            "5000", "--exit.tcp_address_rate", "100000")

    def setUp(self):
        with unittest.mock.patch("scene.EXIT", EXIT + self.MORE):
            super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 4096:
            self.skipTest(f"no more than {hard} files may be open")
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE,
                        (soft, hard))
        self.node = self.add()

    def echoes(self):
        """The port of an echo server for a thousand, in one thread."""
        server = socket.create_server((self.host, 0), backlog=1024)
        chooser = selectors.DefaultSelector()
        chooser.register(server, selectors.EVENT_READ)

        def answer(s):
            try:
                data = s.recv(100)
                s.send(data)
            except OSError:
                data = b""
            if not data:
                chooser.unregister(s)
                s.close()

        def serve():
            while not over.is_set():
                for key, _ in chooser.select(0.5):
                    if key.fileobj is server:
                        s, _ = server.accept()
                        chooser.register(s, selectors.EVENT_READ)
                    else:
                        answer(key.fileobj)
            for key in list(chooser.get_map().values()):
                key.fileobj.close()
            chooser.close()
        over = threading.Event()
        thread = threading.Thread(target=serve)
        self.addCleanup(thread.join)
        self.addCleanup(over.set)
        thread.start()
        return server.getsockname()[1]

    def test_connections_beyond_the_cap_wait(self):
        said = self.done(self.node, *python("""
            import resource
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))

            def dial():
                s = socket.create_connection(("web.example",
                                              int(sys.argv[1])))
                s.settimeout(60)
                s.sendall(b"hello")
                return s
            held = []
            for _ in range(10):
                some = [dial() for _ in range(96)]
                assert all(s.recv(5) == b"hello" for s in some)
                held += some
            late = dial()
            late.settimeout(0.5)
            try:
                print(late.recv(5))
            except TimeoutError:
                print(len(held), "are there, the next waits")
            held[7].close()
            late.settimeout(60)
            print(late.recv(5).decode())
            """, self.echoes()), timeout=2 * PATIENCE)
        self.assertEqual(said.decode(),
                         "960 are there, the next waits\nhello\n")

    def test_sockets_beyond_the_cap_make_way(self):
        """Of more UDP sockets than there are associations each is answered;
        the daemon never sees more than it has for one source."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.closing.append(server)
        server.bind((self.host, 0))
        self.background("/usr/bin/python3", "-c", textwrap.dedent("""
            import socket, sys
            s = socket.socket(fileno=int(sys.argv[1]))
            while True:
                s.sendto(*s.recvfrom(99))
            """), server.fileno(), pass_fds=[server.fileno()])
        said = self.done(self.node, *python("""
            many = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    for _ in range(140)]
            right = 0
            for i, s in enumerate(many + many[:5]):
                s.settimeout(60)
                s.sendto(b"%d" % i, ("web.example", int(sys.argv[1])))
                right += s.recv(99) == b"%d" % i
            print(right)
            """, server.getsockname()[1]), timeout=2 * PATIENCE)
        self.assertEqual(said, b"145\n")
        metrics = self.node.metrics()
        self.assertEqual(metrics["warren_socks_associations_total"], 145)
        self.assertEqual(metrics["warren_socks_associations_crowded_total"],
                         0)


if __name__ == "__main__":
    unittest.main()
