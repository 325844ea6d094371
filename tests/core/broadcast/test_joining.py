"""Where a subscriber begins, in literals: new, back in time, too late, and with nonsense."""

import json

import pytest

from sigil.core.broadcast.broadcast import (
    Broadcast,
    append_pending,
    commit_pending,
    make_broadcast,
)
from sigil.core.broadcast.entry import NO_OPTIONS, Subscription, entries_len, plain_entries
from sigil.core.broadcast.joining import Joining, join
from sigil.core.limits import Limits

EPOCH = 7
NEWS = Subscription(topics=frozenset(("news",)))


def published(count: int, pending: int = 0) -> Broadcast:
    """A broadcast that keeps four messages, after so many, of which some are pending."""
    broadcast = make_broadcast(Limits(max_ws_send_frame_cnt=4), EPOCH)
    for number in range(count + pending):
        topic = "news" if number % 2 else "sport"
        entries = plain_entries([(1, b"x", topic, NO_OPTIONS)])
        broadcast = append_pending(broadcast, entries, entries_len(entries))
        if number < count:
            broadcast = commit_pending(broadcast)
    return broadcast


def gap(after: str, position: str, missed: int | None) -> str:
    """The JSON of a gap."""
    record = {"after": after, "position": position, "missed": missed}
    return json.dumps(record, separators=(",", ":"))


@pytest.mark.parametrize(
    ("broadcast", "after", "history", "expected"),
    [
        (published(0), "", 0, Joining(None, "7-0", "")),
        (published(9), "", 0, Joining(None, "7-9", "")),
        (published(9, 1), "", 0, Joining(10, "7-10", "")),
        (published(9), "", 1, Joining(7, "7-7", "")),
        (published(9), "7-9", 0, Joining(None, "7-9", "")),
        (published(9, 1), "7-9", 0, Joining(9, "7-9", "")),
        (published(9, 1), "7-10", 0, Joining(10, "7-10", "")),
        (published(9), "7-8", 3, Joining(8, "7-8", "")),
        (published(9), "7-5", 3, Joining(5, "7-5", "")),
        (published(9), "7-4", 3, Joining(5, "7-5", gap("7-4", "7-5", 1))),
        (published(9), "7-0", 0, Joining(5, "7-5", gap("7-0", "7-5", 5))),
        (published(9), "7-10", 0, Joining(None, "7-9", gap("7-10", "7-9", None))),
        (published(9), "8-9", 0, Joining(None, "7-9", gap("8-9", "7-9", None))),
        (published(9), "8-9", 1, Joining(7, "7-7", gap("8-9", "7-7", None))),
        (published(9), "nonsense", 0, Joining(None, "7-9", gap("nonsense", "7-9", None))),
    ],
)
def test_where_a_subscriber_begins(
    broadcast: Broadcast, after: str, history: int, expected: Joining
) -> None:
    assert join(broadcast, NEWS, after, history) == expected
