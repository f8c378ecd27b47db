#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks that the house keeps to its plan.

src/<floor>[/<room>]/.may_include has one entry a line:
    wire/         everything on that floor
    dht/table/    everything in that room
    sodium.h      exactly that header
    *.h           every header of the system, but no floor and no library

A folder may always include what is in it. No two folders may include each
other, not even by way of third ones, and none holds more than 24 files. The
tables of docs/architecture.md have a sentence for each.

Usage: layering.py [ROOT]. Prints FILE:LINE for each offence, exits 1 if any.
"""
import pathlib
import re
import sys

FILES = 24
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:([<"])([^>"]+)[>"]|(\S+))')
# A room that may use one of these says so by name, never by a wildcard.
LIBRARIES = ("event2/", "ares", "msgpack", "ngtcp2/", "sodium", "sqlite3",
             "sha1.h")


def house_name(header, quoted, folder, src):
    """The header's name seen from src/, so that "x.h" and "../dht/x.h" in
    src/wire read as wire/x.h and dht/x.h."""
    if not quoted:
        return header
    here = (folder / header).resolve()
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


def check_room(folder, src, floors, arrows):
    """Offences of the files right in `folder`; adds to `arrows` a pair of
    folders for each include that leaves it, with the place."""
    room = str(folder.relative_to(src))
    listing = folder / ".may_include"
    if not listing.is_file():
        return [f"{folder}: has no .may_include"]
    entries = listing.read_text().split()
    offences = []
    for path in sorted(folder.glob("*.[ch]")):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            if match[3]:
                offences.append(f"{path}:{number}: includes a macro, "
                                f"{match[3]}: name the header")
                continue
            name = house_name(match[2], match[1] == '"', folder, src)
            target = name.rpartition("/")[0]
            if target == room:
                continue
            if not allowed(name, entries, floors):
                offences.append(f"{path}:{number}: src/{room} may not "
                                f"include {name}; allowed: "
                                f"{' '.join(entries)}")
            if (src / target).is_dir():
                arrows.setdefault((room, target), f"{path}:{number}")
    return offences


def circles(arrows):
    """An offence for each arrow that lies on a circle of folders."""
    below = {}
    for upper, lower in arrows:
        below.setdefault(upper, set()).add(lower)

    def reaches(start, goal):
        seen, todo = set(), [start]
        while todo:
            room = todo.pop()
            if room == goal:
                return True
            if room not in seen:
                seen.add(room)
                todo += below.get(room, ())
        return False

    return [f"{place}: src/{upper} includes src/{lower}, which leads back to "
            f"src/{upper}: a circle"
            for (upper, lower), place in sorted(arrows.items())
            if reaches(lower, upper)]


def crowds(root):
    offences = []
    for top in ("src", "tests", "bench"):
        for folder in sorted((root / top).rglob("*")):
            if not folder.is_dir() or "corpus" in folder.parts:
                continue
            files = sum(1 for p in folder.iterdir()
                        if p.is_file() and not p.name.startswith("."))
            if files > FILES:
                offences.append(f"{folder}: holds {files} files, {FILES} are "
                                "allowed: make another room")
    return offences


def unnamed(root, rooms):
    page = root / "docs/architecture.md"
    named = re.findall(r"^\| `([\w/]+)` \| \S", page.read_text(), re.M)
    return ([f"{page}: has no line | `{room}` | what it is for |"
             for room in rooms if room not in named])


def check(root):
    root = pathlib.Path(root)
    src = root / "src"
    floors = sorted(p.name for p in src.iterdir() if p.is_dir())
    rooms = sorted({p.parent for p in src.rglob("*.[ch]")})
    arrows = {}
    offences = [o for r in rooms for o in check_room(r, src, floors, arrows)]
    names = [str(room.relative_to(src)) for room in rooms]
    return offences + circles(arrows) + crowds(root) + unnamed(root, names)


if __name__ == "__main__":
    found = check(sys.argv[1] if len(sys.argv) > 1 else ".")
    print("\n".join(found) if found else "layering: every include is allowed")
    sys.exit(1 if found else 0)
