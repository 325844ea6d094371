"""What is tried at scale: everybody at once, one that stops and some that are slow, topics, and
where the time goes.

Theory: each scenario is one run of one server process. It checks what must be so whatever the
machine (every byte at every client, nothing left over, memory bounded), and returns its figures as
a record, which the tests bound generously and the command prints.

Rules: phases that are compared alternate within one run, because machines are noisy, and the ratio
is that of the sums. Processor time is the server's, user and system. It does not know pytest.
"""

import random
import re
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

from tests.scale.crowd import PATIENCE_SECONDS, Crowd, Member, crowd_of
from tests.scale.script import NO_TOPICS, Batch, Topics

KIB, MIB = 2**10, 2**20
BROADCAST = Batch("", 200, 1)
ROOM = {"max_connection_cnt": 20_000, "max_ws_connection_cnt": 20_000}
SMALL_BUFFER = 4_096
"""What the kernel is asked to hold for a client that reads slowly: the least it will do."""

OUTBOX_LEN = 262_144
"""What the server sends at once to one that goes on reading, and forgets when it drops it:
`Limits.max_outbox_len`.
"""

NOTE = re.compile(
    r"dropped, WS_CLIENT_TOO_SLOW: it needed message (\d+), "
    r"the oldest kept is (\d+) of (\d+); (\d+) "
    r"bytes are kept, the limit is (\d+) bytes or (\d+) messages"
)


class Note(NamedTuple):
    """What the log says of a client that was dropped: message numbers, and lengths in bytes."""

    needed: int
    oldest_kept: int
    next_number: int
    published_len: int
    size: int
    most: int


def ms(seconds: Sequence[float]) -> float:
    """The median, in milliseconds."""
    return median(seconds) * 1e3


def let_all_leave(crowd: Crowd) -> dict[str, Any]:
    """Everybody closes; the report of the server in which nobody is left."""
    crowd.expect_silence()
    crowd.leave(list(crowd.members.values()))
    after = crowd.wait_for_members(0)
    assert [
        after[name] for name in ("talks", "unflushed", "owed_bytes", "cohorts", "laggards")
    ] == [0] * 5, after
    assert crowd.ask(descriptors=None) == crowd.descriptors_at_first
    return after


# -- everybody at once -----------------------------------------------------------------------------


class Everybody(NamedTuple):
    """Costs of `clients` at once. Times are of the server's process: of a tick as the program sees
    it (wall and processor), and processor time for each upgrade and each close.
    """

    clients: int
    tick_ms: float
    tick_cpu_ms: float
    slowest_tick_ms: float
    member_bytes: float
    left_bytes: float
    join_us: float
    close_us: float


def try_everybody(clients: int, ticks: int) -> Everybody:
    """All connect, all receive every broadcast in order, all close."""
    with crowd_of(**ROOM) as crowd:
        before = crowd.report()
        crowd.join_all(clients)
        there = crowd.wait_for_members(clients)
        assert (there["talks"], there["cohorts"], there["laggards"]) == (clients, 1, 0)
        for _ in range(ticks):
            crowd.tick(BROADCAST)
        told = crowd.report()
        assert (len(told["ticks"]), told["members"], told["laggards"]) == (ticks, clients, 0)
        after = let_all_leave(crowd)
        assert after["closed"] == {"WS_PEER_CLOSED": clients}
    return Everybody(
        clients,
        ms(told["ticks"]),
        ms(told["tick_cpus"]),
        max(told["ticks"]) * 1e3,
        (there["rss_bytes"] - before["rss_bytes"]) / clients,
        (after["rss_bytes"] - before["rss_bytes"]) / clients,
        (there["cpu_seconds"] - before["cpu_seconds"]) / clients * 1e6,
        (after["cpu_seconds"] - told["cpu_seconds"]) / clients * 1e6,
    )


# -- who does not read, or reads slowly ------------------------------------------------------------


class Slow(NamedTuple):
    """What slow clients cost the `readers`: delivered messages per second of processor and of wall
    time, with them as a share of without; and what they cost the server: growth of its peak memory
    after the first phase, in bytes, while `published_len` bytes were broadcast over a ring of
    `ring_len`.
    """

    readers: int
    slow: int
    us_per_message: float
    cpu_share: float
    wall_share: float
    grown_bytes: int
    published_len: int
    ring_len: int
    notes: tuple[str, ...]


class Pace(NamedTuple):
    """How the slow ones are tried: `ring_len` bytes are kept, in up to `max_frames` frames; a tick
    publishes `tick`; a phase has as many ticks as the ring holds, and there are `phases` of each
    kind; the slow ones take `sip_len` bytes after every tick, at most.
    """

    ring_len: int
    most: int
    tick: Batch
    phases: int
    sip_len: int

    @property
    def phase_ticks(self) -> int:
        """So many that whoever stops at the beginning is just not dropped."""
        return min(self.ring_len // (self.tick.length + 4), self.most) // self.tick.messages - 1

    @property
    def limits(self) -> dict[str, int]:
        """The server's limits."""
        return {**ROOM, "outgoing_buffer_sz": self.ring_len, "max_ws_send_frame_cnt": self.most}


STOPPED = Pace(4 * MIB, 8_192, Batch("", 1_000, 16), 12, 0)
COUNTED = Pace(16 * MIB, 4_096, Batch("", 1_000, 16), 12, 0)
"""The same when the ring is full of frames before it is full of bytes."""

SINGLE = Pace(4 * MIB, 8_192, Batch("", 4_000, 1), 12, 0)
"""The same with one message in a tick."""

SIPPING = Pace(4 * MIB, 8_192, Batch("", 1_000, 16), 12, 8_000)


def try_slow(readers: int, slow: int, pace: Pace) -> Slow:
    """Alternately without slow clients and with some that stop, or sip, until they are dropped."""
    costs: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    notes: list[str] = []
    with crowd_of(**pace.limits) as crowd:
        crowd.join_all(readers)
        run_phase(crowd, pace.phase_ticks * 2, pace.tick)
        notes += drop_slow(crowd, slow, pace)[1]
        warm = crowd.report()
        for _ in range(pace.phases):
            costs[False].append(run_phase(crowd, pace.phase_ticks, pace.tick))
            cost, more = drop_slow(crowd, slow, pace)
            costs[True].append(cost)
            notes += more
        told = crowd.report()
        after = let_all_leave(crowd)
        drops = slow * (pace.phases + 1)
        assert after["closed"] == {"WS_PEER_CLOSED": readers, "WS_CLIENT_TOO_SLOW": drops}
        published_len = len(crowd.script.stream(NO_TOPICS))
    cpu, wall = (
        [sum(cost[kind] for cost in costs[flag]) for flag in (False, True)] for kind in (0, 1)
    )
    delivered = readers * pace.phases * pace.phase_ticks * pace.tick.messages
    return Slow(
        readers,
        slow,
        cpu[0] / delivered * 1e6,
        cpu[0] / cpu[1],
        wall[0] / wall[1],
        told["peak_bytes"] - warm["peak_bytes"],
        published_len,
        pace.ring_len,
        tuple(notes),
    )


def run_phase(
    crowd: Crowd, ticks: int, batch: Batch, between: Callable[[], None] = lambda: None
) -> tuple[float, float]:
    """So many ticks, each when the readers have all of the last one; the server's processor
    seconds, and seconds.
    """
    cpu_started, started = crowd.report()["cpu_seconds"], time.perf_counter()
    for _ in range(ticks):
        crowd.tick(batch)
        between()
    return crowd.report()["cpu_seconds"] - cpu_started, time.perf_counter() - started


def drop_slow(crowd: Crowd, slow: int, pace: Pace) -> tuple[tuple[float, float], list[str]]:
    """Slow clients come, cost what they cost in one phase, and are dropped at last: the cost, and
    the log lines.
    """
    members = crowd.join([NO_TOPICS] * slow, reads=False, receive_buffer=SMALL_BUFFER)

    def sip() -> None:
        for member in members:
            if pace.sip_len:
                member.take(pace.sip_len)

    dropped = crowd.report()["closed"].get("WS_CLIENT_TOO_SLOW", 0) + slow
    first_number, crowd.lines = crowd.script.next_number, []
    cost = run_phase(crowd, pace.phase_ticks, pace.tick, sip)
    while True:
        run_phase(crowd, 1, pace.tick, sip)
        report = crowd.report()
        if report["closed"].get("WS_CLIENT_TOO_SLOW", 0) == dropped:
            break
        said = crowd.script.next_number - first_number
        assert said < 100 * pace.phase_ticks * pace.tick.messages, "nobody is dropped"
    assert report["laggards"] == 0
    lines = [line for line in crowd.lines if "TOO_SLOW" in line]
    check_notes(crowd, members, lines, pace, first_number)
    return cost, lines


def check_notes(
    crowd: Crowd, members: list[Member], lines: list[str], pace: Pace, first_number: int
) -> None:
    """Each dropped client finds what it was sent to be whole, gapless and as long as
    the log says.
    """
    frame_len = pace.tick.length + 4
    most_owed = OUTBOX_LEN // frame_len if pace.sip_len else 0
    received = []
    for member in members:
        drain(member)
        received.append(first_number + (member.at - member.start) // frame_len)
    notes = sorted(read_note(line) for line in lines)
    assert len(notes) == len(members), lines
    for note, number in zip(notes, sorted(received), strict=True):
        assert 0 <= note.needed - number <= 1 + most_owed, (note, number)
        assert note.needed < note.oldest_kept < note.next_number <= crowd.script.next_number
        count = note.next_number - note.oldest_kept
        assert (note.size, note.most, note.published_len) == (
            pace.ring_len,
            pace.most,
            count * frame_len,
        )
        assert (count + 1) * frame_len > pace.ring_len or count + 1 > pace.most


def read_note(line: str) -> Note:
    """The numbers in a log line."""
    found = NOTE.search(line)
    assert found is not None, line
    return Note(*map(int, found.groups()))


def drain(member: Member) -> None:
    """Receive what the kernel still holds for a client that was dropped, up to the end."""
    member.sock.settimeout(10.0)
    while not member.has_ended:
        member.take(MIB)
    member.sock.close()


def try_late(readers: int, slow: int, pace: Pace) -> int:
    """Some sip while a good part of the ring is published, and read on until they have everything;
    most laggards.
    """
    with crowd_of(**pace.limits) as crowd:
        crowd.join_all(readers)
        members = crowd.join([NO_TOPICS] * slow, reads=False, receive_buffer=SMALL_BUFFER)

        def sip() -> None:
            for member in members:
                member.take(pace.sip_len)

        def sip_all() -> None:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not all(member.is_done for member in members):
                sip()
                assert time.monotonic() < deadline, [member.at for member in members]

        run_phase(crowd, pace.phase_ticks // 2, pace.tick, sip)
        laggards = int(crowd.report()["laggards"])
        sip_all()
        assert crowd.wait_for_members(readers + slow)["laggards"] == 0
        crowd.tick(pace.tick)
        sip_all()
        crowd.leave(members)
        assert let_all_leave(crowd)["closed"] == {"WS_PEER_CLOSED": readers + slow}
    return laggards


# -- topics ----------------------------------------------------------------------------------------


class TopicCost(NamedTuple):
    """Processor time of a delivery in microseconds, among clients of so many `cohorts`; and the
    same when they are all in one, which is sent as much.
    """

    clients: int
    cohorts: int
    deliveries: int
    us_per_send: float
    us_per_send_in_one: float
    tick_cpu_ms: float


def draw_topics(clients: int, topics: int, seed: int) -> list[Topics]:
    """One to three topics for each client."""
    dice, names = random.Random(seed), [f"t{number}" for number in range(topics)]
    return [frozenset(dice.sample(names, dice.randint(1, 3))) for _ in range(clients)]


def try_topics(clients: int, topics: int, ticks: int, seed: int = 7) -> TopicCost:
    """Each hears its own topics and what is for everybody, and nothing else."""
    dice, wanted = random.Random(seed), draw_topics(clients, topics, seed)
    sends = 0
    with crowd_of(**ROOM) as crowd:
        members = crowd.join(wanted)
        there = crowd.wait_for_members(clients)
        assert there["cohorts"] == len(set(wanted))
        for number in range(ticks):
            names = dice.sample(range(topics), 3)
            everybody = [Batch("", 150, 1)] if number % 5 == 0 else []
            crowd.tick(
                *[Batch(f"t{name}", 100 + 40 * name, dice.randint(1, 3)) for name in names],
                *everybody,
            )
            sends += (
                clients
                if everybody
                else sum(any(f"t{name}" in topics for name in names) for topics in wanted)
            )
        told = crowd.report()
        assert [member.topics for member in members] == wanted
        let_all_leave(crowd)
    one = try_everybody(clients, ticks)
    cpu = sum(told["tick_cpus"])
    return TopicCost(
        clients,
        there["cohorts"],
        sends,
        cpu / sends * 1e6,
        one.tick_cpu_ms * 1e3 / clients,
        ms(told["tick_cpus"]),
    )


# -- where the time goes ---------------------------------------------------------------------------


class Profile(NamedTuple):
    """Calls of functions of the core in one tick, with `few` clients and with `many`; the shares of
    the time of a tick with many, under the profiler; and the functions that cost most: (name, calls
    in a tick, ms in a tick).
    """

    few: int
    many: int
    core_calls_few: float
    core_calls_many: float
    core_ms: float
    shell_ms: float
    total_ms: float
    rows: tuple[tuple[str, float, float], ...]


PROFILED_TICKS = 20
PATIENT = dict.fromkeys(
    (
        "header_timeout",
        "body_timeout",
        "idle_timeout",
        "stall_timeout",
        "response_timeout",
        "sse_keep_alive_interval",
        "rate_grace",
        "linger_timeout",
        "ws_pong_timeout",
        "ws_close_timeout",
    ),
    3_600.0,
)
"""Nobody is looked at because of the time: this is about broadcasting alone."""


def profile_ticks(crowd: Crowd, batch: Batch = BROADCAST) -> dict[str, Any]:
    """What the profiler sees in some broadcast ticks, after one that is not looked at."""
    crowd.tick(batch)
    crowd.order(profile=True)
    for _ in range(PROFILED_TICKS):
        crowd.tick(batch)
    return crowd.ask(profile=False)


def count_calls(readers: int, pace: Pace) -> tuple[float, float]:
    """Calls of functions of the core for each message, on a full ring: without a client that has
    stopped, and with.
    """
    with crowd_of(**pace.limits, **PATIENT) as crowd:
        crowd.join_all(readers)
        run_phase(crowd, pace.phase_ticks * 2, pace.tick)
        without = profile_ticks(crowd, pace.tick)
        (stopped,) = crowd.join([NO_TOPICS], reads=False, receive_buffer=SMALL_BUFFER)
        run_phase(crowd, pace.phase_ticks // 2, pace.tick)
        assert crowd.report()["laggards"] == 1
        with_one = profile_ticks(crowd, pace.tick)
        assert crowd.report()["laggards"] == 1
        while not crowd.report()["closed"]:
            crowd.tick(pace.tick)
        drain(stopped)
        let_all_leave(crowd)
    messages = PROFILED_TICKS * pace.tick.messages
    return without["core_calls"] / messages, with_one["core_calls"] / messages


def try_profile(few: int, many: int) -> Profile:
    """The same broadcasts to few and to many."""
    with crowd_of(**ROOM, **PATIENT) as crowd:
        crowd.join_all(few)
        first = profile_ticks(crowd)
        crowd.join_all(many - few)
        second = profile_ticks(crowd)
        let_all_leave(crowd)
    each = 1e3 / PROFILED_TICKS
    return Profile(
        few,
        many,
        first["core_calls"] / PROFILED_TICKS,
        second["core_calls"] / PROFILED_TICKS,
        second["core_seconds"] * each,
        second["shell_seconds"] * each,
        second["seconds"] * each,
        tuple((name, calls / PROFILED_TICKS, own * each) for name, calls, own in second["rows"]),
    )


class Idle(NamedTuple):
    """What clients cost while nothing happens: the share of one processor, for looking at their
    deadlines.
    """

    clients: int
    cpu_share: float


def try_idle(clients: int, seconds: float) -> Idle:
    """All connect, and nothing is said."""
    with crowd_of(**ROOM) as crowd:
        crowd.join_all(clients)
        started = crowd.wait_for_members(clients)["cpu_seconds"]
        crowd.expect_silence(seconds)
        used = crowd.report()["cpu_seconds"] - started
        let_all_leave(crowd)
    return Idle(clients, used / seconds)


class Churn(NamedTuple):
    """The processor time of a broadcast tick among `members` when nobody comes or goes before it,
    and when `churn` clients come and as many leave; and what one who comes and one who goes cost at
    that size, in microseconds.
    """

    members: int
    churn: int
    still_tick_ms: float
    churned_tick_ms: float
    turnover_us: float


def try_churn(members: int, churn: int, ticks: int) -> Churn:
    """Between ticks some come and as many leave; every other tick nobody does."""
    still, churned, turnover = [], [], 0.0
    with crowd_of(**ROOM) as crowd:
        crowd.join_all(members)
        crowd.tick(BROADCAST)
        for _ in range(ticks):
            started = crowd.report()["cpu_seconds"]
            crowd.leave(list(crowd.members.values())[:churn])
            crowd.join_all(churn)
            turnover += crowd.wait_for_members(members)["cpu_seconds"] - started
            crowd.tick(BROADCAST)
            churned += crowd.report()["tick_cpus"]
            crowd.tick(BROADCAST)
            still += crowd.report()["tick_cpus"]
        let_all_leave(crowd)
    return Churn(members, churn, ms(still), ms(churned), turnover / ticks / churn * 1e6)
