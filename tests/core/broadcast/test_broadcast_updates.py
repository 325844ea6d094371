"""What the functions that move a broadcast on change: the fields that they name, and no others."""

import pytest

from sigil.core.broadcast.broadcast import (
    Broadcast,
    append_pending,
    commit_pending,
    count_subscribers,
    join_cohort,
    leave_cohort,
    make_broadcast,
    skip_numbers,
)
from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import (
    LATEST,
    NO_OPTIONS,
    PublishOptions,
    Subscription,
    plain_entries,
)
from sigil.core.broadcast.laggards import add_laggard, remove_laggard
from sigil.core.conn import Conn
from sigil.core.limits import Limits
from tests.support.records import Update

SUBSCRIPTION = Subscription(Encoding.DEFLATE_9, frozenset(("news",)))
CONN = Conn(3, 3)
EMPTY = make_broadcast(Limits())
JOINED = join_cohort(EMPTY, CONN, SUBSCRIPTION)
LAGGING = add_laggard(JOINED, CONN, 2)
PENDING = append_pending(EMPTY, plain_entries(((1, b"x", None, NO_OPTIONS),)), 3)
STATE = append_pending(EMPTY, plain_entries(((1, b"x", None, LATEST),)), 3)
OTHERS = plain_entries(((1, b"x", None, PublishOptions(exclude=CONN)),))
EXCLUDING = append_pending(EMPTY, OTHERS, 3)


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (EMPTY, skip_numbers(EMPTY, 3), {"ring"}),
        (EMPTY, PENDING, {"pending", "pending_len"}),
        (EMPTY, STATE, {"ring", "pending", "pending_len"}),
        (EMPTY, EXCLUDING, {"pending", "pending_len", "pending_excluded"}),
        (
            EXCLUDING,
            commit_pending(EXCLUDING),
            {"ring", "pending", "pending_len", "pending_excluded"},
        ),
        (PENDING, commit_pending(PENDING), {"ring", "pending", "pending_len"}),
        (EMPTY, JOINED, {"cohorts", "cohort_index"}),
        (JOINED, leave_cohort(JOINED, CONN, SUBSCRIPTION), {"cohorts", "cohort_index"}),
        (
            EMPTY,
            count_subscribers(EMPTY, Subscription(Encoding.SSE), 1),
            {"encoding_counts", "encoded_from", "may_be_resumed"},
        ),
        (
            EMPTY,
            count_subscribers(EMPTY, Subscription(has_positions=True), 1),
            {"may_be_resumed"},
        ),
        (JOINED, LAGGING, {"laggards", "laggards_at", "lowest_cursor"}),
        (LAGGING, remove_laggard(LAGGING, CONN), {"laggards", "laggards_at"}),
    ],
    ids=lambda value: " ".join(sorted(value)) if isinstance(value, set) else "",
)
def test_an_update_changes_the_fields_it_names_and_no_others(
    before: Broadcast, after: Broadcast, changed: set[str]
) -> None:
    assert Update(before, after, {}).changed == changed
