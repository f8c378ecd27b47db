#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Prints the share of lines that ran, for each room that parses what others
have written and for each of its files. Status 1 when a room has less than
BOUND.

usage: report.py FILE     of `llvm-cov export -summary-only`
"""

import fnmatch
import json
import sys

BOUND = 85  # percent of the lines of a room

# By room, the files in which bytes of others become values. The rest of such a
# room acts on the values, and is tested elsewhere.
PARSERS = {
    "wire/bencode": ["be_reader.c"],
    "wire/msgpack": ["*.c"],
    "wire/item": ["*.c"],
    "wire/krpc": ["*.c"],
    "tunnel/link": ["cell.c", "link_message.c", "link_text.c", "part.c"],
    "tunnel/circuit": ["circuit_message.c", "piece.c"],
    "tunnel/directory": ["descriptor.c"],
    "tunnel/record": [
        "address.c", "entry.c", "relay_target.c", "service_descriptor.c"],
    "tunnel/meeting": ["meeting_message.c"],
    "tunnel/channel": ["end_message.c", "invitation.c"],
    "tunnel/exit": ["policy*.c", "host_port.c", "name.c"],
    "stream": ["stream_request.c"],
    "sim/measure": ["measures_read.c"],
    "store": ["table.c"],
    "node/config": ["ini.c", "config_*.c"],
    "node/control": ["control_frame.c", "reply.c"],
    "node/rpc": ["rpc_params.c"],
    "node/monitor": ["http.c", "http_request.c"],
    "node/names": ["resolv_conf.c"],
    "node/socks": [
        "http_connect.c", "socks4.c", "socks5.c", "socks_address.c",
        "socks_datagram.c", "socks_handshake.c"],
    "node/dns": ["dns_message.c"],
    "sim/csv": ["csv.c"],
    "sim/path": ["regions.c"],
    "sim/population": ["trace.c"],
    "node/net": ["udp_batch.c", "udp_queue.c"],
}


def percent(files):
    covered = sum(f["covered"] for f in files.values())
    count = sum(f["count"] for f in files.values())
    return 100 * covered / count if count else 0


def files_of(report, room, patterns):
    """Name in the room -> {"count", "covered"}."""
    out = {}
    for entry in report["data"][0]["files"]:
        folder, _, name = entry["filename"].rpartition("/")
        if folder.endswith("/src/" + room) and any(
            fnmatch.fnmatch(name, p) for p in patterns
        ):
            out[name] = entry["summary"]["lines"]
    return out


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        report = json.load(f)
    low = []
    for room, patterns in PARSERS.items():
        files = files_of(report, room, patterns)
        share = percent(files)
        if share < BOUND:
            low.append(room)
        print(f"{room:<28}{share:6.1f} %")
        for name, lines in sorted(files.items()):
            print(f"    {name:<24}{percent({name: lines}):6.1f} %")
    if low:
        print(f"below {BOUND} %: {', '.join(low)}")
    sys.exit(1 if low else 0)


if __name__ == "__main__":
    main()
