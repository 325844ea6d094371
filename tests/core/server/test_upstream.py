"""A server that publishes what another one does, in literal events: what its clients are told over
each transport, and what becomes of what does not fit.
"""

from typing import Any

import pytest

from sigil.core.broadcast.broadcast import publish_capacity
from sigil.core.broadcast.entry import LATEST, NO_OPTIONS, PublishOptions
from sigil.core.broadcast.position import gap_frame, gap_json, next_frame, position_frame
from sigil.core.broadcast.upstream import UpstreamJoined, UpstreamPublished
from sigil.core.effects import Log
from sigil.core.events import FanOutStalled, Publish, Writable
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.send_status import SendStatus
from sigil.core.topics import ALL_TOPICS
from tests.support.core_relay import Node
from tests.support.core_websockets import FLUSH
from tests.support.requests import GET

JOINED = UpstreamJoined(7, 5)
UPGRADE = Response.upgrade(topics=ALL_TOPICS)
RETAIN = PublishOptions(retain=True)


def there(
    *numbers: int, end: int | None = None, options: PublishOptions = NO_OPTIONS
) -> UpstreamPublished:
    """The upstream has published a text with each of these numbers."""
    messages = tuple((number, (1, b"m%d" % number, None, options)) for number in numbers)
    return UpstreamPublished(7, messages, numbers[-1] + 1 if end is None else end)


def edge(*events: Any, limits: Limits | None = None) -> Node:
    """A server that has heard this of its upstream."""
    node = Node(limits, epoch=1)
    for event in events:
        node.apply(event, FLUSH)
    return node


def frames(*texts: str) -> bytes:
    """The frames of these short texts."""
    return b"".join(b"\x81" + bytes([len(text)]) + text.encode() for text in texts)


def told(number: int) -> bytes:
    """What goes before a message, and the message."""
    return next_frame(7, number) + frames(f"m{number}")


def gap(after: str, position: str, missed: int | None) -> bytes:
    """The frame of a gap."""
    return gap_frame(gap_json(after, position, missed))


def kept(node: Node) -> list[int]:
    """The numbers of the messages that a new client is sent who was there before all."""
    return [node.server.broadcast.ring.tail_number, node.server.broadcast.ring.head_number]


def test_a_client_is_told_the_positions_of_the_upstream() -> None:
    node = edge(JOINED)
    conn = node.upgrade("after=", UPGRADE)
    assert node.take(conn).endswith(position_frame("7-5"))
    node.apply(there(5, 6), there(9), FLUSH)
    assert node.take(conn) == told(5) + told(6) + told(9)
    node.apply(UpstreamPublished(7, (), 20))
    later = node.upgrade("after=", UPGRADE)
    assert node.take(later).endswith(position_frame("7-20"))


def test_an_upstream_that_goes_back_is_a_gap_of_unknown_length() -> None:
    node = edge(JOINED)
    conn = node.upgrade("after=", UPGRADE)
    node.apply(there(5, 6, 7), FLUSH)
    node.take(conn)
    node.apply(UpstreamJoined(7, 6, ()), FLUSH)
    assert node.take(conn) == gap("7-8", "7-6", None)
    node.apply(there(6, 7, 8), FLUSH)
    assert node.take(conn) == told(6) + told(7) + told(8)


@pytest.mark.parametrize(
    ("after", "numbers"), [("7-5", (5, 6, 9)), ("7-7", (9,)), ("7-9", (9,)), ("7-10", ())]
)
def test_who_comes_back_from_anywhere_is_sent_what_is_behind_its_position(
    after: str, numbers: tuple[int, ...]
) -> None:
    node = edge(JOINED, there(5, 6), there(9))
    conn = node.upgrade(f"after={after}", UPGRADE)
    data = node.take(conn).partition(b"\r\n\r\n")[2]
    assert data.startswith(b"\x81") and b"gap" not in data
    assert data.endswith(b"".join(map(told, numbers)))
    node.apply(there(10), FLUSH)
    assert node.take(conn) == told(10)


def test_what_was_published_before_is_not_published_again() -> None:
    node = edge(JOINED)
    conn = node.upgrade("", UPGRADE)
    node.take(conn)
    node.apply(
        there(5, 6), there(6, 7), there(5), UpstreamPublished(8, there(5).messages, 6), FLUSH
    )
    assert node.take(conn) == frames("m5", "m6", "m7")


def test_nothing_is_published_before_a_stream_has_begun() -> None:
    node = edge(there(5))
    assert node.server.broadcast.next_number == 0


# -- gaps ------------------------------------------------------------------------------------------


def test_what_is_retained_stays_where_a_gap_says_nothing_of_it() -> None:
    node = edge(JOINED, there(5, options=RETAIN), UpstreamJoined(7, 7, None))
    conn = node.upgrade("after=7-6", UPGRADE)
    assert gap("7-6", "7-7", 1) in node.take(conn)
    later = node.upgrade("after=", UPGRADE)
    assert frames("m5") in node.take(later)
    node.apply(UpstreamJoined(8, 2, None), FLUSH)
    last = node.upgrade("after=", UPGRADE)
    assert frames("m5") not in node.take(last), "it is another stream"


def test_a_gap_of_the_upstream_is_one_for_everybody() -> None:
    node = edge(JOINED)
    following, plain = node.upgrade("after=", UPGRADE), node.upgrade("", UPGRADE)
    events = node.ask(GET, Response.sse(topics=ALL_TOPICS))
    node.apply(there(5), FLUSH)
    for conn in (following, plain, events):
        node.take(conn)
    node.apply(UpstreamJoined(7, 9, ((3, None, b"\x81\x02r3"), (7, "a", b"\x81\x02r7"))), FLUSH)
    node.apply(there(9), FLUSH)
    # what was retained before it left off it had been sent, or had been there to be
    started = gap("7-6", "7-9.6", 3)
    assert node.take(following) == started + frames("r7") + position_frame("7-9") + told(9)
    assert node.take(plain) == frames("r7", "m9")
    text = node.take(events).decode()
    assert '"after":"7-6"' in text and "id: 7-9.6" in text
    assert text.endswith("data: r7\n\nid: 7-9\n\nid: 7-10\ndata: m9\n\n")


def test_another_epoch_is_a_gap_of_unknown_length_and_all_that_is_retained_comes() -> None:
    node = edge(JOINED)
    conn = node.upgrade("after=", UPGRADE)
    node.apply(there(5), FLUSH)
    node.take(conn)
    node.apply(UpstreamJoined(8, 2, ((0, None, b"\x81\x02r0"),)), FLUSH)
    assert node.take(conn) == gap("7-6", "8-2.0", None) + frames("r0") + position_frame("8-2")
    node.apply(UpstreamPublished(8, ((2, (1, b"x", None, NO_OPTIONS)),), 3), FLUSH)
    assert node.take(conn) == next_frame(8, 2) + frames("x")
    assert node.upgrade("after=7-6", UPGRADE) and node.server.broadcast.ring.epoch == 8


def test_a_long_poll_is_answered_with_the_gap() -> None:
    node = edge(JOINED)
    conn = node.ask(GET, Response.poll(topics=ALL_TOPICS, after="7-5", timeout=30))
    assert node.take(conn) == b""
    node.apply(UpstreamJoined(7, 9, ((7, None, b"\x81\x02r7"),)), FLUSH)
    lines = node.take(conn).partition(b"\r\n\r\n")[2].splitlines()
    assert lines == [
        b'{"gap":{"after":"7-5","position":"7-9.5","missed":4}}',
        b'{"retained":true,"text":"r7"}',
        b'{"position":"7-9"}',
    ]


def test_who_had_not_taken_all_is_told_from_where_it_lacks_something() -> None:
    node = edge(JOINED)
    conn = node.upgrade("after=", UPGRADE)
    node.take(conn)
    start = node.server.broadcast.ring.head_number
    node.apply(there(5, 6), FLUSH)
    node.sent[conn] = told(5)[:-1]
    client = node.server.slots.entries[conn.slot]
    stalled = FanOutStalled(
        conn, len(told(5)) - 1, start, start + 2, client.subscriber.subscription
    )
    node.apply(stalled, UpstreamJoined(7, 9), there(9), FLUSH)
    assert node.take(conn) == told(5)[:-1]
    node.apply(Writable(conn), FLUSH)
    assert node.take(conn) == told(5)[-1:] + gap("7-6", "7-9", 3) + told(9)


def test_a_message_that_does_not_fit_here_is_a_gap() -> None:
    node = edge(JOINED, there(5, options=RETAIN), limits=Limits(outgoing_buffer_sz=400))
    conn = node.upgrade("after=7-6", UPGRADE)
    node.take(conn)
    long = (7, (1, bytes(500), None, NO_OPTIONS))
    event = UpstreamPublished(7, (*there(6).messages, long, *there(8).messages), 9)
    effects = node.apply(event, FLUSH)
    assert node.take(conn) == told(6) + gap("7-7", "7-8", 1) + told(8)
    assert [
        "message 7 of the upstream" in effect.text for effect in effects if isinstance(effect, Log)
    ] == [True]
    assert node.server.broadcast.retained.messages[None].frame == frames("m5")


def test_a_message_that_is_too_long_to_be_retained_here_is_published_and_ends_what_was() -> None:
    node = edge(JOINED, there(5, options=RETAIN), limits=Limits(max_retained_len=600))
    conn = node.upgrade("", UPGRADE)
    node.take(conn)
    long = (6, (1, b"x" * 500, None, PublishOptions(retain=True)))
    node.apply(UpstreamPublished(7, (long,), 7), FLUSH)
    assert node.take(conn).endswith(b"x" * 500)
    assert not node.server.broadcast.retained.messages


# -- the program -----------------------------------------------------------------------------------


def test_the_program_publishes_nothing_of_its_own() -> None:
    node = edge(JOINED)
    assert publish_capacity(node.server.broadcast) == (SendStatus.DROPPED, 0, 0)
    effects = node.apply(Publish(((1, b"mine", None, LATEST),)))
    assert [type(effect) for effect in effects] == [Log]
    assert node.server.broadcast.next_number == kept(node)[1]


# -- an edge of an edge ----------------------------------------------------------------------------


def test_a_relay_is_told_topics_and_options_and_nobody_else_is() -> None:
    node = Node(epoch=7)
    node.apply(Publish(((1, b"r", "a", RETAIN),)), FLUSH)
    relay = node.upgrade("after=&sigil-relay=1", UPGRADE)
    words: list[Any] = [
        "\0position:7-1.0",
        "\0relay:1",
        '\0retained:7-1 2 "a"',
        "r",
        "\0position:7-1",
    ]
    assert node.take_messages(relay) == words
    options = PublishOptions(latest=True, retain=True)
    node.apply(Publish(((2, b"x", None, LATEST), (1, b"y", "ü", options))), FLUSH)
    assert node.take_messages(relay) == ["\0next:7-2 1 null", b"x", '\0next:7-3 3 "\\u00fc"', "y"]
    again = node.upgrade("after=7-1&sigil-relay=2", UPGRADE)
    assert node.take_messages(again)[2:] == [
        "\0next:7-2 1 null",
        b"x",
        '\0next:7-3 3 "\\u00fc"',
        "y",
    ]
    for query in (
        "after=7-1",
        "after=7-1&sigil-relay=",
        "after=7-1&sigil-relay=x",
        "sigil-relay=1",
    ):
        other = node.upgrade(query, UPGRADE)
        assert not any(
            "relay" in str(word) or '"' in str(word) for word in node.take_messages(other)
        )
