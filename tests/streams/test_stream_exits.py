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
                   read_all, socks, wait_for)

EXIT = ("--exit.become_exitnode", "yes", "--exit.policy", "accept *:*",
        "--exit.tcp_policy", "accept *:*")


class StreamExits(Streams):
    def test_pages_bytes_and_ends(self):
        page = bytes_of("page", 200_000)
        leaves = self.add(flags=EXIT)
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

        with self.subTest("what went on is told"):
            self.assert_told(client, leaves, 3 * len(page))
        self.assertTrue(client.is_running())

    def assert_told(self, client, leaves, least):
        """By the metrics of both ends, and by their status: seven streams, and
        one to a server that is not there."""
        wait_for("the streams are over", lambda: client.metrics()[
            "warren_socks_clients"] == 0, PATIENCE)
        own, others = client.metrics(), leaves.metrics()
        self.assertEqual(own["warren_socks_clients_total"], 8)
        self.assertEqual(own["warren_socks_opened_total"], 7)
        self.assertEqual(own["warren_socks_refused_total"], 1)
        self.assertEqual(own["warren_stream_asked_total"], 8)
        self.assertEqual(
            own['warren_stream_refused_total{reason="refused"}'], 1)
        self.assertEqual(others["warren_exit_tcp_connected_total"], 7)
        for page, key in ((own, 'in_total{whose="own"}'),
                          (others, 'out_total{whose="others"}')):
            self.assertGreater(page["warren_stream_bytes_" + key], least)
        status = client.cli("status").stdout
        self.assertRegex(status, r"proxy +0 clients now; since the start 7 "
                         "streams opened, 1 refused")
        self.assertRegex(status, "own streams +0 streams of [0-9]+ since")
        self.assertRegex(leaves.cli("status").stdout,
                         r"exit streams +0 streams now, 7 connected since")


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
