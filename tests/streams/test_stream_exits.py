#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Streams to servers of an Internet of ours, through three hops and the proxy
of a client: pages by curl, bytes, ends, resets, refusals; and a download that
goes on while every relay but the exit is killed, one after the other."""
import socket
import threading
import time
import unittest

from stage import (PATIENCE, SocksError, Streams, bytes_of, curl, echo, http,
                   read_all, socks)

EXIT = ("--exit.become_exitnode", "yes", "--exit.policy", "accept *:*",
        "--exit.tcp_policy", "accept *:*")


class StreamExits(Streams):
    def test_pages_bytes_and_ends(self):
        page = bytes_of("page", 200_000)
        self.add(flags=EXIT)
        web, mirror = self.server(http(page)), self.server(echo)
        client, proxy = self.proxy()
        url = "http://%s:%d/" % web.server_address

        with self.subTest("a page by curl"):
            answer = curl("--socks5-hostname", "%s:%d" % proxy, url)
            self.assertEqual(answer.returncode, 0, answer.stderr)
            self.assertEqual(answer.stdout, page)
            answer = curl("-x", "http://%s:%d" % proxy, "--proxytunnel", url)
            self.assertEqual(answer.stdout, page, answer.stderr)
            answer = curl("--socks4a", "%s:%d" % proxy, url)
            self.assertEqual(answer.stdout, page, answer.stderr)
        self.assertTrue(all(a != "127.0.0.1" for a, _ in web.seen))

        with self.subTest("half an end"):
            host, port = mirror.server_address
            s = socks(proxy, host, port, early=b"early ")
            s.sendall(b"and late")
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(s), b"early and late")
            s.close()

        with self.subTest("refused"):
            with self.assertRaises(SocksError) as caught:
                socks(proxy, host, 1)
            self.assertEqual(caught.exception.args[0], 5)

        with self.subTest("keys do not share circuits"):
            for user in (("a", "1"), ("a", "2"), ("b", "1")):
                s = socks(proxy, host, port, user=user)
                s.sendall(b"x")
                s.shutdown(socket.SHUT_WR)
                self.assertEqual(read_all(s), b"x")
                s.close()
        self.assertTrue(client.is_running())


class StreamsOutliveRelays(Streams):
    RELAYS = 9

    def test_a_download_goes_on(self):
        """Slowly, so that it takes as long as the killing does."""
        body = bytes_of("download", 4_000_000)

        def slowly(_, s):
            for i in range(0, len(body), 20_000):
                s.sendall(body[i:i + 20_000])
                time.sleep(0.05)
            s.shutdown(socket.SHUT_WR)

        server = self.server(slowly)
        self.add(flags=EXIT)
        _, proxy = self.proxy()
        s = socks(proxy, *server.server_address)
        got = []
        reader = threading.Thread(target=lambda: got.append(read_all(s)))
        reader.start()
        time.sleep(1)
        for relay in self.relays[-5:]:
            relay.kill()
            time.sleep(1.5)
        self.assertFalse(got, "it ended before the relays did")
        reader.join(PATIENCE)
        s.close()
        self.assertEqual(len(got), 1)
        self.assertEqual(len(got[0]), len(body))
        self.assertTrue(got[0] == body)


if __name__ == "__main__":
    unittest.main()
