"""A world of somebody's own program: what it finds, and that it finds nothing where nothing is."""

import subprocess
import sys
from typing import Any

import pytest

from sigil import Deferred, Limits, Request, Response
from sigil.testing import Ask, Faults, Violation, Visitors, World
from sigil.testing.world import Script
from sigil.testing.world.faults import ALL_FAULTS, NO_FAULTS, faults_named
from sigil.testing.world.memory import check_memory, held_len
from sigil.testing.world.shrink import broken_rule_of, shrink
from sigil.testing.world.traced_server import TracedServer
from sigil.testing.world.users_world import UsersWorld

SHORT = Limits(
    header_timeout=5.0,
    body_timeout=5.0,
    idle_timeout=5.0,
    response_timeout=8.0,
    stall_timeout=4.0,
    rate_grace=4.0,
    ws_ping_interval=6.0,
    ws_pong_timeout=4.0,
    max_poll_timeout=10.0,
    outgoing_buffer_sz=10_000,
    max_connection_cnt=20,
    max_ws_connection_cnt=8,
)
ASKS = (
    "/",
    "/stream",
    "/late",
    "/poll",
    Ask("/", "POST", body=b"x" * 3_000),
    Ask("/", "POST", body=b"x" * 300, is_chunked=True),
)
CLIENTS = (
    Visitors("http", 12, ASKS),
    Visitors("pipelining", 4, ASKS),
    Visitors("websocket", 5, "/ws", ("hello", b"\0" * 300)),
    Visitors("sse", 4, "/events"),
)


class Program:
    """A program that answers in every way."""

    def __init__(self) -> None:
        self.late: list[Deferred] = []

    def __call__(self, request: Request) -> Response | Deferred:
        match request.path:
            case "/ws":
                return Response.upgrade(topics="a", slow="skip")
            case "/events":
                return Response.sse(topics="a")
            case "/poll":
                return Response.poll(topics="a", timeout=5.0)
            case "/stream":
                return Response.stream(iter((b"one", None, b"two")))
            case "/late":
                self.late.append(Deferred())
                return self.late[-1]
        return Response.text(f"{len(request.body)} bytes")

    def between(self, server: TracedServer) -> None:
        while self.late:
            self.late.pop().resolve(Response.text("late"))
        server.broadcast("x" * 100, topic="a")


def world(seed: int, **options: Any) -> UsersWorld:
    """A world of that program."""
    program = Program()
    options = {"clients": CLIENTS, "limits": SHORT, "seconds": 20.0, **options}
    return World(program, seed=seed, between=program.between, **options)


def digest(seed: int) -> str:
    """How one world ends, for another interpreter."""
    return world(seed).run().digest


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_found_where_nothing_is(seed: int) -> None:
    outcome = world(seed).run()
    assert outcome.connections <= 25 and outcome.violation is None
    assert outcome.answers or outcome.connections < 20  # it was stopped


def test_without_faults_all_are_answered() -> None:
    limits = SHORT._replace(max_connection_cnt=100)
    outcome = world(3, faults=NO_FAULTS, limits=limits).run()
    assert {status for status, _ in outcome.statuses} == {101, 200}


def test_the_same_seed_is_the_same_world_in_every_interpreter() -> None:
    code = "from tests.world.test_users_world import digest; print(digest(5))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            text=True,
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] == digest(5) != digest(6)


# -- what it finds ---------------------------------------------------------------------------------


def boiling(request: Request) -> Response:
    """Tea, which goes wrong where the number is missing."""
    return Response.text(f"{int(request.args['cups'])} cups")


def test_what_a_handler_raises_is_found_with_its_traceback_and_made_short() -> None:
    asks = (*["/tea?cups=1"] * 9, "/tea?cups=many")
    found = World(boiling, clients=Visitors("http", 30, asks), seed=4)
    with pytest.raises(Violation, match=r"seed 4") as raised:
        found.run()
    assert raised.value.check == "raises" and "in boiling" in str(raised.value)
    assert "invalid literal for int() with base 10: 'many'" in str(raised.value)
    shorter = found.again(shrink(found, 200))
    assert broken_rule_of(shorter) is not None and shorter.connections == 1
    assert len(shorter.server.turns or ()) < 10


def test_a_program_that_never_answers_is_found() -> None:
    found = broken_rule_of(World(lambda request: Deferred(), limits=SHORT, faults=NO_FAULTS))
    assert found is not None and found.check == "unanswered"


def test_a_rule_of_ones_own_is_checked_behind_each_tick() -> None:
    def check(server: TracedServer) -> str | None:
        assert server.now < 9.0, "it is late"
        return "five" if len(server.clients()) == 5 else None

    found = broken_rule_of(World(boiling, clients=Visitors("http", 40, "/?cups=2"), check=check))
    assert found is not None and (found.check, str(found).split("\n")[0]) in {
        ("check", "check: five"),
        ("check", "check: it is late"),
    }


def test_a_recording_of_it_can_be_looked_at() -> None:
    looked_at = world(1)
    looked_at.run()
    recording = looked_at.recording()
    assert recording.verify() is None and len(recording) == len(looked_at.server.turns or ()) + 1
    first = recording.bisect(lambda server: server.slots.used >= 3)
    assert recording[first].slots.used >= 3 > recording[first - 1].slots.used


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (Ask("/", "POST", body=b"x" * 5_000), 413),
        (Ask(headers=(("A", "x" * 100_000),)), 431),
        ("/" + "x" * 20_000, 414),
        (Ask("/", "BREW"), 501),
        ("/ws", 426),
    ],
)
@pytest.mark.parametrize("kind", ["http", "pipelining"])
def test_who_asks_for_what_is_refused_is_told_so(kind: str, ask: str | Ask, status: int) -> None:
    limits = SHORT._replace(max_body_len=1_000, max_connection_cnt=100)
    outcome = world(2, clients=Visitors(kind, 5, ask), limits=limits, faults=NO_FAULTS).run()
    assert {status for status, _ in outcome.statuses} == {status}


def counting() -> Any:
    """A program whose ninth request fails."""
    numbers = iter(range(1, 10**6))

    def app(request: Request) -> Response:
        return Response.text(f"{1 / (9 - next(numbers))}")

    return app


def test_a_program_that_keeps_something_is_made_anew_to_make_its_world_short() -> None:
    found = World(counting(), clients=9, faults=NO_FAULTS, seed=1)
    assert broken_rule_of(found) is not None
    with pytest.raises(ValueError, match="goes another way when it is run again"):
        shrink(found, 50)

    def again(script: Script) -> UsersWorld:
        return World(counting(), clients=9, faults=NO_FAULTS, seed=1, script=script)

    shorter = again(shrink(found, 200, again))
    violation = broken_rule_of(shorter)
    assert violation is not None and "division by zero" in str(violation)
    assert sum(count for _, count in shorter.outcome().statuses) <= 9


def skipping(request: Request) -> Response:
    """A program that moves on who is slow."""
    if request.path == "/ws":
        return Response.upgrade(slow="skip", after="")
    return Response.sse(slow="skip")


def test_who_skips_and_reads_little_for_long_is_held_little_for() -> None:
    """One of a few slow readers is moved on hundreds of times, which no other world does."""
    world = World(
        skipping,
        clients=(Visitors("websocket", 6, "/ws"), Visitors("sse", 6)),
        faults=NO_FAULTS._replace(slow=1.0),
        limits=Limits(outgoing_buffer_sz=1_000, max_outbox_len=200, stall_timeout=60),
        between=lambda server: server.broadcast("x" * 90),
        seconds=5.0,
        check_every=5,
        is_recorded=False,
    )
    world.run()
    assert world.server.stats().skips > 50


# -- would it notice -------------------------------------------------------------------------------


def noticed(seeds: range, **options: Any) -> set[str]:
    """The rules that are broken in these worlds."""
    found = (broken_rule_of(world(seed, **options)) for seed in seeds)
    return {violation.check for violation in found if violation is not None}


def test_who_is_kept_though_it_is_gone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigil.core.server.clock.expire", lambda wheel, at, max_looks: (wheel, []))
    faults = NO_FAULTS._replace(silent=0.5)
    assert noticed(range(1), faults=faults, tick_seconds=0.5) == {"gone"}


def test_who_is_evicted_though_there_is_room_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigil.core.server.admission._connection_count", lambda batch: 10**6)
    assert noticed(range(1), faults=NO_FAULTS) == {"kept"}


def test_memory_beyond_the_promise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = world(1).server.state
    assert held_len(server) > 0 and list(check_memory(server, 100, 100)) == []
    monkeypatch.setattr("sigil.testing.world.memory.footprint", lambda *args, **options: 100)
    assert noticed(range(1)) == {"memory"}


# -- bad input -------------------------------------------------------------------------------------


def broken_world() -> UsersWorld:
    """A world that has broken a rule."""
    found = World(boiling, clients=1, faults=NO_FAULTS)
    assert broken_rule_of(found) is not None
    return found


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: World("app"), TypeError, "a seed or of a handler"),  # type: ignore[call-overload]
        (lambda: World(boiling, faults=("rain",)), ValueError, "no fault 'rain', only cuts"),
        (lambda: World(boiling, clients=[3]), TypeError, "a number or Visitors, not int"),
        (lambda: World(boiling, clients=Visitors("tea")), ValueError, "no clients 'tea'"),
        (lambda: World(boiling, clients=2.5), TypeError, "or Visitors, not float"),
        (lambda: World(boiling, clients=None), TypeError, "or Visitors, not NoneType"),
        (lambda: World(boiling, clients=True), TypeError, "or Visitors, not bool"),
        (lambda: World(boiling, clients=0), ValueError, "clients are at least 1"),
        (lambda: World(boiling, clients=[]), ValueError, "clients are at least 1"),
        (lambda: World(boiling, clients=-1), ValueError, "clients is at least 0, not -1"),
        (lambda: World(boiling, clients=Visitors(number="3")), TypeError, "not str"),
        (lambda: World(boiling, clients=Visitors(times=0)), ValueError, "times is at least 1"),
        (lambda: World(boiling, clients=Visitors(asks=[])), ValueError, "asks are at least one"),
        (lambda: World(boiling, clients=Visitors(asks=3)), TypeError, "or a function, not int"),
        (lambda: World(boiling, clients=Visitors(asks=[3])), TypeError, "there is 3, of type int"),
        (lambda: World(boiling, clients=Visitors(sends=[])), ValueError, "sends are at least one"),
        (lambda: World(boiling, clients=Visitors(asks="a b")), ValueError, "no target is 'a b'"),
        (lambda: World(boiling, clients=Visitors(asks="/a b")), ValueError, "is visible ASCII"),
        (lambda: World(boiling, clients=Visitors(asks=Ask("/", ""))), ValueError, "no method"),
        (lambda: World(boiling, clients=Visitors(asks=Ask(body="x"))), TypeError, "is bytes"),
        (
            lambda: World(boiling, clients=Visitors(asks=Ask(headers=("ab", "c")))),
            ValueError,
            "are pairs",
        ),
        (
            lambda: World(boiling, clients=Visitors(asks=lambda rng: 3)).run(),
            TypeError,
            "Ask, not int",
        ),
        (lambda: World(boiling, faults=3), TypeError, "Faults or names, not int"),
        (lambda: World(boiling, faults={"cuts": 1}), TypeError, "Faults or names, not dict"),
        (lambda: World(boiling, faults="rain"), ValueError, "no fault 'rain'"),
        (lambda: World(boiling, faults=[3]), ValueError, "no fault 3"),
        (lambda: World(boiling, faults=Faults(cuts=2.0)), ValueError, "cuts is a probability"),
        (lambda: World(boiling, faults=Faults(late=float("nan"))), ValueError, "late is"),
        (lambda: World(boiling, faults=Faults(slow="x")), TypeError, "not str"),
        (lambda: World(boiling, seed="x"), TypeError, "seed is a whole number, not str"),
        (lambda: World(boiling, seconds=float("inf")), ValueError, "a time, which inf is not"),
        (lambda: World(boiling, seconds="x"), TypeError, "seconds is a number, not str"),
        (lambda: World(boiling, tick_seconds=0), ValueError, "a time, which 0 is not"),
        (lambda: World(boiling, check_every=0), ValueError, "check_every is at least 1"),
        (lambda: World(boiling, waves=-1), ValueError, "waves is at least 0"),
        (lambda: World(boiling, limits=3), TypeError, "limits are Limits, not 3"),
        (lambda: World(boiling, callbacks=3), TypeError, "callbacks are Callbacks, not 3"),
        (lambda: World(boiling, check=3), TypeError, "are plain functions, not 3"),
        (lambda: shrink(broken_world(), again=3), TypeError, "a function of a script"),
    ],
)
def test_what_makes_no_sense_is_said(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_faults_are_given_by_name_or_number() -> None:
    assert faults_named("resets") == NO_FAULTS._replace(resets=ALL_FAULTS.resets)
    assert Faults(cuts=1.0).cuts == 1.0
    assert World(boiling, faults="slow", skip="raises").faults == faults_named("slow")
    assert World(boiling, skip="raises").skip == {"raises"}
