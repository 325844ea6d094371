"""What is retained when it is published, and what log and statistics have of what is dropped."""

from sigil import Limits
from sigil.core.broadcast.entry import NO_OPTIONS, PublishOptions
from sigil.core.effects import Effect, Log, LogLevel
from sigil.core.events import Publish, TickStarted
from sigil.core.server import advance, make_server
from sigil.core.server.retaining import LOG_SECONDS, is_too_long_to_retain
from sigil.core.server.state import Server
from sigil.core.server.stats import stats
from tests.support.core_websockets import FLUSH, open_websocket

RETAIN = PublishOptions(retain=True)


def retaining(text: str, topic: str | None = None) -> Publish:
    """The program publishes this to be retained."""
    return Publish(((1, text.encode(), topic, RETAIN),))


def lines_of(effects: list[Effect]) -> list[str]:
    """The lines for the log, all of them warnings."""
    logs = [effect for effect in effects if isinstance(effect, Log)]
    assert {log.level for log in logs} <= {LogLevel.WARNING}
    return [log.text for log in logs]


def numbers_of(server: Server) -> dict[str | None, int]:
    """The numbers of what is retained."""
    messages = server.broadcast.retained.messages
    return {topic: message.number for topic, message in messages.items()}


def test_what_nobody_is_to_be_sent_is_retained_with_its_number() -> None:
    server, _ = advance(
        make_server(Limits(), 0.0, 0),
        [
            Publish(((1, b"x", None, NO_OPTIONS), (1, b"a", "a", RETAIN))),
            retaining("b", "b"),
            retaining("c"),
        ],
    )
    assert numbers_of(server) == {"a": 1, "b": 2, None: 3}
    assert (server.broadcast.next_number, server.broadcast.pending) == (4, ())


def test_so_is_what_somebody_is_sent_and_before_it_is_sent() -> None:
    server, _ = advance(open_websocket(), [retaining("a"), retaining("b", "b"), retaining("c")])
    assert numbers_of(server) == {None: 2, "b": 1}
    server, _ = advance(server, [FLUSH, retaining("", "b")])
    assert numbers_of(server) == {None: 2}


def test_what_is_dropped_is_logged_at_once_and_then_together() -> None:
    server = open_websocket(Limits(max_retained_topics=2))
    lines: list[list[str]] = []
    for second in (0.0, 1.0, 2.0, 3.0, LOG_SECONDS, LOG_SECONDS + 3.0):
        server, effects = advance(
            server, [TickStarted(second, 0), retaining("x", f"at {second}"), FLUSH]
        )
        lines.append(lines_of(effects))
    text = "retained messages dropped, those that were published first: {}; "
    limits = f"Limits.max_retained_topics is 2, max_retained_len {2**23}"
    assert lines == [[], [], [text.format(1) + limits], [], [], [text.format(3) + limits]]
    assert stats(server).retained_dropped == 4


def test_one_that_is_too_long_is_not_published_and_the_others_are() -> None:
    limits = Limits(max_retained_len=1_000)
    assert is_too_long_to_retain(1_000, None, limits)
    messages = (
        (1, b"a", None, RETAIN),
        (1, b"x" * 1_000, None, RETAIN),
        (1, b"x" * 1_000, None, NO_OPTIONS),
    )
    for server in (open_websocket(limits), make_server(limits, 0.0, 0)):
        after, effects = advance(server, [Publish(messages)])
        assert after.broadcast.next_number == 2
        assert numbers_of(after) == {None: 0}
        assert lines_of(effects) == [
            "a message of 1000 bytes was not broadcast, to be retained: "
            "Limits.max_retained_len is less"
        ]
