# SPDX-License-Identifier: MIT
"""What docs/applications.md prints, to be run."""
import pathlib
import re

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/applications.md"


def blocks(name):
    """The fenced blocks `name`, in order: (language, text)."""
    return re.findall(rf"^```(\w+) {name}\n(.*?)^```$", PAGE.read_text(),
                      re.S | re.M)


def block(name, language="sh"):
    return "".join(text for kind, text in blocks(name) if kind == language)
