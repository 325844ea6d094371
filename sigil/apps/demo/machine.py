"""The load of this machine: readings of counters, and the differences between two of them.

Theory: a load cannot be read, only counters can. The kernel counts ticks and bytes since it
started; a load is the difference of two readings over the time between them. So there are two kinds
of record: `Machine`, a reading of counters, and `Usage`, what happened between two readings, and
`usage` computes the second from the first.

Rules: `parse_*` and `usage` are pure; `read_machine` alone does I/O, and it never raises for
something the machine does not offer. Where /proc is missing, what any POSIX system offers is read
instead, and `source` says so. What is not known is None or empty; it is never a zero.

It does not know how often it is read, nor what is drawn with it.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias, TypeVar

PROC_SOURCE = "/proc"
PORTABLE_SOURCE = "portable"

_Value = TypeVar("_Value")
_LoadAverages: TypeAlias = tuple[float, ...]

# The columns of a `cpu` line: user nice system idle iowait irq softirq steal.  The two that follow
# (guest, guest_nice) are already contained in user and nice, so adding them would count them twice.
_COUNTED_COLUMNS = 8
_IDLE_COLUMNS = (3, 4)
_NET_RECEIVED_COLUMN, _NET_SENT_COLUMN, _NET_COLUMN_COUNT = 0, 8, 16
_BYTES_PER_KIBIBYTE = 1024


class CoreTimes(NamedTuple):
    """The ticks of one core since the machine started. Stolen ticks count as busy, because they
    could not be used.
    """

    name: str
    busy_ticks: int
    idle_ticks: int


class Space(NamedTuple):
    """Memory or disk space. Memory that is available without swapping, such as caches, is
    unused.
    """

    total_bytes: int
    used_bytes: int


class Interface(NamedTuple):
    """The byte counters of one network interface since it came up."""

    name: str
    received_bytes: int
    sent_bytes: int


class Machine(NamedTuple):
    """One reading of every counter, at `taken_seconds` of the monotonic clock; `process_seconds` is
    the CPU time of this process.
    """

    source: str
    taken_seconds: float
    core_count: int
    cores: tuple[CoreTimes, ...]
    load_averages: _LoadAverages
    memory: Space | None
    disk: Space | None
    interfaces: tuple[Interface, ...]
    process_seconds: float
    resident_bytes: int | None


class CoreLoad(NamedTuple):
    """The part of the time a core was busy, 0 to 1; None if less than a tick has passed."""

    name: str
    busy_fraction: float | None


class Flow(NamedTuple):
    """The traffic of one interface, in bytes per second."""

    name: str
    received_bytes_per_second: float
    sent_bytes_per_second: float


class Usage(NamedTuple):
    """What happened between two readings, `seconds` apart; `process_cores` is how many cores this
    process used.
    """

    source: str
    seconds: float
    core_count: int
    cores: tuple[CoreLoad, ...]
    load_averages: _LoadAverages
    memory: Space | None
    disk: Space | None
    interfaces: tuple[Flow, ...]
    process_cores: float
    resident_bytes: int | None


# -- text of the kernel -> records -----------------------------------------------------------------


def _core_of(name: str, columns: list[str]) -> CoreTimes:
    ticks = [int(column) for column in columns[:_COUNTED_COLUMNS]]
    idle_ticks = sum(ticks[index] for index in _IDLE_COLUMNS if index < len(ticks))
    return CoreTimes(name, sum(ticks) - idle_ticks, idle_ticks)


def _is_core(name: str) -> bool:
    """`cpu0`, `cpu1`, ... but not `cpu`, which is their sum."""
    return name.startswith("cpu") and name[3:].isdecimal()


def parse_stat(text: str) -> tuple[CoreTimes, ...]:
    """The cores of /proc/stat."""
    rows = (line.split() for line in text.splitlines())
    return tuple(_core_of(row[0], row[1:]) for row in rows if len(row) > 1 and _is_core(row[0]))


def _meminfo_rows(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdecimal():
            yield name, int(words[0]) * _BYTES_PER_KIBIBYTE


def parse_meminfo(text: str) -> Space | None:
    """The memory of /proc/meminfo; None if it does not even say how much there is."""
    rows = dict(_meminfo_rows(text))
    if "MemTotal" not in rows:
        return None
    # Linux before 3.14 has no MemAvailable: what is free or only caches something is the nearest to
    # it.
    nearest = sum(rows.get(name, 0) for name in ("MemFree", "Buffers", "Cached"))
    return Space(rows["MemTotal"], rows["MemTotal"] - rows.get("MemAvailable", nearest))


def parse_net_dev(text: str) -> tuple[Interface, ...]:
    """The interfaces of /proc/net/dev."""
    # The colon may touch the first number, and an alias (`eth0:1`) has one of its own: the last one
    # counts.
    split = (line.rpartition(":") for line in text.splitlines())
    rows = ((name.strip(), rest.split()) for name, _, rest in split)
    return tuple(
        Interface(name, int(columns[_NET_RECEIVED_COLUMN]), int(columns[_NET_SENT_COLUMN]))
        for name, columns in rows
        if name and len(columns) >= _NET_COLUMN_COUNT
    )


def parse_statm(text: str, page_bytes: int) -> int | None:
    """The resident bytes of /proc/self/statm, which counts in pages."""
    columns = text.split()
    return int(columns[1]) * page_bytes if len(columns) > 1 else None


# -- two readings -> a load ------------------------------------------------------------------------


def _core_load(before: CoreTimes, after: CoreTimes) -> CoreLoad:
    busy_ticks = after.busy_ticks - before.busy_ticks
    ticks = busy_ticks + after.idle_ticks - before.idle_ticks
    if ticks <= 0:
        return CoreLoad(after.name, None)
    # The kernel lets iowait run backwards now and then, hence the clamp.
    return CoreLoad(after.name, min(1.0, max(0.0, busy_ticks / ticks)))


def _flow(before: Interface, after: Interface, seconds: float) -> Flow:
    # An interface that was reset counts from zero again: its traffic is unknown, but not negative.
    received_bytes = max(0, after.received_bytes - before.received_bytes)
    sent_bytes = max(0, after.sent_bytes - before.sent_bytes)
    return Flow(after.name, received_bytes / seconds, sent_bytes / seconds)


def usage(before: Machine, after: Machine) -> Usage:
    """The load from `before` to `after`, of the cores and interfaces that both readings have."""
    seconds = max(after.taken_seconds - before.taken_seconds, 1e-9)
    old_cores = {core.name: core for core in before.cores}
    old_interfaces = {interface.name: interface for interface in before.interfaces}
    return Usage(
        after.source,
        seconds,
        after.core_count,
        tuple(
            _core_load(old_cores[core.name], core) for core in after.cores if core.name in old_cores
        ),
        after.load_averages,
        after.memory,
        after.disk,
        tuple(
            _flow(old_interfaces[new.name], new, seconds)
            for new in after.interfaces
            if new.name in old_interfaces
        ),
        (after.process_seconds - before.process_seconds) / seconds,
        after.resident_bytes,
    )


# -- reading ---------------------------------------------------------------------------------------


def _if_offered(read: Callable[[], _Value], missing: _Value) -> _Value:
    """What `read` returns, or `missing` on a machine that does not offer it."""
    try:
        return read()
    except OSError:
        return missing


def _text_of(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _disk_space() -> Space:
    disk = shutil.disk_usage("/")
    return Space(disk.total, disk.used)


def read_machine(proc: str = PROC_SOURCE) -> Machine:
    """One reading of every counter; `proc` is the folder of the kernel's text files."""

    def text(name: str) -> str:
        return _if_offered(lambda: _text_of(os.path.join(proc, name)), "")

    cores = parse_stat(text("stat"))
    return Machine(
        PROC_SOURCE if cores else PORTABLE_SOURCE,
        time.monotonic(),
        len(cores) or os.cpu_count() or 1,
        cores,
        _if_offered(os.getloadavg, ()),
        parse_meminfo(text("meminfo")),
        _if_offered(_disk_space, None),
        parse_net_dev(text("net/dev")),
        time.process_time(),
        parse_statm(text("self/statm"), os.sysconf("SC_PAGE_SIZE")),
    )
