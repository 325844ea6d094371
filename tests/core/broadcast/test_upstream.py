"""What an upstream says, word by word, and what is made of it."""

from hypothesis import given
from hypothesis import strategies as st

from sigil.core.broadcast.entry import LATEST, NO_OPTIONS, PublishOptions
from sigil.core.broadcast.upstream import (
    Following,
    UpstreamEvent,
    UpstreamJoined,
    UpstreamPublished,
    make_following,
    passed_over,
    position_of,
    read_messages,
    reconnected,
)
from sigil.core.limits import Limits

NEW = make_following(Limits(), own_epoch=99)
RETAINED = PublishOptions(retain=True)


def told(*messages: str | bytes, before: Following = NEW) -> tuple[Following, list[UpstreamEvent]]:
    """What is made of these messages, one by one."""
    events: list[UpstreamEvent] = []
    for message in messages:
        before, more = read_messages(before, [message])
        events += more
    return before, [event for event in events if _says_something(event)]


def _says_something(event: UpstreamEvent) -> bool:
    """False for an event that repeats a position."""
    return isinstance(event, UpstreamJoined) or bool(event.messages)


def test_a_stream_begins_and_goes_on() -> None:
    after, events = told(
        "\0position:7-2", "\0relay:1", '\0next:7-3 0 "a"', "hi", "\0next:7-6 1 null", b"b"
    )
    assert events == [
        UpstreamJoined(7, 2),
        UpstreamPublished(7, ((2, (1, b"hi", "a", NO_OPTIONS)),), 3),
        UpstreamPublished(7, ((5, (2, b"b", None, LATEST)),), 6),
    ]
    assert position_of(after) == "7-6" and after.is_labelled


def test_what_comes_together_is_one_event() -> None:
    words = ["\0position:7-2", "\0next:7-3", "a", "\0next:7-4", "b", "\0position:7-9"]
    _, events = read_messages(NEW, words)
    first, second = (2, (1, b"a", None, NO_OPTIONS)), (3, (1, b"b", None, NO_OPTIONS))
    assert events == [UpstreamJoined(7, 2), UpstreamPublished(7, (first, second), 9)]


def test_a_stream_begins_when_all_that_is_retained_has_come() -> None:
    words = ["\0position:7-9.0", "\0relay:1", '\0retained:7-3 2 "a"', "one", "\0position:7-9.4"]
    middle, events = told(*words)
    assert events == [] and position_of(middle) == ""
    after, events = told("\0retained:7-5 2 null", b"\xff", "\0position:7-9", before=middle)
    assert events == [UpstreamJoined(7, 9, ((2, "a", b"\x81\x03one"), (4, None, b"\x82\x01\xff")))]
    assert position_of(after) == "7-9"
    assert reconnected(middle) == NEW, "who is cut off before begins again"


def test_who_comes_back_goes_on_or_is_told_a_gap() -> None:
    before, _ = told("\0position:7-2", "\0next:7-3", "a")
    after, events = told("\0position:7-3", "\0next:7-4", "b", before=reconnected(before))
    assert events == [UpstreamPublished(7, ((3, (1, b"b", None, NO_OPTIONS)),), 4)]
    gap = '\0gap:{"after":"7-3","position":"7-8","missed":5}'
    after, events = told(gap, before=reconnected(before))
    assert events == [UpstreamJoined(7, 8)] and position_of(after) == "7-8"
    gap = '\0gap:{"after":"7-3","position":"8-0","missed":null}'
    after, events = told(gap, "\0next:8-1", "c", before=reconnected(before))
    assert events[0] == UpstreamJoined(8, 0) and position_of(after) == "8-1"


def test_a_gap_may_come_at_any_time() -> None:
    gap = '\0gap:{"after":"7-3","position":"7-8.0","missed":5}'
    after, events = told("\0position:7-2", "\0next:7-3", "a", gap, "\0retained:7-1 2 null", "r")
    assert len(events) == 2
    after, events = told("\0position:7-8", before=after)
    assert events == [UpstreamJoined(7, 8, ((0, None, b"\x81\x01r"),))]


def test_what_was_published_before_or_has_no_position_is_passed_over() -> None:
    after, events = told(
        "\0position:7-2", "hello, you", "\0next:7-2", "old", "\0next:nonsense", "x"
    )
    assert events == [UpstreamJoined(7, 2)] and position_of(after) == "7-2"
    _, events = told("\0next:7-3", "\0position:7-9", before=after)
    assert [
        event.messages[0][1][1] for event in events if isinstance(event, UpstreamPublished)
    ] == [b"\0position:7-9"]


def test_a_message_is_retained_or_clears_its_topic_as_it_was_published() -> None:
    _, events = told("\0position:7-2", '\0next:7-3 2 "a"', "v", '\0next:7-4 3 "\\ud800"', "")
    assert events[1:] == [
        UpstreamPublished(7, ((2, (1, b"v", "a", RETAINED)),), 3),
        UpstreamPublished(7, ((3, (1, b"", "\ud800", PublishOptions(True, True))),), 4),
    ]


def test_who_tells_no_positions_is_numbered_here_and_a_loss_is_a_gap() -> None:
    first, events = told("hello", b"x")
    assert events == [
        UpstreamJoined(99, 0),
        UpstreamPublished(99, ((0, (1, b"hello", None, NO_OPTIONS)),), 1),
        UpstreamPublished(99, ((1, (2, b"x", None, NO_OPTIONS)),), 2),
    ]
    assert position_of(first) == ""
    _, events = told("again", before=reconnected(first))
    assert events[0] == UpstreamJoined(100, 0)
    _, events = told("\0position:7-2", before=reconnected(first))
    assert events == [UpstreamJoined(7, 2)], "it may be another program by then"


def test_what_is_retained_is_bounded_as_it_will_be() -> None:
    few = make_following(Limits(max_retained_topics=2), 99)
    words = [
        "\0position:7-9.0",
        *[word for n in range(1, 6) for word in (f'\0retained:7-{n} 2 "{n}"', "x")],
    ]
    _, events = told(*words, "\0position:7-9", before=few)
    assert isinstance(events[0], UpstreamJoined)
    assert [topic for _, topic, _ in events[0].retained] == ["4", "5"]


# fmt: off
SAID: list[str | bytes] = [
    "\0position:7-2", "\0position:7-9.1", "\0position:8-1", "\0position:", "\0gap:{}",
    "\0gap:[", '\0gap:{"position":"7-4"}', '\0gap:{"position":5}', "\0next:7-3", "\0next:7-8 1",
    "\0next:7-0", '\0next:7-4 9 "', "\0next:7-4 0 5", "\0retained:7-1 2 null", "\0relay:2",
    "\0heartbeat:5", "\0", "", "text", b"", b"\0next:7-5",
]
# fmt: on
WORDS = st.sampled_from(SAID)


@given(st.lists(WORDS, max_size=12), st.integers(0, 12))
def test_whatever_is_said_the_cuts_do_not_matter(words: list[str | bytes], cut: int) -> None:
    whole, events = read_messages(NEW, words)
    first, some = read_messages(NEW, words[:cut])
    second, more = read_messages(first, words[cut:])
    assert second == whole
    assert _numbers(some + more) == _numbers(events)


def _numbers(events: list[UpstreamEvent]) -> list[object]:
    """What the events say, message by message."""
    said: list[object] = []
    for event in events:
        if isinstance(event, UpstreamPublished):
            said += [(event.epoch, *one) for one in event.messages]
        else:
            said.append(event)
    return said


# -- a message that is too long to be taken --------------------------------------------------------


def test_a_message_that_is_too_long_is_passed_over_with_a_gap() -> None:
    before, _ = told("\0position:7-2", "\0next:7-3", "a", '\0next:7-5 0 "a"')
    after, gap = passed_over(before)
    assert gap == UpstreamJoined(7, 5, None) and position_of(after) == "7-5"
    _, events = told("\0position:7-5", "\0next:7-6", "b", before=reconnected(after))
    assert events == [UpstreamPublished(7, ((5, (1, b"b", None, NO_OPTIONS)),), 6)]


def test_a_retained_message_that_is_too_long_does_not_keep_the_stream_from_beginning() -> None:
    words = ("\0position:7-9.0", "\0retained:7-1 2 null", "r", '\0retained:7-3 2 "a"')
    after, gap = passed_over(told(*words)[0])
    assert gap == UpstreamJoined(7, 9, ((0, None, b"\x81\x01r"),))
    assert position_of(after) == "7-9"


def test_what_has_no_position_cannot_be_passed_over() -> None:
    for words in ((), ("a",), ("\0position:7-2",), ("\0position:7-2", "\0next:7-1")):
        before, _ = told(*words)
        after, gap = passed_over(before)
        assert gap is None and position_of(after) == position_of(before)
