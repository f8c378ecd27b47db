#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`warren exec`, and the private proxy that it opens."""
import socket
import sys
import unittest

from scene import Scene
from stage import PATIENCE, SocksError, echo, read_exact, socks
from harness import Control, Failure


class Private(Scene):
    """The method socks.open."""

    def opened(self, node, **params):
        """A control connection that holds a proxy open; where that is, its
        user and its password."""
        control = Control(node)
        self.closing.append(control.socket)
        control.send("socks.open", **params)
        kind, method, (_, told) = control.receive()
        self.assertEqual((kind, method), (2, "listening"))
        host, port = told["address"].split(":")
        self.assertEqual(host, "127.0.0.1")
        return control, (host, int(port)), (told["user"], told["password"])

    def test_private_proxy(self):
        port = self.server(echo).server_address[1]
        node = self.add()  # with no proxy of its own
        control, proxy, user = self.opened(node, hops=1)
        _, other, another = self.opened(node, hops=1)
        self.assertNotEqual((proxy, user), (other, another))
        with socks(proxy, "web.example", port, user=user) as s:
            s.sendall(b"through")
            self.assertEqual(read_exact(s, 7), b"through")
            # Nobody else gets anything of it, by any protocol.
            for name in None, ("exec", "guess"), another, (user[0], ""):
                with self.assertRaises(SocksError) as refused:
                    socks(proxy, "web.example", port, user=name)
                self.assertEqual(refused.exception.args, (2,))
            with socket.create_connection(proxy, PATIENCE) as http:
                http.sendall(b"CONNECT web.example:%d HTTP/1.1\r\n\r\n" % port)
                self.assertIn(b" 403 ", http.recv(4096))
            # It ends with whoever asked for it, and so do its connections.
            control.socket.close()
            s.settimeout(PATIENCE)
            with self.assertRaises(ConnectionResetError):
                s.recv(1)
        with self.assertRaises(OSError):
            socket.create_connection(proxy, PATIENCE)
        with socks(other, "web.example", port, user=another) as s:
            s.sendall(b"still")
            self.assertEqual(read_exact(s, 5), b"still")

    def test_names_share_circuits(self):
        """Of one name one connection to the exit, of none a new one each."""
        port = self.server(echo).server_address[1]
        node = self.add()

        def trunks():
            return node.metrics()['warren_stream_connections{whose="own"}']

        counts = []
        for name in ({"name": "a"}, {"name": "a"}, {"name": "b"}, {}, {}):
            _, proxy, user = self.opened(node, hops=1, **name)
            self.closing.append(socks(proxy, "web.example", port, user=user))
            counts.append(trunks())
        self.assertEqual(counts, [1, 1, 2, 3, 4])

    def test_senseless_requests(self):
        node = self.add()
        with Control(node) as control:
            for params, said in (({}, "hops is missing"),
                                 ({"hops": 9}, "from 1 to 4")):
                with self.assertRaisesRegex(Failure, said):
                    control.call("socks.open", **params)


if __name__ == "__main__":
    unittest.main()
