"""The table of reconnecting, and cases that take each of its rows. What the browser's client does
in the same cases is in `tests/javascript/test_retry_table.py`.
"""

from typing import Any, assert_never

import pytest

from sigil.core.client.websocket_retry import (
    DEFAULT_BACKOFF,
    FINAL_CODES,
    TABLE,
    Abandon,
    Action,
    Backoff,
    Connect,
    EmitClose,
    EmitError,
    EmitOpen,
    End,
    Finish,
    Happening,
    Machine,
    Retry,
    delay,
    make_machine,
    next_step,
)

START: dict[str, Any] = {"type": "start"}
DUE: dict[str, Any] = {"type": "due"}
OPENED: dict[str, Any] = {"type": "opened", "protocol": "chat"}
LATE: dict[str, Any] = {"type": "late", "why": "nothing came"}
CLOSE: dict[str, Any] = {"type": "close", "code": 4000, "reason": "enough"}


def ended(code: int = 1006, random: float = 0.5, **facts: Any) -> dict[str, Any]:
    """A connection is over."""
    return {
        "type": "ended",
        "code": code,
        "reason": "",
        "isFinal": False,
        "isRefused": False,
        "wasSteady": False,
        "hasConnected": False,
        "wasGivenUp": False,
        "random": random,
    } | facts


FULL = ended(1013, hasConnected=True, wasSteady=True)
CASES: list[list[Any]] = [
    [False, START, OPENED, ended(1001, hasConnected=True), DUE, OPENED, CLOSE, ended(4000)],
    [False, START, ended(), DUE, ended(), DUE, ended(random=0.25), DUE, OPENED],
    [False, START, *([ended(), DUE] * 10)],
    [False, START, OPENED, ended(wasSteady=True, hasConnected=True), DUE, ended(), DUE],
    [False, START, OPENED, FULL, DUE, OPENED, FULL, DUE, OPENED, FULL, DUE],
    [False, START, LATE, ended(wasGivenUp=True), DUE, OPENED, LATE, ended(wasGivenUp=True)],
    [False, START, ended(isFinal=True), DUE, START, CLOSE],
    [False, START, CLOSE, LATE, ended()],
    [False, START, ended(), CLOSE, ended(4000, reason="enough")],
    [False, DUE, OPENED, LATE, CLOSE],
    [
        True,
        START,
        ended(),
        ended(),
        DUE,
        ended(),
        DUE,
        ended(),
        DUE,
        ended(),
        DUE,
        ended(),
        ended(),
    ],
    [True, START, ended(), OPENED, ended(), DUE, OPENED],
    [True, START, OPENED, ended(1001), DUE, ended(hasConnected=True), DUE],
    [True, START, ended(wasGivenUp=True), DUE, ended(1013)],
    *([False, START, OPENED, ended(code)] for code in (1000, 1002, 1003, 1007, 1008, 1009, 1010)),
    *([False, START, ended(code)] for code in (1000, 1002, 1005, 1006, 1008, 1011, 1012, 1013)),
]
"""Whether Zstandard may be offered, then what happens."""


def happening(event: dict[str, Any]) -> Happening:
    """The event, as this client has it."""
    return Happening(
        event["type"],
        event.get("protocol"),
        event.get("why", ""),
        event.get("code", 1006),
        event.get("reason", ""),
        None,
        event.get("isFinal", False),
        event.get("wasSteady", False),
        event.get("hasConnected", False),
        event.get("wasGivenUp", False),
        event.get("random", 0.0),
    )


def as_theirs(action: Action) -> list[Any]:
    """An action, as the browser's client has it."""
    match action:
        case Connect(offers):
            return ["connect", "websocket", offers]
        case Abandon(why):
            return ["abandon", why]
        case Retry(seconds):
            return ["wait", round(seconds * 1_000)]
        case EmitOpen(attempt, protocol, is_reconnect):
            detail = {"attempt": attempt, "protocol": protocol, "isReconnect": is_reconnect}
            return ["emit", "open", detail | {"transport": "websocket"}]
        case EmitError(message):
            return ["emit", "error", message]
        case EmitClose(code, reason, seconds):
            detail = {"code": code, "reason": reason, "willRetry": True}
            return ["emit", "close", detail | {"retryMs": round(seconds * 1_000)}]
        case End(code, reason, has_connection):
            return ["end" if has_connection else "endSoon", code, reason]
        case Finish(code, reason):
            detail = {"code": code, "reason": reason, "willRetry": False}
            return ["finish", detail | {"retryMs": None}]
        case _:
            assert_never(action)


def seen(machine: Machine, actions: tuple[Action, ...]) -> list[Any]:
    """The machine and what is to be done, as the browser's client has them."""
    facts = {
        "state": machine.state.value,
        "strikes": machine.strikes,
        "attempts": machine.attempts,
        "failures": machine.failures,
        "mayOffer": machine.may_offer,
        "offers": machine.offers,
        "hasOpened": machine.has_opened,
    }
    return [facts, [as_theirs(action) for action in actions]]


def run(case: list[Any]) -> list[Any]:
    """What this client does in a case."""
    machine, found = make_machine(case[0]), list[Any]()
    for event in case[1:]:
        machine, actions = next_step(machine, happening(event))
        found.append(seen(machine, actions))
    return found


def test_every_row_is_taken_in_one_of_the_cases() -> None:
    taken = set()
    for case in CASES:
        machine = make_machine(case[0])
        for event in map(happening, case[1:]):
            rows = [
                index
                for index, (state, kind, guard, _, _) in enumerate(TABLE)
                if (state, kind) == (machine.state, event.kind) and guard(machine, event)
            ]
            taken.update(rows[:1])
            machine, _ = next_step(machine, event)
    assert taken == set(range(len(TABLE)))


@pytest.mark.parametrize(
    ("failures", "random", "seconds"),
    [(0, 0.5, 0.125), (3, 0.5, 1.0), (7, 1.0, 30.0), (10**9, 0.5, 15.0), (3, 0.0, 0.0)],
)
def test_delays_grow_up_to_a_bound(failures: int, random: float, seconds: float) -> None:
    assert delay(failures, DEFAULT_BACKOFF, random) == seconds


def test_a_factor_of_one_does_not_grow() -> None:
    assert delay(10**9, Backoff(first=1.0, factor=1.0), 1.0) == 1.0


def test_what_is_known_of_a_failure_comes_before_its_end() -> None:
    machine, _ = next_step(make_machine(), Happening("start"))
    machine, actions = next_step(machine, Happening("ended", error="no such host", random=0.5))
    assert actions == (Retry(0.125), EmitError("no such host"), EmitClose(1006, "", 0.125))
    assert machine.failures == 1


def test_final_codes_are_those_of_the_browser() -> None:
    assert {1002, 1003, 1007, 1008, 1010} == FINAL_CODES
