#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The name server that the demo's exits ask: name_server.py ADDRESS PORT NAME
HOST. Knows that one name."""
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "tests" / "process"))
from nameserver import Dns  # noqa: E402

if __name__ == "__main__":
    address, port, name, host = sys.argv[1:]
    Dns(address, {name: [host]}, int(port))
    print("ready", flush=True)
    threading.Event().wait()
