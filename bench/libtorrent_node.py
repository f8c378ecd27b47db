#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A node of libtorrent for bench_dht_libtorrent: it meets the neighbours, then
says its port and waits.

usage: libtorrent_node.py FD NEIGHBOUR_PORT FIRST COUNT    of 127.2.0.FIRST on
"""

import os
import sys
import time
import warnings

import libtorrent

warnings.simplefilter("ignore", DeprecationWarning)  # status()
fd, port, first, count = (int(a) for a in sys.argv[1:])
no_limit = 100_000_000  # it reckons with three times as much, in 32 bits
session = libtorrent.session({
    "listen_interfaces": "127.0.0.1:0",
    "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "dht_bootstrap_nodes": "",
    "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False,
    "dht_ignore_dark_internet": False, "dht_prefer_verified_node_ids": False,
    "dht_block_ratelimit": no_limit, "dht_upload_rate_limit": no_limit,
    "alert_mask": 0,
})
give_up = time.monotonic() + 20


def nodes():
    return session.status().dht_nodes


while session.listen_port() == 0 and time.monotonic() < give_up:
    time.sleep(0.05)
while nodes() < count * 3 // 4 and time.monotonic() < give_up:
    for i in range(count):
        session.add_dht_node((f"127.2.0.{first + i}", port))
    time.sleep(0.2)
os.write(fd, session.listen_port().to_bytes(2, sys.byteorder))
while True:
    time.sleep(1000)
