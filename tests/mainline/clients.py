# SPDX-License-Identifier: MIT
"""Programs of others that speak the mainline DHT, each on a machine of the
stage (tests/strangers/stage.py): transmission and aria2. They find peers by
the DHT and by nothing else: no tracker, no peer that tells of peers, no
multicast.

transmission drops what comes from 127/8, and libtorrent wants the nodes of
one table, and of one lookup, to be in different networks: the addresses of
the stage (home, home6) suit them all.
"""
import base64
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request

from krpc import bdecode, bencode, endpoint, split
from stage import (Failure, Machine, clean_environment, family_of, go, inside,
                   join, wait_for)

PEER_PORT = 6881
RPC_PORT = 9091
LOOPBACK = "127.0.0.1"
PACKAGES = {"aria2c": "aria2", "transmission-daemon": "transmission-daemon"}


def missing(*programs):
    """Why a test with these cannot run here; empty when it can."""
    gone = [PACKAGES[p] for p in programs if shutil.which(p) is None]
    return f"there is no {' and no '.join(gone)} here" if gone else ""


class Torrent:
    """A file of random bytes, its torrent and the link."""

    def __init__(self, folder, number, size=300_000, piece=32768):
        self.data, self.file = os.urandom(size), folder / f"file{number}"
        folder.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(self.data)
        info = {"name": self.file.name, "piece length": piece, "length": size,
                "pieces": b"".join(hashlib.sha1(p).digest()
                                   for p in split(self.data, piece))}
        self.metainfo = bencode({"info": info})
        self.hash = hashlib.sha1(bencode(info)).hexdigest()
        self.magnet = f"magnet:?xt=urn:btih:{self.hash}"

    def is_in(self, folder):
        there = folder / self.file.name
        return there.is_file() and there.read_bytes() == self.data


class Program:
    """`addresses`: one of a family at most; the DHT is at each."""

    def __init__(self, directory, *addresses):
        self.dir = pathlib.Path(directory)
        self.got, self.log = self.dir / "got", self.dir / "log"
        self.got.mkdir(parents=True)
        self.machine = Machine(addresses)
        self.at = {family_of(a): (a, PEER_PORT) for a in addresses}
        self.process = None

    def address(self, family, otherwise):
        return self.at.get(family, (otherwise,))[0]

    def launch(self, *command):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*map(str, command)], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
                env=clean_environment() | {"HOME": str(self.dir)},
                preexec_fn=lambda: go(self.machine.space))
        wait_for(f"{command[0]} answers", self.is_there, 30, 0.1)
        return self

    def is_there(self):
        if self.process.poll() is not None:
            raise Failure(f"it ended: {self.log.read_text()[-2000:]}")
        try:
            self.ask()
        except OSError:
            return False
        return True

    def post(self, path, body, headers):
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{RPC_PORT}{path}", json.dumps(body).encode(),
            headers)
        with inside(self.machine.space):
            with urllib.request.urlopen(request, timeout=20) as page:
                return json.loads(page.read())

    def stop(self):
        """As an operator does: it saves its table."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.machine.close()

    def seed(self, torrent):
        shutil.copy(torrent.file, self.got)
        self.add(base64.b64encode(torrent.metainfo).decode())


class Transmission(Program):
    session = ""

    def start(self, bootstrap=()):
        """`bootstrap`: [(host, port)], which it reads from a file, and not
        from the name of a server."""
        (self.dir / "dht.bootstrap").write_text("".join(
            f"{host} {port}\n" for host, port in bootstrap))
        (self.dir / "settings.json").write_text(json.dumps({
            "bind-address-ipv4": self.address(socket.AF_INET, LOOPBACK),
            "bind-address-ipv6": self.address(socket.AF_INET6, "::1"),
            "dht-enabled": True, "pex-enabled": False, "lpd-enabled": False,
            "utp-enabled": False, "port-forwarding-enabled": False,
            "peer-port": PEER_PORT, "download-dir": str(self.got),
            "rpc-enabled": True, "rpc-bind-address": LOOPBACK,
            "rpc-port": RPC_PORT, "rpc-whitelist-enabled": False}))
        return self.launch("transmission-daemon", "--foreground",
                           "--log-debug", "--config-dir", self.dir)

    def ask(self, method="session-get", **arguments):
        try:
            answer = self.post(
                "/transmission/rpc",
                {"method": method, "arguments": arguments},
                {"X-Transmission-Session-Id": self.session})
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 409:
                    raise
                self.session = error.headers["X-Transmission-Session-Id"]
            return self.ask(method, **arguments)
        if answer["result"] != "success":
            raise Failure(f"transmission, {method}: {answer['result']}")
        return answer["arguments"]

    def add(self, metainfo):
        self.ask("torrent-add", metainfo=metainfo)

    def download(self, magnet):
        self.ask("torrent-add", filename=magnet)

    def saved(self):
        """The endpoints of the table that it has saved."""
        table = bdecode((self.dir / "dht.dat").read_bytes())
        return {endpoint(raw) for key, size in ((b"nodes", 6), (b"nodes6", 18))
                for raw in split(table.get(key, b""), size)}


class Aria2(Program):
    def start(self, bootstrap=()):
        flags = [f"--dht-entry-point{'6' if ':' in host else ''}="
                 + join(host, port) for host, port in bootstrap]
        if socket.AF_INET6 in self.at:
            flags += ["--enable-dht6=true", "--dht-listen-addr6="
                      + self.at[socket.AF_INET6][0]]
        return self.launch(
            "aria2c", "--no-conf=true", "--enable-rpc=true",
            f"--rpc-listen-port={RPC_PORT}", f"--dir={self.got}",
            f"--listen-port={PEER_PORT}", f"--dht-listen-port={PEER_PORT}",
            f"--dht-file-path={self.dir / 'dht.dat'}",
            f"--dht-file-path6={self.dir / 'dht6.dat'}",
            "--enable-peer-exchange=false", "--seed-ratio=0.0",
            "--check-integrity=true", "--file-allocation=none",
            "--console-log-level=info", "--show-console-readout=false",
            *flags)

    def ask(self, method="aria2.getVersion", *params):
        return self.post("/jsonrpc", {"jsonrpc": "2.0", "id": "w",
                                      "method": method,
                                      "params": list(params)}, {})["result"]

    def add(self, metainfo):
        self.ask("aria2.addTorrent", metainfo)

    def download(self, magnet):
        self.ask("aria2.addUri", [magnet])

    def saved(self):
        """The endpoints of the tables that it has saved."""
        tables = [t.read_bytes() for t in self.dir.glob("dht*.dat")]
        return {endpoint(raw[8:8 + raw[0]])
                for table in tables for raw in split(table[56:], 56)}
