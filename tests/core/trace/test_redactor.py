"""A redacted run does the same as the run."""

import pytest

from sigil.core.server import advance
from sigil.core.trace.plain import restore
from sigil.core.trace.redaction import redaction_of
from sigil.core.trace.redactor import Redactor
from sigil.core.trace.summary import Summary, summaries_of
from tests.support.trace_values import Call, calls_of

ALL = redaction_of(["authorization", "cookie", "body", "messages"])
assert ALL is not None
LENGTHS = {21: 3, 22: 3}
"""Where the length is in a `Send` and in a `FanOut`: that of what is compressed is another."""


def redacted_summaries(calls: list[Call]) -> list[tuple[Summary, ...]]:
    """The effects of these calls, in short, when they are redacted and run again."""
    assert ALL is not None
    redactor, found = Redactor(ALL), []
    server = restore(redactor.flatten(calls[0].before))
    for call in calls:
        server, effects = advance(server, redactor.events(call.before, call.events))
        found.append(summaries_of(effects, has_checksums=False))
    return found


@pytest.mark.parametrize("seed", range(14))
@pytest.mark.parametrize("part", [0, 3])
def test_a_world_that_is_redacted_has_the_same_effects(seed: int, part: int) -> None:
    calls = calls_of(seed)
    calls = calls[len(calls) // part :] if part else calls
    expected = [summaries_of(call.effects, has_checksums=False) for call in calls]
    for found, wanted in zip(redacted_summaries(calls), expected, strict=True):
        if found != wanted:  # letters x are shorter compressed, and from there on nothing is alike
            assert without_lengths(found) == without_lengths(wanted)
            break


def without_lengths(effects: tuple[Summary, ...]) -> list[Summary]:
    """The effects of a turn in short, without how long what is sent is."""
    return [
        tuple([item for place, item in enumerate(row) if place != LENGTHS.get(row[0])])
        for row in effects
    ]
