#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks that functions, files and lines stay small.

Usage: sizes.py FILE... Prints FILE:LINE for each offence, exits 1 if any.
Functions are found by their braces in the first column, as clang-format
leaves them; rows of a table inside them, {...}, do not count.
"""
import re
import sys

FUNCTION_LINES = 100
FILE_LINES = {".c": 900, ".h": 300}
COLUMNS = 80
TABLE_ROW = re.compile(r"\s*\{.*\},$")


def check(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    offences = []
    limit = FILE_LINES.get(path[-2:])
    if path.startswith("tests/") and limit:
        limit = FILE_LINES[".c"]  # the headers there are code to share
    if limit and len(lines) > limit:
        offences.append(f"{path}:{len(lines)}: the file has {len(lines)} "
                        f"lines, {limit} are allowed")
    start = rows = 0
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            offences.append(f"{path}:{number}: {len(line)} columns, "
                            f"{COLUMNS} are allowed")
        if limit and line == "{":
            start = number
            rows = 0
        if TABLE_ROW.match(line):
            rows += 1
        if limit and line == "}" and start:
            length = number - start + 1 - rows
            if length > FUNCTION_LINES:
                offences.append(f"{path}:{start}: the function has {length} "
                                f"lines, {FUNCTION_LINES} are allowed")
            start = 0
    return offences


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("sizes: which files? `./dev lint` gives them")
    found = [o for path in sys.argv[1:] for o in check(path)]
    print("\n".join(found) if found else "sizes: all small enough")
    sys.exit(1 if found else 0)
