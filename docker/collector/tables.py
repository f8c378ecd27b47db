# SPDX-License-Identifier: MIT
"""The tables of `warren sim --csv` (docs/experiments-files.md), with the same
columns, out of what was measured on real nodes. Values are whole numbers in
the units in which the simulator counts: times in nanoseconds."""
import csv
import os

COUNT, LEVEL, SHARE, VALUES = range(4)
SECOND = 10**9

# Those of src/sim/measure/measure_table.c that can be measured from outside,
# in its order: name, kind, decimals of what a whole number stands for.
MEASURES = (
    ("nodes", LEVEL, 0),
    ("datagrams", COUNT, 0),
    ("bytes", COUNT, 0),
    ("node_datagrams", LEVEL, 6),
    ("node_bytes", LEVEL, 6),
    ("lookup_success", SHARE, 0),
    ("lookup_hops", VALUES, 0),
    ("lookup_messages", VALUES, 0),
    ("lookup_timeouts", VALUES, 0),
    ("lookup_time", VALUES, 9),
    ("lookup_first", VALUES, 9),
    ("table_nodes", LEVEL, 3),
)
FIGURES = ("count", "mean", "least", "median", "p90", "p99", "most")


def columns(name, kind):
    if kind == SHARE:
        return [name, f"{name}_hits", f"{name}_of"]
    if kind == VALUES:
        return [f"{name}_{figure}" for figure in FIGURES]
    return [name]


def exact(value, decimals):
    """1500000000 with 9 decimals: 1.5"""
    whole, rest = divmod(value, 10**decimals)
    if rest == 0:
        return str(whole)
    return f"{whole}.{rest:0{decimals}}".rstrip("0")


def quotient(value, of):
    return "" if of == 0 else f"{value / of:.9g}"


def bucket(value):
    """The largest value that is counted with this one: src/sim/measure/
    histogram.h."""
    shift = max(0, value.bit_length() - 6)
    return (((value >> shift) + 1) << shift) - 1


def rank(values, percent):
    """The value of rank ceil(percent of their number) in a sorted list."""
    return values[-(-len(values) * percent // 100) - 1]


def cells(kind, decimals, events):
    """Of a list of events: those of columns()."""
    if kind == COUNT:
        return [exact(sum(events), decimals)]
    if kind == SHARE:
        return [quotient(sum(events), len(events)), sum(events), len(events)]
    mean = (exact(events[0], decimals) if len(events) == 1 else
            quotient(sum(events) / 10**decimals, len(events)))
    if kind == LEVEL:
        return [mean]
    if not events:
        return [0] + [""] * (len(FIGURES) - 1)
    ordered = sorted(events)
    return [len(events), mean] + [exact(v, decimals) for v in (
        ordered[0], rank(ordered, 50), rank(ordered, 90), rank(ordered, 99),
        ordered[-1])]


class Tables:
    def __init__(self, seed):
        self.seed = seed
        self.events = {name: [] for name, _, _ in MEASURES}
        self.since = {name: 0 for name in self.events}  # the last sample
        self.samples = []
        self.time = 0

    def add(self, name, value):
        """An event of values, a hit (1) or not (0) of a share, so many more
        of a count, a level at this sample."""
        self.events[name].append(int(value))

    def sample(self, time):
        """Ends a row: all that came since the one before."""
        row = [self.seed, exact(time, 9)]
        for name, kind, decimals in MEASURES:
            events = self.events[name]
            row += cells(kind, decimals, events[self.since[name]:])
            self.since[name] = len(events)
        self.samples.append(row)
        self.time = time

    def _totals(self, complete):
        row = [self.seed, int(complete), exact(self.time, 9)]
        for name, kind, decimals in MEASURES:
            # What came after the last sample is in no row, as there.
            row += cells(kind, decimals, self.events[name][:self.since[name]])
        return row

    def _values(self):
        for name, kind, decimals in MEASURES:
            events = sorted(self.events[name][:self.since[name]])
            if kind != VALUES or not events:
                continue
            counts = {}
            for value in events:
                end = min(bucket(value), events[-1])
                counts[end] = counts.get(end, 0) + 1
            so_far = 0
            for end, count in counts.items():
                so_far += count
                yield [self.seed, name, exact(end, decimals), count,
                       quotient(so_far, len(events))]

    def write(self, directory, complete):
        """All tables, each whole at any time."""
        names = [c for name, kind, _ in MEASURES for c in columns(name, kind)]
        for file, head, rows in (
                ("samples.csv", ["seed", "time", *names], self.samples),
                ("totals.csv", ["seed", "complete", "time", *names],
                 [self._totals(complete)]),
                ("values.csv", ["seed", "measure", "value", "count", "share"],
                 self._values())):
            path = os.path.join(directory, file)
            with open(path + ".new", "w", encoding="utf-8",
                      newline="") as out:
                table = csv.writer(out, lineterminator="\n")
                table.writerow(head)
                table.writerows(rows)
            os.replace(path + ".new", path)
