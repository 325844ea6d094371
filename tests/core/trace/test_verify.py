"""A recording agrees with the core to the byte, or it is said where it does not."""

from collections.abc import Callable

import pytest

from sigil.core.events import HandlerReturned, Received
from sigil.core.http.response import Response
from sigil.core.trace.plain import restore
from sigil.core.trace.redaction import redaction_of
from sigil.core.trace.redactor import Redactor
from sigil.core.trace.states import States
from sigil.core.trace.summary import summaries_of
from sigil.core.trace.turn import Turn
from sigil.core.trace.verify import Compared, Difference, compare
from tests.support.builds import needs_pure_sources
from tests.support.recordings import Watched, watched_client, watched_world
from tests.support.trace_values import calls_of


@pytest.mark.parametrize("seed", range(40))
def test_a_run_that_is_replayed_orders_the_same_to_the_byte(seed: int) -> None:
    watched = watched_world(seed, is_held_up=seed % 4 == 0)
    assert compare(States(watched.states[0], tuple(watched.turns))).difference is None


@pytest.fixture(scope="module", name="watched")
def watch_requests() -> Watched:
    """Three requests, one after the other."""
    watched, client = watched_client(lambda request: Response.text(request.path))
    for path in ("/one", "/two", "/three"):
        client.get(path)
    return watched


def altered(
    watched: Watched, alter: Callable[[Turn], Turn | None]
) -> tuple[Difference | None, int]:
    """Where a recording differs when one of its turns was altered, and the number of that turn."""
    turns = list(watched.turns)
    for place, turn in enumerate(turns):
        new = alter(turn)
        if new is not None:
            turns[place] = new
            return compare(States(watched.states[0], tuple(turns))).difference, turn.number
    raise AssertionError("there was no such turn")


def _other_answer(turn: Turn) -> Turn | None:
    returned = [event for event in turn.events if type(event) is HandlerReturned]
    if not returned:
        return None
    event = HandlerReturned(returned[0].ticket, (Response.text("/0ne"),))
    return turn.replace(events=(event,))


def test_the_same_number_of_other_bytes_is_seen(watched: Watched) -> None:
    difference, number = altered(watched, _other_answer)
    assert difference is not None
    assert (difference.turn, difference.kind, difference.field) == (number, "Send", "segments")
    text = str(difference)
    assert text.startswith(f"turn {number}, effect {difference.index} (Send): segments has ")
    assert text.endswith(" bytes as it was recorded, but not the same ones")


def test_more_bytes_are_seen(watched: Watched) -> None:
    def longer(turn: Turn) -> Turn | None:
        new = _other_answer(turn)
        if new is None:
            return None
        event = new.events[0]
        assert isinstance(event, HandlerReturned)
        answer = Response.text("/one", headers={"x": "y"})
        return turn.replace(events=(HandlerReturned(event.ticket, (answer,)),))

    difference, _ = altered(watched, longer)
    assert difference is not None and "segments was recorded as " in str(difference)
    assert str(difference).endswith(" bytes now")


def test_an_effect_that_is_missing_is_named(watched: Watched) -> None:
    def without_last(turn: Turn) -> Turn | None:
        return turn.replace(effects=turn.effects[:-1]) if len(turn.effects) > 1 else None

    difference, number = altered(watched, without_last)
    assert difference is not None and difference.recorded == "no effect"
    assert str(difference).startswith(f"turn {number}, effect ")
    assert ": no effect was recorded, and it is " in str(difference)


def test_another_kind_of_effect_is_named(watched: Watched) -> None:
    def turned(turn: Turn) -> Turn | None:
        if len(turn.effects) < 2 or turn.effects[0][0] == turn.effects[-1][0]:
            return None
        return turn.replace(effects=turn.effects[::-1])

    difference, number = altered(watched, turned)
    assert difference is not None and difference.field == ""
    assert str(difference) == (
        f"turn {number}, effect 0: {difference.recorded} was recorded, "
        f"and it is {difference.replayed} now"
    )


def test_a_small_field_is_named_with_both_values() -> None:
    difference = Difference(7, 2, "Watch", "interest", 1, 3)
    assert str(difference) == "turn 7, effect 2 (Watch): interest was recorded as 1, and is 3 now"


@needs_pure_sources
def test_a_core_that_raises_is_a_difference(watched: Watched) -> None:
    def impossible(turn: Turn) -> Turn | None:
        events = [event for event in turn.events if type(event) is Received]
        return turn.replace(events=(Received(events[0].conn, None),)) if events else None  # type: ignore[arg-type]

    difference, number = altered(watched, impossible)
    assert difference is not None and difference.index == -1
    assert str(difference).startswith(f"turn {number}: the core raises TypeError: ")


def test_what_was_compared_is_a_sentence() -> None:
    assert str(Compared(None, 9, True)) == "it was replayed: the same effects, to the byte"
    by_length = (
        "it was replayed: it is redacted, so effects were compared by kind, field and length"
    )
    assert str(Compared(None, 9, False)) == f"{by_length}; they are the same"
    encoded = f"{by_length}, but from turn 4 on not how long messages are that were encoded"
    assert str(Compared(None, 9, False, 4)) == f"{encoded}; they are the same"
    assert str(Compared(None, 6, False, 4, False)) == (
        f"{encoded}; they are the same up to turn 6, behind which the replay goes another way, "
        "because what it has sent is not as long"
    )


def test_another_length_of_a_plain_frame_is_a_difference_though_it_is_redacted(
    watched: Watched,
) -> None:
    turns = list(watched.turns)
    place = next(
        place for place, turn in enumerate(turns) if turn.effects and turn.effects[-1][0] == 21
    )
    last = turns[place].effects[-1]
    send = (*last[:3], (1, None), *last[4:])
    turns[place] = turns[place].replace(effects=(*turns[place].effects[:-1], send))
    states = States(watched.states[0], tuple(without_checksums(turn) for turn in turns))
    compared = compare(states, ("messages",))
    assert compared.difference is not None and compared.difference.field == "segments"


def without_checksums(turn: Turn) -> Turn:
    """A turn as it is recorded where something is redacted."""

    def row(item: object) -> object:
        if isinstance(item, tuple) and len(item) in (2, 3) and item:
            return (*item[:-1], None)
        return item

    return turn.replace(effects=tuple(tuple(map(row, effect)) for effect in turn.effects))


@pytest.mark.parametrize("seed", range(14))
@pytest.mark.parametrize("part", [0, 3])
def test_a_world_that_is_redacted_has_no_difference(seed: int, part: int) -> None:
    names = ("authorization", "cookie", "body", "messages")
    redaction = redaction_of(names)
    assert redaction is not None
    calls = calls_of(seed)
    calls = calls[len(calls) // part :] if part else calls
    redactor = Redactor(redaction)
    first = restore(redactor.flatten(calls[0].before))
    turns = [
        Turn(
            number,
            tuple(redactor.events(call.before, call.events)),
            summaries_of(call.effects, has_checksums=False),
        )
        for number, call in enumerate(calls, 1)
    ]
    compared = compare(States(first, turns), names)
    assert compared.difference is None
    assert compared.recoded or compared.is_whole
