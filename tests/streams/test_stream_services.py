#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Streams to hidden services, through the proxy of a client: a page by curl,
bytes both ways, ends and resets, servers that are not there, who the peer is;
and caps of [streams]."""
import pathlib
import signal
import socket
import struct
import threading
import unittest

from stage import (PATIENCE, SocksError, Streams, bytes_of, curl, echo, http,
                   read_all, read_exact, socks, wait_for)

EXIT = ("--exit.become_exitnode", "yes", "--exit.policy", "accept *:*",
        "--exit.tcp_policy", "accept *:*")


class StreamServices(Streams):
    def test_pages_bytes_and_ends(self):
        page = b"<p>a page of a hidden service</p>\n"
        web, mirror = self.server(http(page)), self.server(echo)
        told = []

        def tells(_, s):
            told.append(read_exact(s, 52))
            s.sendall(b"hello " + s.recv(5))
            s.shutdown(socket.SHUT_WR)

        def resets(_, s):
            s.recv(1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
            s.close()

        who, rude = self.server(tells), self.server(resets)
        node, address = self.service(
            [f"80 tcp {web.server_address[0]}:{web.server_address[1]}",
             f"7 tcp {mirror.server_address[0]}:{mirror.server_address[1]}",
             f"9 tcp {who.server_address[0]}:{who.server_address[1]} proxy",
             f"13 tcp {rude.server_address[0]}:{rude.server_address[1]}",
             "81 tcp 127.0.0.1:1"])
        client, proxy = self.proxy()

        with self.subTest("a page by curl"):
            answer = curl("--socks5-hostname", "%s:%d" % proxy,
                          f"http://{address}/")
            self.assertEqual(answer.returncode, 0, answer.stderr)
            self.assertEqual(answer.stdout, page)
            answer = curl("-x", "http://%s:%d" % proxy, "--proxytunnel",
                          f"http://{address}/")
            self.assertEqual(answer.stdout, page, answer.stderr)

        with self.subTest("bytes both ways, and half an end"):
            sent = bytes_of(1, 3_000_000)
            s = socks(proxy, address, 7, early=sent[:1000])
            s.settimeout(PATIENCE)
            got = bytearray()
            for i in range(1000, len(sent), 65536):
                s.sendall(sent[i:i + 65536])
                s.setblocking(False)
                try:
                    while data := s.recv(1 << 20):
                        got += data
                except BlockingIOError:
                    pass
                s.settimeout(PATIENCE)
            s.shutdown(socket.SHUT_WR)
            got += read_all(s)
            self.assertEqual(len(got), len(sent))
            self.assertTrue(bytes(got) == sent)
            s.close()

        with self.subTest("the server is told who it is"):
            s = socks(proxy, address, 9)
            s.sendall(b"there")
            self.assertEqual(read_all(s), b"hello there")
            s.close()
            self.assertEqual(told[0][:12], b"\r\n\r\n\0\r\nQUIT\n")
            self.assertEqual(told[0][12:14], b"\x21\x21")
            peers = node.json("service", "peers", "web")["peers"]
            number = int.from_bytes(told[0][24:32], "big")
            self.assertIn(f"p{number}.peer.warren",
                          [p["peer"] for p in peers])
            self.assertEqual(told[0][50:52], (9).to_bytes(2, "big"))

        with self.subTest("a reset is no end"):
            s = socks(proxy, address, 13)
            s.sendall(b"x")
            with self.assertRaises(ConnectionResetError):
                while s.recv(100):
                    pass
            s.close()

        with self.subTest("nobody listens there"):
            with self.assertRaises(SocksError) as caught:
                socks(proxy, address, 81)
            self.assertEqual(caught.exception.args[0], 5)
            with self.assertRaises(SocksError) as caught:
                socks(proxy, address, 4444)
            self.assertEqual(caught.exception.args[0], 5)

        with self.subTest("an address that is none"):
            with self.assertRaises(SocksError) as caught:
                socks(proxy, "x" * 56 + ".warren", 80)
            self.assertEqual(caught.exception.args[0], 4)

        with self.subTest("many at once"):
            streams = [socks(proxy, address, 7) for _ in range(40)]
            for i, s in enumerate(streams):
                s.sendall(bytes_of(i, 5000))
                s.shutdown(socket.SHUT_WR)
            for i, s in enumerate(streams):
                self.assertEqual(read_all(s), bytes_of(i, 5000))
                s.close()

        with self.subTest("what went on is told"):
            wait_for("the streams are over", lambda: node.metrics()[
                "warren_services_streams"] == 0, PATIENCE)
            seen = node.metrics()
            refused = "warren_services_streams_refused_total{reason=%s}"
            self.assertEqual(seen["warren_services_streams_total"], 45)
            self.assertEqual(seen[refused % '"refused"'], 1)
            self.assertEqual(seen[refused % '"no_port"'], 1)
            self.assertEqual(seen[refused % '"unreachable"'], 0)
        self.assertTrue(client.is_running())


class StreamCaps(Streams):
    def echoed(self, s, text):
        s.sendall(text)
        return read_exact(s, len(text))

    def test_connections_at_their_cap(self):
        """A client's isolation keys; those that are there go on."""
        mirror = self.server(echo)
        self.add(flags=EXIT)
        _, proxy = self.proxy("[streams]\nmax_trunks = 2\n")
        host, port = mirror.server_address
        first = [socks(proxy, host, port, user=(name, "x")) for name in "ab"]
        with self.assertRaises(SocksError):
            socks(proxy, host, port, user=("c", "x"))
        first.append(socks(proxy, host, port, user=("a", "x")))
        for s in first:
            self.assertEqual(self.echoed(s, b"still here"), b"still here")
            s.close()

    def test_streams_that_wait_at_their_cap(self):
        """For a server that does not answer; who has a stream goes on, and gets
        another one when they have been told so."""
        mirror = self.server(echo)
        slow = socket.socket()
        self.closing.append(slow)
        slow.bind((self.net.prefix + ".201", 0))
        slow.listen(0)
        _, address = self.service(
            ["7 tcp %s:%d" % mirror.server_address,
             "5 tcp %s:%d" % slow.getsockname()],
            "[streams]\nmax_visits = 3\n")
        _, proxy = self.proxy()
        s = socks(proxy, address, 7)
        codes = []

        def wait():
            try:
                self.closing.append(socks(proxy, address, 5))
            except SocksError as e:
                codes.append(e.args[0])
        waiting = [threading.Thread(target=wait) for _ in range(9)]
        for thread in waiting:
            thread.start()
        wait_for("one is refused", lambda: len(codes) > 0, PATIENCE)
        self.assertEqual(self.echoed(s, b"still here"), b"still here")
        for thread in waiting:
            thread.join()
        self.assertGreaterEqual(len(codes), 4)
        again = socks(proxy, address, 7)
        self.assertEqual(self.echoed(again, b"once more"), b"once more")
        for s in (s, again):
            s.close()

    def test_connections_to_servers_at_their_cap(self):
        """Who has one goes on; a reload lowers it."""
        mirror = self.server(echo)
        node, address = self.service(
            ["7 tcp %s:%d" % mirror.server_address],
            "[services]\nmax_sockets = 3\n")
        _, proxy = self.proxy()
        streams = [socks(proxy, address, 7) for _ in range(3)]
        self.assertRaises(SocksError, socks, proxy, address, 7)
        config = pathlib.Path(str(node.dir) + ".ini")
        config.write_text(config.read_text().replace("= 3", "= 2"))
        node.send_signal(signal.SIGHUP)
        wait_for("it is loaded", lambda: "loaded again" in node.log_text(),
                 PATIENCE)
        for s in streams:
            self.assertEqual(self.echoed(s, b"still here"), b"still here")
        for left in (2, 1):
            streams.pop().close()
            wait_for("it has ended", lambda n=left: node.metrics()[
                "warren_services_streams"] == n, PATIENCE)
            if left == 2:
                self.assertRaises(SocksError, socks, proxy, address, 7)
        streams.append(socks(proxy, address, 7))
        for s in streams:
            self.assertEqual(self.echoed(s, b"and on"), b"and on")
            s.close()


if __name__ == "__main__":
    unittest.main()
