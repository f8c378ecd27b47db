# SPDX-License-Identifier: MIT
"""What the measurements of networks share: figures of processes, one table,
and a limit to the time that something may take."""
import collections
import contextlib
import os
import pathlib
import signal
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "process"))
from harness import Failure  # noqa: E402

# Every network has as many, so that all are asked for the same.
RELAYS = 6
EXITS = 2
HOPS = 3
BUILDS = 100  # circuits of each length
PAYLOAD = 1152  # bytes of a datagram of the user: what our large cell carries

TICKS = os.sysconf("SC_CLK_TCK")

# Of one network: one circuit of HOPS hops, one way, in MB/s, and its cost in
# processor seconds for a gigabyte; the median of BUILDS builds in ms, and of
# the resident memory of the idle relays in MB.
Figures = collections.namedtuple("Figures", "rate cost build idle")


class Missing(Failure):
    """What is to be compared with is not installed; the text says what."""


def say(text=""):
    print(text, flush=True)


# ---- Processes --------------------------------------------------------------

def cpu_of(pid):
    """Processor seconds of a process, with all its threads."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid):
    """Megabytes."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise Failure(f"process {pid} has no resident memory")


@contextlib.contextmanager
def limit(seconds):
    """Failure when what is inside takes longer."""
    def over(*_):
        raise Failure(f"not done within {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# ---- The table --------------------------------------------------------------

def title(value, baseline):
    say(f"{'':<40} {value:>12}  {'unit':<10} {baseline:>12} {'ratio':>8}  "
        f"aim")


def row(name, value, unit, aim="", baseline=None):
    digits = 2 if value < 100 else 0
    line = f"{name:<40} {value:>12.{digits}f}  {unit:<10} "
    if baseline is None:
        line += f"{'':>12} {'':>8}  {aim}"
    else:
        digits = 2 if baseline < 100 else 0
        line += f"{baseline:>12.{digits}f} {value / baseline:>7.2f}x  {aim}"
    say(line.rstrip())
