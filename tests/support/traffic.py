"""A server of WebSockets and HTTP connections under live traffic, turn by turn.

Theory: what a kept state costs, or a recording, or a look, shows only on a server that lives: some
read, some lag and come back, the ring is full. So here is one, of so many clients, and a turn of
it: the same words make the same states.

Rules: nine of ten clients are WebSockets, and one of ten of those reads badly. Each turn has what a
`Mix` says; who is concerned goes round. It knows events and effects only, as a shell would.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sigil.core.broadcast.entry import LATEST, NO_OPTIONS, PublishOptions
from sigil.core.conn import Conn
from sigil.core.effects import Deliver, Effect, FanOut, Handle
from sigil.core.events import (
    Delivered,
    Event,
    FanOutStalled,
    HandlerReturned,
    InputRead,
    Publish,
    Received,
    TickStarted,
    Writable,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import advance
from sigil.core.server.state import Server
from sigil.core.websocket.frames import encode_masked
from tests.support.crowds import FLUSH, ROOM, conns_of, idle, published, upgraded
from tests.support.requests import GET

KEY = b"\x37\xfa\x21\x3d"
OK = Response.text("ok")
TURN_SECONDS = 1 / 60
TOPICS = ("prices", "news")


class Mix(NamedTuple):
    """What happens in one turn: so many GETs, so many messages of WebSockets that are echoed, so
    many broadcasts with these options, and so many clients that do not take what they are sent;
    when half of those that read badly are behind, others catch up.
    """

    name: str
    gets: int = 0
    echoes: int = 0
    broadcasts: int = 0
    stalls: int = 0
    options: PublishOptions = NO_OPTIONS


LIVE = Mix("live: 3 GETs, 5 echoes, a broadcast, 3 that fall behind", 3, 5, 1, 3)
MIXES = (
    Mix("nothing happens"),
    Mix("a GET", gets=1),
    Mix("an echo", echoes=1),
    Mix("a broadcast", broadcasts=1),
    Mix("a broadcast with latest", broadcasts=1, options=LATEST),
    Mix("a broadcast that is retained", broadcasts=1, options=PublishOptions(retain=True)),
    Mix("a broadcast, one falls behind and one catches up", broadcasts=1, stalls=1),
    Mix("64 broadcasts", broadcasts=64),
    LIVE,
)


def crowd(count: int, limits: Limits = ROOM) -> Server:
    """A server of so many clients whose ring is full: of the WebSockets, some have topics."""
    server = idle(count, limits)
    conns = websockets_of(server)
    some = len(conns) // 3
    server = upgraded(server, conns[:-some], Response.upgrade())
    server = upgraded(server, conns[-some:], Response.upgrade(topics=TOPICS))
    return published(server, limits.max_ws_send_frame_cnt, length=200)


def websockets_of(server: Server) -> Sequence[Conn]:
    """Those of a crowd that are WebSockets, or will be."""
    conns = conns_of(server)
    return conns[: len(conns) * 9 // 10]


def turns(server: Server, mix: Mix, first: int, count: int) -> list[Server]:
    """The states behind so many turns of a crowd, which are numbered from `first` on."""
    conns = conns_of(server)
    websockets, http = conns[: len(conns) * 9 // 10], conns[len(conns) * 9 // 10 :]
    states = []
    for number in range(first, first + count):
        server = turn(server, mix, number, websockets, http)
        states.append(server)
    return states


def some_of(conns: Sequence[Conn], number: int, count: int) -> list[Conn]:
    """So many of these connections, the next ones in each turn."""
    return [conns[(number * count + index) % len(conns)] for index in range(count)]


def turn(
    server: Server, mix: Mix, number: int, websockets: Sequence[Conn], http: Sequence[Conn]
) -> Server:
    """The server behind turn `number` of what is to happen in each."""
    now = server.now + TURN_SECONDS
    text = b'{"turn": %d}' % number
    reads = [Received(conn, GET) for conn in some_of(http, number, mix.gets)]
    frame = encode_masked(1, text, KEY)
    reads += [Received(conn, frame) for conn in some_of(websockets, number, mix.echoes)]
    server, effects = advance(server, [TickStarted(now, int(now)), *reads])
    server, _ = advance(server, replies(effects, text))
    messages = tuple(
        (1, b'{"turn": %0190d}' % number, TOPICS[0] if number % 2 else None, mix.options)
        for _ in range(mix.broadcasts)
    )
    published_now: list[Event] = [Publish(messages)] if messages else []
    server, effects = advance(server, [*published_now, FLUSH])
    slow = some_of(websockets[::10], number, mix.stalls)
    laggards = server.broadcast.laggards
    furthest_first = sorted(laggards, key=lambda conn: (laggards[conn], conn))
    catch_up = furthest_first[: max(0, len(laggards) - len(websockets) // 20)]
    server, _ = advance(server, [*stalls(effects, slow), *map(Writable, catch_up)])
    return advance(server, [InputRead()])[0]


def replies(effects: Sequence[Effect], text: bytes) -> list[Event]:
    """What a program answers that says `ok` to each request and a text to each message."""
    events: list[Event] = []
    for effect in effects:
        if isinstance(effect, Handle):
            events.append(HandlerReturned(effect.ticket, (OK,) * len(effect.requests)))
        elif isinstance(effect, Deliver):
            events.append(Delivered(effect.conn, ((1, text),)))
    return events


def stalls(effects: Sequence[Effect], slow: Sequence[Conn]) -> list[Event]:
    """What a kernel reports that takes nothing of a broadcast for those that are slow."""
    return [
        FanOutStalled(conn, 0, effect.start, effect.end, effect.subscription)
        for effect in effects
        if isinstance(effect, FanOut)
        for conn in slow
        if conn in effect.members
    ]
