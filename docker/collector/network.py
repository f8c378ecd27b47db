# SPDX-License-Identifier: MIT
"""The daemons of an experiment: a few that the collector starts beside itself,
to ask through them, and all the others, whose pages it reads."""
import asyncio
import contextlib
import os
import re
import socket
import subprocess

import warren

HTTP_PORT = 7882
PROBE_HTTP = 1000  # above the port of its datagrams
JOIN_LIMIT = 60.0  # s
READ_LIMIT = 10.0  # s
AT_A_TIME = 64     # pages, of as many nodes

METRIC = re.compile(r'^(warren_dht_sent_total|warren_dht_sent_bytes_total|'
                    r'warren_dht_nodes\{family="ipv4"\}) (\d+)', re.M)


class Failure(Exception):
    """The experiment cannot go on; the text says why."""


class Probe:
    """A daemon of the collector's own."""

    def __init__(self, binary, folder, listen, bootstrap):
        self.folder = folder
        self.address, port = listen
        self.port = port
        self.page = ("127.0.0.1", port + PROBE_HTTP)
        self.node = None
        os.makedirs(folder, 0o700)
        self.log = f"{folder}.log"
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith("WARREN_")}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [binary, "run", "--data-dir", folder, "--listen",
                 f"{self.address}:{port}", "--http", "%s:%d" % self.page,
                 "--testing-network", "--bootstrap", bootstrap,
                 "--tunnel.max_relays_or_exits", "0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment)

    def died(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            last = log.read().strip().splitlines()[-1:]
        return Failure(f"a daemon of the collector has ended with code "
                       f"{self.process.returncode}: {''.join(last)}")

    async def join(self):
        """Until it knows somebody."""
        for _ in range(round(JOIN_LIMIT / 0.1)):
            if self.process.poll() is not None:
                raise self.died()
            if self.node is None:
                with contextlib.suppress(warren.NoDaemon):
                    self.node = await warren.open(data_dir=self.folder)
            elif (await self.node.status())["dht"]["joined"]:
                return
            await asyncio.sleep(0.1)
        raise Failure(f"no other node has answered within {JOIN_LIMIT:g} s")

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Probes(list):
    async def join(self):
        await asyncio.gather(*(probe.join() for probe in self))

    def end(self):
        for probe in self:
            probe.end()


async def addresses_of(hosts):
    """Of all containers that have one of these names."""
    loop = asyncio.get_running_loop()
    found = set()
    for host in hosts:
        with contextlib.suppress(socket.gaierror):
            for info in await loop.getaddrinfo(host, HTTP_PORT,
                                               family=socket.AF_INET,
                                               type=socket.SOCK_STREAM):
                found.add(info[4])
    return sorted(found)


async def read_page(address):
    """The metrics of the node there; None: it does not answer."""
    async def ask():
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(b"GET /metrics HTTP/1.0\r\nHost: %s\r\n\r\n" %
                         address[0].encode())
            return (await reader.read()).decode()
        finally:
            writer.close()
    try:
        page = await asyncio.wait_for(ask(), READ_LIMIT)
    except (OSError, asyncio.TimeoutError):
        return None
    found = {name: int(value) for name, value in METRIC.findall(page)}
    if len(found) < 3:
        return None
    return {"sent": found["warren_dht_sent_total"],
            "bytes": found["warren_dht_sent_bytes_total"],
            "table": found['warren_dht_nodes{family="ipv4"}']}


async def read_pages(addresses):
    """{address: metrics} of those that answer."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(address):
        async with gate:
            return address, await read_page(address)
    pages = await asyncio.gather(*map(one, addresses))
    return {address: page for address, page in pages if page is not None}


def sent_since(before, now, what):
    """What all nodes sent between two readings. One that was started again has
    begun to count anew."""
    total = 0
    for address, page in now.items():
        had = before.get(address, {what: 0})[what]
        total += page[what] - (had if had <= page[what] else 0)
    return total
