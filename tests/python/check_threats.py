#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every test that docs/threat-model.md names exists."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    named = set(re.findall(r"`(test_\w+)`",
                           (ROOT / "docs/threat-model.md").read_text()))
    there = set()
    for path in (ROOT / "tests").rglob("*"):
        if path.suffix == ".c":
            text = path.read_text()
            there |= {name for name in
                      re.findall(r"^static void (test_\w+)\(", text, re.M)
                      if len(re.findall(rf"\b{name}\b", text)) > 1}
        elif path.suffix == ".py":
            there |= set(re.findall(r"^    def (test_\w+)",
                                    path.read_text(), re.M))
    missing = sorted(named - there)
    for name in missing:
        print(f"docs/threat-model.md names {name}, and there is no such test")
    return 1 if missing or not named else 0


if __name__ == "__main__":
    sys.exit(main())
