"""What the functions that move a ring on change: the fields that they name, and no others."""

import pytest

from sigil.core.broadcast.entry import LATEST, NO_OPTIONS, plain_entries
from sigil.core.broadcast.ring import (
    TOPIC_SPAN_FRAMES,
    Ring,
    make_ring,
    ring_append,
    ring_reserve,
    ring_skip,
    with_latest,
)
from tests.support.records import Update

ONE = plain_entries(((1, b"x", None, NO_OPTIONS),))
STATE = plain_entries(((1, b"x", None, LATEST),))
EMPTY = make_ring(3 * TOPIC_SPAN_FRAMES, TOPIC_SPAN_FRAMES, epoch=7)
FIRST = ring_append(EMPTY, ONE, 3)
STATES = ring_append(with_latest(FIRST, STATE, 1), STATE, 3)
FULL = ring_append(EMPTY, ONE * TOPIC_SPAN_FRAMES, 3 * TOPIC_SPAN_FRAMES)
HEAD = {"pages", "head_number", "head_offset", "ordinary_end"}
TAIL = {"tail_number", "tail_offset"}
INDEX = {"topic_spans", "topic_starts", "indexed_number"}


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (EMPTY, FIRST, HEAD),
        (EMPTY, FULL, HEAD | INDEX),
        (FIRST, with_latest(FIRST, ONE, 1), set()),
        (FIRST, with_latest(FIRST, STATE, 1), {"latest"}),
        (FIRST, STATES, {"latest"} | HEAD - {"ordinary_end"}),
        (STATES, ring_reserve(STATES, TOPIC_SPAN_FRAMES - 1, 3), TAIL | {"pages", "first_page"}),
        (
            STATES,
            ring_reserve(STATES, TOPIC_SPAN_FRAMES, 3),
            TAIL | {"pages", "first_page", "latest"},
        ),
        (FIRST, ring_skip(FIRST, 2), TAIL | {"pages", "head_number", "indexed_number"}),
        (FULL, ring_reserve(FULL, 1, 3), TAIL),
        (FULL, ring_reserve(FULL, TOPIC_SPAN_FRAMES, 3), TAIL | {"pages", "first_page"}),
        (FIRST, ring_reserve(FIRST, 1, 3), set()),
    ],
    ids=[
        "append",
        "append and index",
        "no state",
        "a state",
        "append a state",
        "overwrite what is no state",
        "overwrite a state",
        "skip",
        "reserve one",
        "reserve all",
        "room enough",
    ],
)
def test_an_update_changes_the_fields_it_names_and_no_others(
    before: Ring, after: Ring, changed: set[str]
) -> None:
    assert Update(before, after, {}).changed == changed
