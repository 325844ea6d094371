"""What a sigil server says of its stream: the cases that the browser's client has too, and the
texts that the server itself writes.
"""

import pytest

from sigil.core.broadcast.position import gap_frame, gap_json, next_frame, position_frame
from sigil.core.client.websocket_positions import (
    Delivery,
    Fact,
    Gap,
    Located,
    Silence,
    read_message,
    stream_target,
)
from sigil.core.connection.heartbeat import heartbeat
from sigil.core.limits import Limits
from sigil.core.websocket.frames import FrameRules
from sigil.core.websocket.messages import BETWEEN_MESSAGES, receive_data
from tests.support.core_driver import same


def read_all(*messages: str | bytes) -> list[Fact]:
    """The facts that these messages are."""
    position, facts = None, list[Fact]()
    for message in messages:
        position, fact = read_message(position, message)
        facts += [] if fact is None else [fact]
    return facts


@pytest.mark.parametrize(
    ("messages", "facts"),
    [
        (("a", b"b"), [Delivery("a", None), Delivery(b"b", None)]),
        (("\0position:7-1",), [Located("7-1")]),
        (("\0next:7-2", "a", "b"), [Delivery("a", "7-2"), Delivery("b", None)]),
        (("\0next:7-2", b"a"), [Delivery(b"a", "7-2")]),
        (("\0next:7-2", "\0next:a message"), [Delivery("\0next:a message", "7-2")]),
        (("\0heartbeat:20000",), [Silence(40.0)]),
        (("\0heartbeat:soon", "\0unknown:1", "\0", "\0\0"), []),
        (
            ('\0gap:{"after":"7-1","position":"8-5","missed":3}',),
            [Gap("7-1", "8-5", 3)],
        ),
        (
            ('\0gap:{"after":"7-1","position":"8-5","missed":null}',),
            [Gap("7-1", "8-5", None)],
        ),
        (("\0gap:nonsense", "\0gap:[]", '\0gap:{"after":"7-1"}', '\0gap:{"position":1}'), []),
        ((b"\0position:7-1",), [Delivery(b"\0position:7-1", None)]),
    ],
)
def test_messages_are_facts(messages: tuple[str | bytes, ...], facts: list[Fact]) -> None:
    assert same(read_all(*messages), facts)


def test_what_our_server_writes_is_read() -> None:
    data = (
        position_frame("7-1")
        + next_frame(7, 1)
        + b"\x81\x01a"
        + gap_frame(gap_json("7-2", "8-5", 4))
    )
    _, items, _ = receive_data(BETWEEN_MESSAGES, data, FrameRules(100, 100, is_masked=False))
    messages = [item for item in items if isinstance(item, str | bytes)]
    messages.append(heartbeat(Limits()).decode())
    assert same(
        read_all(*messages),
        [Located("7-1"), Delivery("a", "7-2"), Gap("7-2", "8-5", 4), Silence(40.0)],
    )


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (("/live",), "/live"),
        (("/live?a=%20",), "/live?a=%20"),
        (("/live", ["x y", "z"]), "/live?topic=x+y&topic=z"),
        (("/live?a=1", [], 10), "/live?a=1&history=10"),
        (("/live", [], None, ""), "/live?after="),
        (("/live", [], None, "7-3", True), "/live?after=7-3&sigil-heartbeats"),
        (("/live", [], None, None, True), "/live?sigil-heartbeats"),
        (("/live?", [], 1), "/live?history=1"),
    ],
)
def test_the_target_has_what_the_server_is_asked_for(arguments: tuple[str], target: str) -> None:
    assert stream_target(*arguments) == target
