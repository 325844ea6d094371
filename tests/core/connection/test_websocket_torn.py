"""Whatever is sent to a WebSocket is whole frames: however the kernel cuts it, and whoever ends the
connection at whatever moment, another library reads frames, and then a close frame or the end.
"""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from sigil.core.broadcast.entry import NO_OPTIONS
from sigil.core.close_reasons import CloseReason
from sigil.core.effects import Drop, Effect, FanOut, Send, Then
from sigil.core.events import (
    CloseRequested,
    Event,
    FanOutStalled,
    HalfClosed,
    Publish,
    Stalled,
    Stop,
    TickStarted,
    Writable,
)
from sigil.core.limits import Limits
from sigil.core.server import step
from sigil.core.server.state import Server
from tests.support.core_driver import CONN, client_of
from tests.support.core_websockets import (
    FLUSH,
    close,
    open_websocket,
    ping,
    publishing,
    received,
    sending,
    text,
)

SIZES = (0, 5, 300, 17_000, 70_000)
LIMITS = Limits(max_outbox_len=20_000, outgoing_buffer_sz=200_000)
ENDS: tuple[tuple[Event, ...], ...] = (
    (CloseRequested(CONN, CloseReason.OK, 4_000), FLUSH),
    (CloseRequested(CONN, CloseReason.HANDLER_ERROR), FLUSH, received(close())),
    (received(b"\x81\x01x"),),
    (received(close(b"\x03\xe8")), FLUSH),
    (received(text("a") + close(b"\x03\xe8")), FLUSH),
    (Stop(5.0), FLUSH, Stop(5.0)),
    (Stop(0.0),),
    (HalfClosed(CONN),),
    (TickStarted(1_000.0, 0), TickStarted(2_000.0, 0)),
)
STEPS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(SIZES)),
    st.tuples(st.just("publish"), st.sampled_from(SIZES)),
    st.tuples(st.just("ping"), st.integers(0, 9)),
    st.tuples(st.just("flush"), st.just(0)),
    st.tuples(st.just("take"), st.one_of(st.integers(0, 9), st.integers(0, 40_000))),
)


class Cut:
    """A client whose kernel takes so many bytes at a time, and what it has taken."""

    def __init__(self) -> None:
        self.server: Server = open_websocket(LIMITS)
        self.room = 0
        self.is_blocked = False
        self.taken = b""
        self.fate = Then.KEEP

    def happen(self, event: Event) -> None:
        """An event, and what comes of it."""
        self.server, effects = step(self.server, event)
        events = [more for effect in effects if (more := self.perform(effect)) is not None]
        for more in events:
            self.happen(more)

    def perform(self, effect: Effect) -> Event | None:
        """Take as much as there is room for, and report the rest."""
        if isinstance(effect, Drop):
            self.fate = Then.DROP
        if not isinstance(effect, Send | FanOut) or self.fate is not Then.KEEP:
            return None
        data = effect.data if isinstance(effect, FanOut) else b"".join(effect.segments)
        count = 0 if self.is_blocked else min(self.room, len(data))
        self.room -= count
        self.taken += data[:count]
        then = effect.then if isinstance(effect, Send) else Then.KEEP
        if then is Then.DROP:
            self.fate = Then.DROP
        elif count == len(data):
            self.fate = then
        else:
            self.is_blocked = True
            if isinstance(effect, FanOut):
                return FanOutStalled(CONN, count, effect.start, effect.end, effect.subscription)
            return Stalled(CONN, count, (data[count:],))
        return None

    def take(self, count: int) -> None:
        """The client reads so many bytes."""
        self.room, was_blocked, self.is_blocked = count, self.is_blocked, False
        if self.fate is Then.KEEP and (was_blocked or client_of(self.server).outgoing.is_full):
            self.happen(Writable(CONN))


def do(cut: Cut, what: str, amount: int) -> None:
    """One step of a program, a client, or its network."""
    match what:
        case "send":
            cut.happen(sending(b"x" * amount))
        case "publish":
            cut.happen(publishing("y" * amount))
        case "ping":
            cut.happen(received(ping(b"p" * amount)))
        case "flush":
            cut.happen(FLUSH)
        case _:
            cut.take(amount)


def read(data: bytes) -> tuple[bool, bool]:
    """Whether wsproto, as a client, has read a close frame in these bytes, and whether they end
    inside a frame; every message in them is whole.
    """
    peer = Connection(ConnectionType.CLIENT)
    peer.receive_data(data)
    has_closed, is_inside = False, False
    for event in peer.events():
        assert not has_closed, "something stands behind a close frame"
        if isinstance(event, TextMessage | BytesMessage):
            assert set(event.data) <= set("y" if isinstance(event, TextMessage) else b"x")
            is_inside = not event.message_finished
        elif isinstance(event, Ping | Pong):
            assert set(event.payload) <= {ord("p")}
        else:
            assert isinstance(event, CloseConnection)
            # what wsproto cannot read it reports as a close frame with its own words
            assert event.code not in (1002, 1007, 1009) or "not masked" in (event.reason or "")
            has_closed = True
    return has_closed, is_inside


@settings(max_examples=250, deadline=None)
@given(st.lists(STEPS, max_size=12), st.sampled_from(ENDS), st.lists(STEPS, max_size=4))
@example([("send", 17_000), ("send", 17_000), ("flush", 0), ("take", 10)], ENDS[2], [])
@example([("take", 20_000)] + [("send", 17_000)] * 3 + [("flush", 0)], ENDS[3], [])
@example([("take", 90_000)] + [("send", 70_000)] * 3 + [("flush", 0)], ENDS[6], [])
def test_what_is_sent_is_whole_frames_and_then_a_close_frame_or_the_end(
    before: list[tuple[str, int]], end: tuple[Event, ...], after: list[tuple[str, int]]
) -> None:
    cut = Cut()
    for what, amount in before:
        do(cut, what, amount)
    for event in end:
        if cut.fate is Then.KEEP:
            cut.happen(event)
    for what, amount in (*after, *[("take", 100_000)] * 9):
        if cut.fate is Then.KEEP:
            do(cut, what, amount)
    has_closed, is_inside = read(cut.taken)
    assert not (has_closed and is_inside)
    if cut.fate is Then.SHUT and not isinstance(end[0], HalfClosed):
        assert has_closed


@pytest.mark.parametrize("end", ENDS)
def test_a_long_frame_is_finished_before_any_end(end: tuple[Event, ...]) -> None:
    """What the kernel has is the header of the second of two long frames."""
    cut = Cut()
    cut.happen(Publish(((2, b"x" * 17_000, None, NO_OPTIONS),)))
    cut.happen(sending(b"x" * 17_000, b"x" * 17_000))
    cut.take(2 * 17_004 + 4)
    cut.happen(FLUSH)
    for event in end:
        if cut.fate is Then.KEEP:
            cut.happen(event)
    for _ in range(9):
        cut.take(10)
        read(cut.taken)
    cut.take(100_000)
    assert not all(read(cut.taken))
