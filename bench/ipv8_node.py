# SPDX-License-Identifier: MIT
"""A node of py-ipv8's tunnels on their Rust endpoint, for ipv8_network.py.

Usage: ipv8_node.py ADDRESS PORT relay|exit|client

Runs under the Python that has ipv8, and ends with its standard input. A line
there is a list in JSON, the name of a method of Node and its arguments; what
it returns is a line of the output. It has no bootstrappers and no walker:
it talks to whom it is told to talk to.
"""
import asyncio
import json
import sys
import time

from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.anonymization.community import (TunnelCommunity,
                                                    TunnelSettings)
from ipv8.messaging.anonymization.tunnel import (PEER_FLAG_EXIT_BT,
                                                 PEER_FLAG_RELAY)
from ipv8.peer import Peer
from ipv8.peerdiscovery.network import Network
from ipv8_rust_tunnels import Endpoint

FLAGS = {"relay": {PEER_FLAG_RELAY}, "client": set(),
         "exit": {PEER_FLAG_RELAY, PEER_FLAG_EXIT_BT}}


class Node:
    def __init__(self, address, port, role):
        self.address = address
        self.endpoint = Endpoint(port, address)
        settings = TunnelSettings()
        settings.my_peer = Peer(default_eccrypto.generate_key("curve25519"))
        settings.endpoint = self.endpoint
        settings.network = Network()
        settings.peer_flags = FLAGS[role]
        # Circuits linger for seconds, and BUILDS of them come at once.
        settings.max_joined_circuits = 1000
        self.community = TunnelCommunity(settings)

    async def open(self):
        await self.endpoint.open()
        self.endpoint.set_exit_address((self.address, 0))

    # ---- what ipv8_network.py asks for ----

    async def walk(self, addresses):
        """Introduces itself; returns how many it knows that relay."""
        for address in addresses:
            self.community.walk_to(tuple(address))
        await asyncio.sleep(0.2)
        return len(self.community.get_candidates(PEER_FLAG_RELAY))

    async def build(self, hops):
        """A circuit: its number, and milliseconds."""
        begun = time.monotonic()
        circuit = self.community.create_circuit(hops)
        if circuit is None or await circuit.ready is None:
            return None
        return circuit.circuit_id, (time.monotonic() - begun) * 1e3

    async def remove(self, circuit):
        self.community.remove_circuit(circuit, destroy=True)

    async def socks(self, hops):
        return self.endpoint.create_socks5_server(0, hops)


async def main():
    node = Node(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    await node.open()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("ready", flush=True)
    while line := await lines.readline():
        name, *arguments = json.loads(line)
        print(json.dumps(await getattr(node, name)(*arguments)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
