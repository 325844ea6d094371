"""What becomes of a subscriber that falls off the ring, in literal events: it is dropped, with a
close frame if none is half sent, or moved on and told the gap.
"""

import pytest

from sigil.core.broadcast.broadcast import NO_CURSOR
from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import LATEST, NO_OPTIONS, PublishOptions, Subscription
from sigil.core.broadcast.position import gap_frame, gap_json, next_frame, position_frame
from sigil.core.close_reasons import CLOSE_INFO, CloseReason
from sigil.core.conn import Conn, Ticket
from sigil.core.connection.websocket_send import buffered_amount
from sigil.core.effects import Drop, Effect, Send, Then
from sigil.core.events import (
    Accepted,
    Delivered,
    FanOutStalled,
    HandlerReturned,
    Publish,
    Received,
    Stalled,
    Subscribe,
    Writable,
)
from sigil.core.http.response import Response
from sigil.core.http.sse import encode_gap, encode_message_event
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server, stats
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from sigil.core.websocket.frames import Opcode, encode_close, encode_frame
from tests.support.core_driver import PEER
from tests.support.core_websockets import FLUSH, bytes_to, close_notices, sending
from tests.support.requests import GET, UPGRADE

A = Conn(0, 0)
FOUR = Limits(max_ws_send_frame_cnt=4)
SKIPPING, DROPPING = Response.upgrade(slow="skip"), Response.upgrade()
CLOSE_1013 = encode_frame(
    Opcode.CLOSE, encode_close(1013, CLOSE_INFO[CloseReason.WS_CLIENT_TOO_SLOW].sentence)
)


def subscribed(response: Response, limits: Limits = FOUR, raw: bytes = UPGRADE) -> Server:
    """A server whose first client has subscribed by this response, and whose second one keeps
    up.
    """
    server, _ = advance(make_server(limits, 0.0, 0), [Accepted(0, PEER), Accepted(1, PEER)])
    events = [Received(A, raw), HandlerReturned(Ticket(A, 0), (response,)), Delivered(A), FLUSH]
    server, _ = advance(server, events)
    other = Conn(1, 1)
    upgrade = HandlerReturned(Ticket(other, 0), (DROPPING,))
    return advance(server, [Received(other, UPGRADE), upgrade, Delivered(other)])[0]


def publish(*texts: str, options: PublishOptions = NO_OPTIONS, topic: str | None = None) -> Publish:
    """The program broadcasts these texts."""
    return Publish(tuple((1, text.encode(), topic, options) for text in texts))


def frames(*texts: str) -> bytes:
    """The frames of these texts."""
    return b"".join(encode_frame(1, text.encode()) for text in texts)


def stalled(server: Server, taken: int, *texts: str) -> Server:
    """The server after these texts were published, of which the first client took so many bytes."""
    start = server.broadcast.ring.head_number
    server, _ = advance(server, [publish(*texts), FLUSH])
    subscription = subscription_of(server)
    end = server.broadcast.ring.head_number
    return advance(server, [FanOutStalled(A, taken, start, end, subscription)])[0]


def subscription_of(server: Server) -> Subscription:
    """The subscription of the first client."""
    client = find_client(server.slots, A)
    assert client is not None and client.subscriber is not None
    return client.subscriber.subscription


def published(server: Server, count: int, first: int = 1) -> tuple[Server, list[Effect]]:
    """The server after so many more messages, a tick each."""
    effects: list[Effect] = []
    for number in range(first, first + count):
        server, more = advance(server, [publish(f"m{number}"), FLUSH])
        effects += more
    return server, effects


# -- skip ------------------------------------------------------------------------------------------


def test_who_skips_goes_on_at_the_oldest_message_that_is_kept() -> None:
    server = stalled(subscribed(SKIPPING), 0, "m0")
    server, effects = published(server, 9)
    assert close_notices(effects) == [] and bytes_to(A, effects) == b""
    server, effects = advance(server, [Writable(A)])
    assert bytes_to(A, effects) == frames("m6", "m7", "m8", "m9")
    assert (stats(server).skips, stats(server).skipped_messages) == (1, 6)
    server, effects = published(server, 1, 10)
    assert bytes_to(A, effects) == frames("m10")  # it is where its cohort is


def test_nobody_looks_at_it_until_it_reads_on() -> None:
    server, _ = published(stalled(subscribed(SKIPPING), 0, "m0"), 4)
    assert dict(server.broadcast.laggards) == {A: NO_CURSOR}
    before = find_client(server.slots, A)
    server, _ = published(server, 20, 5)
    assert find_client(server.slots, A) is before
    assert buffered_amount(before, server.broadcast) == len(frames("m21", "m22", "m23", "m24"))


def test_a_half_sent_frame_is_finished_before_it_is_moved_on() -> None:
    server = stalled(subscribed(SKIPPING), 3, "m0", "m1")
    server, _ = published(server, 8, 2)
    server, effects = advance(server, [Writable(A)])
    assert bytes_to(A, effects) == frames("m0")[3:] + frames("m6", "m7", "m8", "m9")
    assert stats(server).skipped_messages == 5  # m1 to m5


def test_it_is_told_the_gap_between_frames_if_it_is_told_positions() -> None:
    server = stalled(subscribed(Response.upgrade(slow="skip", after="")), 3, "m0")
    server, _ = published(server, 9)
    server, effects = advance(server, [Writable(A)])
    gap = gap_frame(gap_json("0-1", "0-6", 5))
    half = (next_frame(0, 0) + frames("m0"))[3:]
    rest = b"".join(next_frame(0, n) + frames(f"m{n}") for n in range(6, 10))
    assert bytes_to(A, effects) == half + gap + rest
    assert position_frame("0-0") not in bytes_to(A, effects)


def test_an_event_stream_is_sent_an_event_gap() -> None:
    server = stalled(subscribed(Response.sse(slow="skip"), raw=GET), 0, "m0")
    assert subscription_of(server).encoding is Encoding.SSE
    server, _ = published(server, 9)
    server, effects = advance(server, [Writable(A)])
    gap = encode_gap(gap_json("0-0", "0-6", 6), "0-6")
    events = [encode_message_event(b"m%d" % n, f"0-{n + 1}") for n in range(6, 10)]
    assert bytes_to(A, effects) == gap + b"".join(events)


def test_what_it_is_not_subscribed_to_is_no_gap() -> None:
    server = stalled(subscribed(Response.upgrade(slow="skip", after="")), 99, "m0")
    for _ in range(9):
        server, _ = advance(server, [publish("other", topic="a"), FLUSH])
    server, effects = advance(server, [publish("m1"), FLUSH, Writable(A)])
    assert bytes_to(A, effects) == next_frame(0, 10) + frames("m1")
    assert stats(server).skips == 0


def test_what_is_superseded_is_no_gap() -> None:
    server = subscribed(Response.upgrade(slow="skip", after=""))
    server, _ = advance(server, [publish("s0", options=LATEST), FLUSH])
    server, _ = advance(server, [FanOutStalled(A, 0, 0, 1, subscription_of(server))])
    for number in range(1, 30):
        server, _ = advance(server, [publish(f"s{number}", options=LATEST), FLUSH])
    server, effects = advance(server, [Writable(A)])
    assert bytes_to(A, effects) == next_frame(0, 29) + frames("s29")
    assert stats(server).skips == 0


def test_what_is_sent_to_it_alone_is_behind_the_gap_and_is_not_lost() -> None:
    server = stalled(subscribed(Response.upgrade(slow="skip", after="")), 0, "m0")
    server, _ = advance(server, [sending("mine"), Subscribe(A, "a", True)])
    server, _ = published(server, 9)
    server, effects = advance(server, [Writable(A)])
    gap = gap_frame(gap_json("0-0", "0-6", 6))
    rest = b"".join(next_frame(0, n) + frames(f"m{n}") for n in range(6, 10))
    assert bytes_to(A, effects) == gap + frames("mine") + rest


def test_what_is_retained_of_the_gap_is_among_what_is_sent_to_it_alone_as_it_was_published() -> (
    None
):
    server = stalled(subscribed(SKIPPING), 0, "m0")
    for name in ("b", "c"):
        retained = publish(f"retained {name}", options=PublishOptions(retain=True), topic=name)
        server, _ = advance(server, [sending(f"before {name}"), Subscribe(A, name, True)])
        server, _ = advance(server, [retained, FLUSH])
    server, _ = advance(server, [sending("behind c")])
    server, _ = published(server, 9)
    server, effects = advance(server, [Writable(A)])
    told = frames("before b", "retained b", "before c", "retained c", "behind c")
    assert bytes_to(A, effects) == told + frames("m6", "m7", "m8", "m9")


def test_it_may_skip_again_and_again() -> None:
    server = stalled(subscribed(SKIPPING), 0, "m0")
    sent = b""
    for _ in range(3):
        server, _ = published(server, 9)
        server, effects = advance(server, [Writable(A), Stalled(A, 0, (frames("rest"),))])
        sent += bytes_to(A, effects)
    assert stats(server).skips == 3
    assert find_client(server.slots, A) is not None


# -- drop ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", [0, 4])
def test_who_is_dropped_between_two_frames_gets_a_close_frame(taken: int) -> None:
    server = stalled(subscribed(DROPPING), taken, "m0", "m1")
    server, effects = published(server, 9)
    assert close_notices(effects) == [(CloseReason.WS_CLIENT_TOO_SLOW, 1013)]
    sends = [effect for effect in effects if isinstance(effect, Send)]
    assert sends == [Send(A, (CLOSE_1013,), Then.DROP)]
    ends = [effect for effect in effects if effect in (*sends, Drop(A))]
    assert ends == [*sends, Drop(A)]


def test_nothing_is_sent_into_a_half_sent_frame() -> None:
    server = stalled(subscribed(DROPPING), 3, "m0", "m1")
    server, effects = published(server, 9)
    assert close_notices(effects) == [(CloseReason.WS_CLIENT_TOO_SLOW, 1013)]
    assert bytes_to(A, effects) == b""


def test_an_event_stream_that_is_dropped_is_sent_nothing_more() -> None:
    server = stalled(subscribed(Response.sse(), raw=GET), 0, "m0")
    server, effects = published(server, 9)
    assert find_client(server.slots, A) is None and bytes_to(A, effects) == b""


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Response.upgrade, Response.sse])
@pytest.mark.parametrize("slow", ["", "Drop", "wait"])
def test_another_word_is_refused_in_a_sentence(make: type, slow: object) -> None:
    with pytest.raises(ValueError, match=r"slow is 'drop' or 'skip', not"):
        make(slow=slow)


@pytest.mark.parametrize("make", [Response.upgrade, Response.sse])
@pytest.mark.parametrize("slow", [None, True, 1])
def test_what_is_no_word_is_refused(make: type, slow: object) -> None:
    with pytest.raises(TypeError):
        make(slow=slow)


def test_a_stream_of_events_is_not_slow() -> None:
    with pytest.raises(TypeError):
        Response.sse(["event"], slow="skip")
