#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Streams to hidden services, through the proxy of a client: a page by curl,
bytes both ways, ends and resets, servers that are not there, who the peer is.
No node of these networks is an exit."""
import socket
import struct
import unittest

from stage import (PATIENCE, SocksError, Streams, bytes_of, curl, echo, http,
                   read_all, read_exact, socks)


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
        self.assertTrue(client.is_running())


if __name__ == "__main__":
    unittest.main()
