"""What `/metrics` says, as figures: one reading as numbers by name, two of them as rates.

Theory: Prometheus text is lines of a name, labels and a number. Counters only grow, so what happens
in a second is the difference of two readings; one that has shrunk is of a server that was started
anew, and then there is no rate.

Rules: text in, values out; a line that is none, or whose number is not finite, is passed over, and
what is no reading of a server of sigil is None. It does not know where the text comes from.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import NamedTuple

LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
LINES_MAX = 10_000
"""More lines are not looked at: a server of sigil has some hundred."""
QUANTILE = 0.99


class Reading(NamedTuple):
    """What a server has said at a time, in seconds: numbers by name, and, of what has labels, by
    the name and the value of the first label.
    """

    at: float
    values: Mapping[str, float]
    labelled: Mapping[str, Mapping[str, float]]
    version: str = ""
    core: str = ""


def read_metrics(text: str, at: float) -> Reading | None:
    """A reading of a server; None if the text is not the metrics of one."""
    values: dict[str, float] = {}
    labelled: dict[str, dict[str, float]] = {}
    info: dict[str, str] = {}
    for line in text.splitlines()[:LINES_MAX]:
        found = LINE.fullmatch(line.strip())
        if found is None:
            continue
        name, labels, number = found[1], LABEL.findall(found[2] or ""), _number(found[3])
        if number is None or not isfinite(number):
            continue
        if name == "sigil_build_info":
            info = dict(labels)
        elif labels:
            labelled.setdefault(name, {})[labels[0][1]] = number
        else:
            values[name] = number
    if "sigil_connections" not in values:
        return None
    return Reading(at, values, labelled, info.get("version", ""), info.get("core", ""))


def _number(text: str) -> float | None:
    """A number; None if this is none."""
    try:
        return float(text)
    except ValueError:
        return None


def value_of(reading: Reading, name: str) -> float:
    """A number of a reading; 0 if it does not have it."""
    return reading.values.get(name, 0.0)


def rate_of(before: Reading | None, after: Reading, name: str) -> float | None:
    """By how much a counter has grown in a second; None if nobody knows."""
    if before is None or after.at <= before.at:
        return None
    grown = value_of(after, name) - value_of(before, name)
    return grown / (after.at - before.at) if grown >= 0 else None


class Durations(NamedTuple):
    """How often something happened between two readings, how long it took on average, and within
    what 99 of 100 did; inf if that is beyond the last bound.
    """

    times: float
    mean: float
    most: float


def durations_of(before: Reading | None, after: Reading, name: str) -> Durations | None:
    """What a histogram says of the time between two readings, or since the start; None if it says
    nothing.
    """
    old: Mapping[str, float] = {}
    count, total = value_of(after, f"{name}_count"), value_of(after, f"{name}_sum")
    if before is not None and value_of(before, f"{name}_count") <= count:
        old = before.labelled.get(f"{name}_bucket", {})
        count -= value_of(before, f"{name}_count")
        total -= value_of(before, f"{name}_sum")
    if count <= 0:
        return None
    buckets = after.labelled.get(f"{name}_bucket", {})
    bounds = sorted(
        (_number(bound) or 0.0, number - old.get(bound, 0.0)) for bound, number in buckets.items()
    )
    most = next((bound for bound, reached in bounds if reached >= QUANTILE * count), float("inf"))
    return Durations(count, total / count, most)


def closes_of(before: Reading | None, after: Reading) -> list[tuple[str, float, float]]:
    """How connections ended, the most frequent reasons first: a reason, how often, and how often
    since the reading before.
    """
    name = "sigil_closes_total"
    now = after.labelled.get(name, {})
    old = {} if before is None else before.labelled.get(name, {})
    found = [
        (reason, count, max(0.0, count - old.get(reason, count)))
        for reason, count in now.items()
        if count
    ]
    return sorted(found, key=lambda one: (-one[1], one[0]))
