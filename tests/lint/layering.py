#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks that no floor of the house includes what its list does not allow.

src/<floor>/.may_include has one entry a line:
    wire/       everything in that folder
    sodium.h    exactly that header
    *.h         every header of the system, but no floor and no library

Usage: layering.py [ROOT]. Prints FILE:LINE for each offence, exits 1 if any.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:([<"])([^>"]+)[>"]|(\S+))')
# A floor that may use one of these says so by name, never by a wildcard.
LIBRARIES = ("event2/", "msgpack", "sodium", "sqlite3", "sha1.h")


def house_name(header, quoted, floor, src):
    """The header's name seen from src/, so that "x.h" and "../dht/x.h" in
    src/wire read as wire/x.h and dht/x.h."""
    if not quoted:
        return header
    here = (src / floor / header).resolve()
    if here.is_file() and src.resolve() in here.parents:
        return str(here.relative_to(src.resolve()))
    return header


def allowed(name, entries, floors):
    for entry in entries:
        if entry == name or (entry.endswith("/") and name.startswith(entry)):
            return True
        if (entry == "*.h" and name.split("/")[0] not in floors
                and not name.startswith(LIBRARIES)):
            return True
    return False


def check_floor(floor, src, floors):
    folder = src / floor
    listing = folder / ".may_include"
    if not listing.is_file():
        return [f"{folder}: has no .may_include"]
    entries = listing.read_text().split()
    offences = []
    for path in sorted(folder.rglob("*.[ch]")):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            if match[3]:
                offences.append(f"{path}:{number}: includes a macro, "
                                f"{match[3]}: name the header")
                continue
            name = house_name(match[2], match[1] == '"', floor, src)
            if not allowed(name, entries, floors):
                offences.append(f"{path}:{number}: src/{floor} may not "
                                f"include {name}; allowed: "
                                f"{' '.join(entries)}")
    return offences


def check(root):
    src = pathlib.Path(root) / "src"
    floors = sorted(p.name for p in src.iterdir() if p.is_dir())
    return [o for f in floors for o in check_floor(f, src, floors)]


if __name__ == "__main__":
    found = check(sys.argv[1] if len(sys.argv) > 1 else ".")
    print("\n".join(found) if found else "layering: every include is allowed")
    sys.exit(1 if found else 0)
