"""Retained messages: a table of the last of each topic, within its bounds, compared with a dict."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.retained import (
    COMPACT_AT,
    ENCODED_BYTES,
    NOTHING_RETAINED,
    Retained,
    RetainedMessage,
    RetainedRange,
    encode_retained,
    has_any,
    messages_in,
    payload_of,
    piece_of,
    remember_retained,
    retain,
    retained_len,
    stored_retained,
    with_piece,
)
from sigil.core.limits import Limits
from sigil.core.topics import ALL_TOPICS, Topic
from sigil.core.websocket.frames import encode_frame

LIMITS = Limits()
NAMES: tuple[str | None, ...] = (None, "a", "b", "c", "d", "e")
Step = tuple[str | None, bytes]
STEPS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from((b"", b"x", b"y" * 200))), max_size=200
)


def retained_after(steps: Sequence[Step], limits: Limits = LIMITS) -> Retained:
    """What is retained after these were published, numbered from 0."""
    retained = NOTHING_RETAINED
    for number, (topic, payload) in enumerate(steps):
        retained = retain(retained, number, topic, encode_frame(1, payload), limits)
    return retained


def expected_after(steps: Sequence[Step], limits: Limits = LIMITS) -> dict[str | None, int]:
    """The numbers of what should be retained, by topic."""
    numbers: dict[str | None, int] = {}
    for number, (topic, payload) in enumerate(steps):
        numbers.pop(topic, None)
        if not payload:
            continue
        numbers[topic] = number
        while len(numbers) > limits.max_retained_topics or limits.max_retained_len < sum(
            retained_len(len(encode_frame(1, steps[at][1])), name) for name, at in numbers.items()
        ):
            del numbers[min(numbers, key=numbers.__getitem__)]
    return numbers


def everything(
    start: int = 0,
    end: int = 10**6,
    topics: Sequence[Topic] = (ALL_TOPICS,),
    known: Sequence[Topic] = (),
    is_joining: bool = True,
) -> RetainedRange:
    """A range of all that is retained, or of less."""
    return RetainedRange(start, end, frozenset(topics), frozenset(known), is_joining)


def numbers_in(retained: Retained, wanted: RetainedRange) -> list[tuple[str | None, int]]:
    """The topics and numbers of the messages in a range."""
    found = messages_in(retained, wanted, Encoding.PLAIN)
    return [(topic, message.number) for topic, message in found]


@given(STEPS, st.sampled_from((0, 1, 3, 100)), st.sampled_from((600, 1_500, 2**20)))
def test_it_is_a_dict_that_drops_the_oldest(steps: list[Step], topics: int, length: int) -> None:
    limits = Limits(max_retained_topics=topics, max_retained_len=max(length, 1_000))
    retained, expected = retained_after(steps, limits), expected_after(steps, limits)
    found = {topic: message.number for topic, message in retained.messages.items()}
    assert found == expected
    assert retained.length <= limits.max_retained_len
    assert retained.length == sum(
        retained_len(len(message.frame), topic) for topic, message in retained.messages.items()
    )
    assert len(retained.order) <= 2 * len(retained.messages) + COMPACT_AT + 1


@given(STEPS, st.integers(0, 200), st.integers(0, 200), st.sets(st.sampled_from(NAMES)))
def test_a_range_is_read_in_order_of_publication(
    steps: list[Step], one: int, two: int, names: set[str | None]
) -> None:
    retained, numbers = retained_after(steps), expected_after(steps)
    start, end, topics = min(one, two), max(one, two), [name for name in names if name is not None]

    def expected(wanted: set[str | None]) -> list[tuple[str | None, int]]:
        found = [(number, topic) for topic, number in numbers.items() if topic in wanted]
        return [(topic, number) for number, topic in sorted(found) if start <= number < end]

    every, named = everything(start, end), everything(start, end, topics)
    assert numbers_in(retained, every) == expected(set(NAMES))
    assert numbers_in(retained, named) == expected({None, *topics})
    other = everything(start, end, known=topics, is_joining=False)
    assert numbers_in(retained, other) == expected(set(NAMES) - {None, *topics})
    for wanted in (every, named, other):
        assert has_any(retained, wanted, Encoding.PLAIN) is bool(numbers_in(retained, wanted))


def test_an_event_stream_has_no_binary_messages_and_no_ids() -> None:
    retained = retain(NOTHING_RETAINED, 3, "a", encode_frame(2, b"binary"), LIMITS)
    retained = retain(retained, 4, "b", encode_frame(1, b"one\ntwo"), LIMITS)
    ((topic, message),) = messages_in(retained, everything(), Encoding.SSE)
    assert (topic, encode_retained(message, Encoding.SSE)) == ("b", b"data: one\ndata: two\n\n")


@given(st.sampled_from((1, 2)), st.sampled_from((0, 1, 125, 126, 65_535, 65_536)))
def test_the_payload_of_a_frame_is_what_was_published(opcode: int, length: int) -> None:
    assert payload_of(encode_frame(opcode, b"x" * length)) == b"x" * length


# -- encodings -------------------------------------------------------------------------------------


@settings(deadline=None)
@given(STEPS, st.sampled_from((1_000, 2_000, 2**20)))
def test_what_is_encoded_is_remembered_within_a_bound(steps: list[Step], length: int) -> None:
    limits, retained = Limits(max_retained_len=length), NOTHING_RETAINED
    for number, (topic, payload) in enumerate(steps):
        retained = retain(retained, number, topic, encode_frame(1, payload), limits)
        for encoding in (Encoding.SSE, Encoding.DEFLATE_15):
            missing = [
                (name, RetainedMessage(message.number, encode_retained(message, encoding)))
                for name, message in messages_in(retained, everything(), encoding)
                if stored_retained(retained, name, message, encoding) is None
            ]
            if missing:
                retained = remember_retained(retained, missing, encoding, limits)
    total = sum(len(message.frame) + ENCODED_BYTES for message in retained.encoded.values())
    assert retained.encoded_len == total <= max(length // 2, 800 + ENCODED_BYTES)


def test_what_was_replaced_is_not_taken_for_what_is_encoded() -> None:
    retained = retain(NOTHING_RETAINED, 0, "a", encode_frame(1, b"old"), LIMITS)
    old = RetainedMessage(0, b"data: old\n\n")
    retained = remember_retained(retained, [("a", old)], Encoding.SSE, LIMITS)
    assert stored_retained(retained, "a", retained.messages["a"], Encoding.SSE) == old.frame
    retained = retain(retained, 1, "a", encode_frame(1, b"new"), LIMITS)
    assert stored_retained(retained, "a", retained.messages["a"], Encoding.SSE) is None


def test_it_is_shown_in_a_line() -> None:
    assert repr(retained_after([("a", b"x")])) == "Retained(1 messages, 388 bytes)"


# -- pieces ----------------------------------------------------------------------------------------


@given(st.integers(0, 60), st.integers(1, 70), st.integers(1, 500), st.integers(16, 40))
def test_a_piece_is_what_its_messages_are(start: int, end: int, room: int, count: int) -> None:
    retained = retained_after([(f"t{number}", b"x" * (number % 7 + 1)) for number in range(60)])
    wanted = everything(start, end)
    after = with_piece(retained, wanted, Encoding.PLAIN, room, count)
    piece = piece_of(after, wanted, Encoding.PLAIN, 10**6)
    messages = [message for _, message in messages_in(retained, wanted, Encoding.PLAIN)]
    if piece is None:
        return
    inside = [message for message in messages if message.number <= piece.last]
    assert b"".join(message.frame for message in inside) == piece.data
    rest = [message.number for message in messages if message.number > piece.last]
    assert not rest or rest[0] == piece.following
    assert len(inside) <= count and len(piece.data) < room + 12


def test_a_piece_lasts_until_the_next_message_is_retained() -> None:
    retained = retained_after([(f"t{number}", b"x") for number in range(60)])
    retained = with_piece(retained, everything(), Encoding.PLAIN, 10**6, 100)
    assert piece_of(retained, everything(), Encoding.PLAIN, 10**6) is not None
    assert piece_of(retained, everything(), Encoding.PLAIN, 10) is None, "it does not fit"
    assert piece_of(retained, everything(end=30), Encoding.PLAIN, 10**6) is None
    retained = retain(retained, 60, "t3", encode_frame(1, b"y"), LIMITS)
    assert piece_of(retained, everything(), Encoding.PLAIN, 10**6) is None
