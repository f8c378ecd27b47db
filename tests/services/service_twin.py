# SPDX-License-Identifier: MIT
"""Networks for tests of hidden services in which daemons meet the second
implementation (tests/python/service_party.py). No node is an exit."""
import importlib.util
import pathlib
import sys

from test_service_daemon import Services
from harness import ProcessTest, wait_for

if importlib.util.find_spec("nacl") is None:
    print("skipped: python3-nacl is missing, ./dev setup installs it")
    sys.exit(0)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
import warren_tunnel as w

NETWORK = "main"


class TwinTest(Services):
    """Relays that are known to the Python side, in `hops`."""
    RELAYS = 6

    def setUp(self):
        ProcessTest.setUp(self)
        self.watchers = []
        self.relays = self.network_of(self.RELAYS)
        asker = w.Client(f"{self.net.prefix}.201", NETWORK)
        self.addCleanup(asker.close)
        self.hops = [wait_for(f"{node.endpoint} tells its descriptor",
                              lambda n=node: self.descriptor(asker, n), 30)
                     for node in self.relays]

    @staticmethod
    def descriptor(asker, node):
        asker.timeout = 0.5
        try:
            return asker.descriptor((node.address, 7881))
        except w.Failure:
            return None

    def party(self, kind, *args, relays=None, number=210, **more):
        one = kind(f"{self.net.prefix}.{number}", NETWORK,
                   relays or self.hops, *args, **more)
        self.addCleanup(one.close)
        return one
