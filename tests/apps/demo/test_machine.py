"""The machine's readings: literal text in, literal records out; and two readings of the
real one.
"""

from pathlib import Path

import pytest

from sigil.apps.demo.machine import (
    PORTABLE_SOURCE,
    PROC_SOURCE,
    CoreLoad,
    CoreTimes,
    Flow,
    Interface,
    Machine,
    Space,
    Usage,
    parse_meminfo,
    parse_net_dev,
    parse_stat,
    parse_statm,
    read_machine,
    usage,
)

STAT = """\
cpu  300 20 100 4000 50 5 15 10 7 3
cpu0 100 10 50 2000 30 2 8 5 4 1
cpu1 200 10 50 2000 20 3 7 5 3 2
intr 219813 0 0 0 1 1 14
ctxt 530274
btime 1795233282
procs_running 2
softirq 20069610 0 38945 4
"""

MEMINFO = """\
MemTotal:       24684084 kB
MemFree:        23106940 kB
MemAvailable:   24273532 kB
Buffers:           31728 kB
Cached:          1294832 kB
HugePages_Total:       0
"""

NET_DEV = """\
Inter-|   Receive                                             |  Transmit
 face |bytes  packets errs drop fifo frame compressed multicast\
|bytes  packets errs drop fifo colls carrier compressed
    lo: 3121539461 16125802    0    0    0     0          0         0 3121539461 16125802\
 0 0 0 0 0 0
  eth0:65824568    1872    0    0    0     0          0         0   151200    1085    0  \
  0    0     0       0    0
eth0:1: 10 1 0 0 0 0 0 0 20 2 0 0 0 0 0 0
"""


def same(left: object, right: object) -> bool:
    """Equal, and of the same type: named tuples of different types compare equal otherwise."""
    return type(left) is type(right) and left == right


def test_stat_gives_each_core_and_not_their_sum() -> None:
    # Guest time (the last two columns) is already in user and nice; stolen time is busy, waiting
    # for a disk is idle.
    assert parse_stat(STAT) == (CoreTimes("cpu0", 175, 2030), CoreTimes("cpu1", 275, 2020))


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("", ()),
        ("intr 1 2 3\n", ()),
        ("cpu  1 2 3 4\n", ()),
        ("cpu7\n", ()),
        ("cpufreq 1 2 3 4\n", ()),
        ("cpu0 1 2 3 4\n", (CoreTimes("cpu0", 6, 4),)),  # Linux 2.4 counted no more than these
        ("cpu12 1 0 0 9 0 0 0 0 0 0\n", (CoreTimes("cpu12", 1, 9),)),
    ],
)
def test_stat_passes_over_what_is_not_a_core(text: str, cores: tuple[CoreTimes, ...]) -> None:
    assert parse_stat(text) == cores


def test_meminfo_takes_what_is_available_off_the_total() -> None:
    memory = parse_meminfo(MEMINFO)
    assert memory is not None
    assert same(memory, Space(total_bytes=25_276_502_016, used_bytes=420_405_248))


def test_meminfo_of_an_old_kernel_is_estimated() -> None:
    text = "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 30 kB\n"
    assert parse_meminfo(text) == Space(1_024_000, 850 * 1024)


@pytest.mark.parametrize(
    "text", ["", "MemFree: 1 kB\n", "MemTotal:\n", "MemTotal: many kB\n", "no colon"]
)
def test_meminfo_without_a_total_is_unknown(text: str) -> None:
    assert parse_meminfo(text) is None


def test_net_dev_gives_each_interface() -> None:
    assert parse_net_dev(NET_DEV) == (
        Interface("lo", 3_121_539_461, 3_121_539_461),
        Interface("eth0", 65_824_568, 151_200),
        Interface("eth0:1", 10, 20),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Inter-| Receive\n face |bytes\n",
        "eth0: 1 2 3\n",
        ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
    ],
)
def test_net_dev_passes_over_what_is_not_an_interface(text: str) -> None:
    assert parse_net_dev(text) == ()


def test_statm_counts_in_pages() -> None:
    assert parse_statm("7000 2500 1200 1 0 900 0\n", 4096) == 2500 * 4096
    assert parse_statm("", 4096) is None


BEFORE = Machine(
    source="/proc",
    taken_seconds=100.0,
    core_count=2,
    cores=(CoreTimes("cpu0", 100, 900), CoreTimes("cpu1", 50, 950)),
    load_averages=(0.1, 0.2, 0.3),
    memory=Space(1000, 400),
    disk=None,
    interfaces=(Interface("lo", 10, 10), Interface("eth0", 1000, 500)),
    process_seconds=1.0,
    resident_bytes=5,
)
AFTER = BEFORE._replace(
    taken_seconds=102.0,
    cores=(CoreTimes("cpu0", 150, 1050), CoreTimes("cpu1", 250, 950)),
    load_averages=(0.5, 0.2, 0.3),
    memory=Space(1000, 600),
    interfaces=(Interface("lo", 10, 10), Interface("eth0", 5000, 700)),
    process_seconds=1.5,
    resident_bytes=6,
)


def test_usage_is_what_happened_in_between() -> None:
    assert same(
        usage(BEFORE, AFTER),
        Usage(
            source="/proc",
            seconds=2.0,
            core_count=2,
            cores=(CoreLoad("cpu0", 0.25), CoreLoad("cpu1", 1.0)),
            load_averages=(0.5, 0.2, 0.3),
            memory=Space(1000, 600),
            disk=None,
            interfaces=(Flow("lo", 0.0, 0.0), Flow("eth0", 2000.0, 100.0)),
            process_cores=0.25,
            resident_bytes=6,
        ),
    )


@pytest.mark.parametrize(
    ("core", "busy_fraction"),
    [
        (CoreTimes("cpu0", 100, 900), None),  # not a tick went by
        (CoreTimes("cpu0", 110, 890), None),  # busy ten, idle back by ten
        (CoreTimes("cpu0", 120, 890), 1.0),  # iowait ran backwards
        (CoreTimes("cpu0", 90, 1000), 0.0),
        (CoreTimes("cpu0", 100, 1000), 0.0),
    ],
)
def test_a_load_is_a_fraction_or_unknown(core: CoreTimes, busy_fraction: float | None) -> None:
    assert usage(BEFORE, AFTER._replace(cores=(core,))).cores == (CoreLoad("cpu0", busy_fraction),)


def test_what_came_or_went_in_between_has_no_usage() -> None:
    after = AFTER._replace(cores=(CoreTimes("cpu9", 1, 1),), interfaces=(Interface("wlan0", 1, 1),))
    assert usage(BEFORE, after).cores == ()
    assert usage(BEFORE, after).interfaces == ()


def test_an_interface_that_was_reset_flows_never_backwards() -> None:
    after = AFTER._replace(interfaces=(Interface("eth0", 3, 900),))
    assert usage(BEFORE, after).interfaces == (Flow("eth0", 0.0, 200.0),)


def test_two_readings_at_one_time_divide_by_nothing() -> None:
    assert usage(BEFORE, BEFORE).interfaces == (Flow("lo", 0.0, 0.0), Flow("eth0", 0.0, 0.0))


def test_a_folder_of_text_files_is_read_like_the_kernel_s(tmp_path: Path) -> None:
    for name, text in {
        "stat": STAT,
        "meminfo": MEMINFO,
        "net/dev": NET_DEV,
        "self/statm": "9 8 7\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    machine = read_machine(str(tmp_path))
    assert (machine.source, machine.core_count) == (PROC_SOURCE, 2)
    assert (machine.cores, machine.memory) == (parse_stat(STAT), parse_meminfo(MEMINFO))
    assert machine.interfaces == parse_net_dev(NET_DEV)
    assert machine.resident_bytes is not None and machine.resident_bytes % 8 == 0


def test_without_proc_the_portable_source_says_what_it_can(tmp_path: Path) -> None:
    machine = read_machine(str(tmp_path / "missing"))
    assert machine.source == PORTABLE_SOURCE
    assert (machine.cores, machine.interfaces, machine.memory, machine.resident_bytes) == (
        (),
        (),
        None,
        None,
    )
    assert machine.core_count >= 1
    assert machine.process_seconds > 0.0
    assert machine.disk is not None and 0 < machine.disk.used_bytes <= machine.disk.total_bytes
    happened = usage(machine, read_machine(str(tmp_path / "missing")))
    assert happened.process_cores >= 0.0
    assert happened.source == PORTABLE_SOURCE


def test_this_machine_can_be_read_twice() -> None:
    before = read_machine()
    after = read_machine()
    happened = usage(before, after)
    assert happened.seconds > 0.0
    assert all(
        core.busy_fraction is None or 0.0 <= core.busy_fraction <= 1.0 for core in happened.cores
    )
    assert all(flow.received_bytes_per_second >= 0.0 for flow in happened.interfaces)
