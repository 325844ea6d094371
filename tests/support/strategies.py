"""What the laws are tried on: strategies for streams of bytes, cuts, and runs of events over
several connections.

It knows what a client may send and what a shell may report; it does not know what is right.
"""

from hypothesis import strategies as st

from sigil.core.broadcast.entry import LATEST, NO_OPTIONS, PublishOptions
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Ticket
from sigil.core.control import (
    DeliveryHeld,
    ReadingAllowed,
    TimeoutRequested,
    WritableRequested,
)
from sigil.core.events import (
    Accepted,
    CloseRequested,
    ConnectionLost,
    Delivered,
    DescriptorsExhausted,
    Event,
    FileSent,
    Flush,
    HalfClosed,
    HandlerFailed,
    HandlerReturned,
    InputRead,
    Postponed,
    Publish,
    Received,
    SendMessages,
    Stalled,
    Stop,
    StreamChunk,
    StreamEnded,
    Subscribe,
    TickStarted,
    TimeRead,
    Writable,
)
from sigil.core.http.bodies import FileBody, FileSpan, StreamedBody
from sigil.core.http.headers import Headers
from sigil.core.http.request import Request
from sigil.core.http.response import Response
from sigil.core.websocket.frames import encode_masked
from tests.support.core_driver import PEER
from tests.support.requests import UPGRADE

NAMES = st.sampled_from(("X-A", "x-b", "Accept", "Cookie", "User-Agent", "X_c.1!", "Authorization"))
VALUES = st.text('abcXYZ019 ,;="\t\xe9\xff:/', max_size=12).map(lambda text: text.strip(" \t"))
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=4)
TARGETS = st.text("abc/?&=%20-._~", max_size=12).map(lambda text: "/" + text)
CODES = st.sampled_from(
    ("GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
)
REQUEST = Request("GET", "/", "/", "", 1, Headers(), b"", PEER)
BODIES = st.binary(max_size=40)
CHUNKS = st.lists(st.binary(min_size=1, max_size=20), max_size=4)


def head_bytes(
    method: str, target: str, fields: list[tuple[str, str]], version: str = "1.1"
) -> bytes:
    """A head on the wire, Host included."""
    lines = [
        f"{method} {target} HTTP/{version}",
        "Host: a.example",
        *(f"{name}: {value}" for name, value in fields),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked_bytes(chunks: list[bytes], extension: str = "", trailers: str = "") -> bytes:
    """A chunked body on the wire."""
    data = b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), extension.encode(), chunk) for chunk in chunks)
    return data + b"0\r\n" + trailers.encode() + b"\r\n"


@st.composite
def good_requests(draw: st.DrawFn) -> bytes:
    """One good request."""
    method, target, fields = draw(CODES), draw(TARGETS), draw(FIELDS)
    match draw(st.sampled_from(("none", "none", "counted", "chunked", "last", "old"))):
        case "counted":
            body = draw(BODIES)
            return head_bytes(method, target, [*fields, ("Content-Length", str(len(body)))]) + body
        case "chunked":
            extension, trailers = (
                draw(st.sampled_from(("", ";a", ';b="c"'))),
                draw(st.sampled_from(("", "X: y\r\n"))),
            )
            return head_bytes(
                method, target, [*fields, ("Transfer-Encoding", "chunked")]
            ) + chunked_bytes(draw(CHUNKS), extension, trailers)
        case "last":
            return head_bytes(method, target, [*fields, ("Connection", "close")])
        case "old":
            return head_bytes(method, target, [*fields, ("Connection", "keep-alive")], "1.0")
        case _:
            return head_bytes(method, target, fields)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """What a client may send: good requests, empty lines between them, and perhaps one thing that
    is wrong.
    """
    parts = draw(st.lists(good_requests(), min_size=1, max_size=5))
    if draw(st.integers(0, 9)) == 0:
        body, fields = draw(BODIES), draw(FIELDS)
        announced = [*fields, ("Expect", "100-continue"), ("Content-Length", str(len(body)))]
        parts = [head_bytes("POST", "/expecting", announced) + body, *parts]
    separators = [draw(st.sampled_from((b"", b"", b"", b"\r\n", b"\r\n\r\n"))) for _ in parts]
    data = b"".join(part + separator for part, separator in zip(parts, separators, strict=True))
    position = draw(st.integers(0, len(data)))
    wrong = draw(
        st.sampled_from(
            (b"\x00", b"\n", b"\r", b" ", b":", b"\xff", b"\r\n", b"\r\n\r\n", b"0", b"x" * 50)
        )
    )
    match draw(st.sampled_from(("good", "good", "inserted", "replaced", "truncated", "behind"))):
        case "inserted":
            return data[:position] + wrong + data[position:]
        case "replaced":
            return data[:position] + wrong + data[position + len(wrong) :]
        case "truncated":
            return data[:position]
        case "behind":
            return data + wrong + draw(st.binary(max_size=60))
        case _:
            return data


CUTS = st.lists(st.integers(0, 600), max_size=12)


CONNS = st.builds(
    lambda slot, stale: Conn(slot, slot + 9 * stale),
    st.integers(0, 2),
    st.sampled_from((0,) * 9 + (1,)),
)
TICKETS = st.builds(Ticket, CONNS, st.integers(0, 4))
READS = st.one_of(
    good_requests(), streams(), st.binary(min_size=1, max_size=9), st.just(UPGRADE)
).filter(bool)
RESPONSES = st.lists(
    st.sampled_from(
        (
            Response.text("one"),
            Response.text("two"),
            Response.text("three"),
            Response(204, (), b""),
            Response(99, (), b""),
            Response(200, (("Connection", "close"),), b"x"),
            Response(200, (), StreamedBody(())),
            Response(200, (), FileBody(None, (FileSpan(0, 4),))),
            Response(200, (("Content-Length", "3"),), StreamedBody(())),
            Response.upgrade(),
            Response.sse(),
        )
    ),
    min_size=1,
    max_size=3,
).map(tuple)
CONTROL_EVENT = st.one_of(
    st.builds(ReadingAllowed, CONNS, st.booleans()),
    st.builds(WritableRequested, CONNS),
    st.builds(TimeoutRequested, CONNS, st.sampled_from((0, 5)), st.sampled_from((0.5, 3.0, 90.0))),
    st.builds(DeliveryHeld, CONNS, st.just(()), st.just(("held",))),
)
"""What a program asks of a connection."""
HTTP_EVENT = st.one_of(
    CONTROL_EVENT,
    st.builds(Received, CONNS, READS),
    st.builds(HandlerReturned, TICKETS, RESPONSES),
    st.builds(Received, CONNS, good_requests()),
    st.builds(HandlerReturned, st.builds(Ticket, CONNS, st.integers(0, 1)), RESPONSES),
    st.builds(StreamChunk, TICKETS, st.sampled_from((b"", b"abc", b"abcd"))),
    st.builds(StreamEnded, TICKETS),
    st.builds(FileSent, TICKETS, st.integers(0, 4)),
    st.builds(Postponed, TICKETS, st.lists(st.just(REQUEST), min_size=1, max_size=3).map(tuple)),
    st.builds(
        HandlerFailed,
        TICKETS,
        st.sampled_from((400, 500)),
        st.just("no"),
        st.sampled_from(("", "why")),
    ),
    st.builds(
        Stalled, CONNS, st.integers(0, 2), st.sampled_from(((b"rest",), (b"re", memoryview(b"st"))))
    ),
    st.builds(Writable, CONNS),
    st.builds(HalfClosed, CONNS),
    st.builds(ConnectionLost, CONNS, st.just(104)),
    st.builds(
        CloseRequested,
        CONNS,
        st.sampled_from((CloseReason.HANDLER_ERROR, CloseReason.SHUTDOWN, CloseReason.OK)),
        st.just(0),
        st.just(""),
    ),
    st.just(Accepted(3, PEER)),
    st.just(DescriptorsExhausted(24)),
    st.builds(TickStarted, st.floats(0.01, 40.0), st.integers(0, 3)),
    st.builds(TimeRead, st.floats(0.01, 9.0), st.integers(0, 3)),
    st.builds(InputRead, st.frozensets(CONNS, max_size=1)),
    st.sampled_from((TickStarted(0.1, 0),) * 5 + (Stop(4.0),)),
)
"""One event: most of them plausible, some for requests or connections that are gone."""


# -- WebSockets ------------------------------------------------------------------------------------

KEYS = st.sampled_from((b"\x01\x02\x03\x04", b"\x00\x00\x00\x00", b"\xff\x80\x7f\x00"))
TEXTS = st.text("ab\xe9\u20ac\U0001f600", max_size=30)
UTF8 = TEXTS.map(str.encode)
PINGS = st.binary(max_size=9)
CLOSE_PAYLOADS = st.sampled_from((b"", b"\x03\xe8", b"\x03\xe9bye", b"\x0f\xa0\xe2\x82\xac"))


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """A message of one frame or several, with pings and pongs between them; the cuts may go through
    characters.
    """
    opcode = draw(st.sampled_from((1, 2)))
    payload = draw(UTF8) if opcode == 1 else draw(st.binary(max_size=140))
    edges = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    frames = b""
    for start, end in zip((0, *edges), (*edges, len(payload)), strict=True):
        if start and draw(st.integers(0, 3)) == 0:
            frames += encode_masked(draw(st.sampled_from((9, 10))), draw(PINGS), draw(KEYS))
        frames += encode_masked(opcode, payload[start:end], draw(KEYS), fin=end == len(payload))
        if end == len(payload):
            break
        opcode = 0
    return frames


WRONG_FRAMES = st.sampled_from(
    (
        b"\x81\x01a",
        b"\x83\x80",
        b"\xc1\x80",
        b"\x80\x80",
        b"\x09\x80",
        b"\x89\xfe",
        b"\x81\xfe\x00\x01",
        b"\x81\xff\xff",
        encode_masked(1, b"\xff", b"\x01\x02\x03\x04"),
        encode_masked(8, b"\x03", b"\x01\x02\x03\x04"),
        encode_masked(8, b"\x03\xed", b"\x01\x02\x03\x04"),
        encode_masked(8, b"\x03\xe8\xff", b"\x01\x02\x03\x04"),
    )
)
"""Each ends the conversation: unmasked, unknown, reserved, out of place, fragmented, too long, not
UTF-8, bad close.
"""

FRAMES = st.one_of(
    fragmented(),
    fragmented(),
    fragmented(),
    st.builds(encode_masked, st.sampled_from((9, 10)), PINGS, KEYS),
)
"""One good message, ping or pong of a client."""


@st.composite
def frame_streams(draw: st.DrawFn) -> bytes:
    """What a client may say once it is a WebSocket: good frames, and perhaps an end, good or bad,
    with more behind.
    """
    data = b"".join(draw(st.lists(FRAMES, max_size=8)))
    match draw(st.sampled_from(("open", "closed", "wrong", "truncated"))):
        case "closed":
            return (
                data
                + encode_masked(8, draw(CLOSE_PAYLOADS), draw(KEYS))
                + draw(st.sampled_from((b"", b"more")))
            )
        case "wrong":
            return (
                data
                + draw(WRONG_FRAMES)
                + draw(st.sampled_from((b"", b"\x81\x80\x00\x00\x00\x00")))
            )
        case "truncated":
            return data[: draw(st.integers(0, len(data)))]
        case _:
            return data


PAYLOADS = st.sampled_from((b"", b"hello", b"x" * 90, b"y" * 300, b"z" * 17_000))
MESSAGES = st.lists(st.tuples(st.sampled_from((1, 2)), PAYLOADS), min_size=1, max_size=3).map(tuple)
PUBLICATIONS = st.lists(
    st.tuples(
        st.sampled_from((1, 2)),
        PAYLOADS,
        st.sampled_from((None, None, "news")),
        st.sampled_from((NO_OPTIONS, NO_OPTIONS, LATEST, PublishOptions(exclude=Conn(0, 1)))),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
FRAME_READS = st.one_of(FRAMES, FRAMES, frame_streams(), st.binary(min_size=1, max_size=9)).filter(
    bool
)
WEBSOCKET_EVENT = st.one_of(
    CONTROL_EVENT,
    st.builds(Received, CONNS, FRAME_READS),
    st.builds(
        Received, CONNS, st.builds(encode_masked, st.sampled_from((1, 2)), st.just(b"abc"), KEYS)
    ),
    st.builds(Delivered, CONNS, st.just(())),
    st.builds(Delivered, CONNS, MESSAGES),
    st.builds(SendMessages, CONNS, MESSAGES),
    st.builds(Publish, PUBLICATIONS),
    st.builds(Subscribe, CONNS, st.sampled_from(("news", "sport")), st.booleans()),
    st.builds(Flush, st.one_of(st.none(), st.none(), CONNS)),
    st.builds(
        CloseRequested,
        CONNS,
        st.sampled_from((CloseReason.OK, CloseReason.HANDLER_ERROR)),
        st.sampled_from((0, 1000, 4000)),
        st.sampled_from(("", "bye")),
    ),
    st.builds(
        Stalled, CONNS, st.integers(0, 2), st.sampled_from(((b"rest",), (b"re", memoryview(b"st"))))
    ),
    st.builds(Writable, CONNS),
    HTTP_EVENT,
)
"""One event where some of the connections are WebSockets."""


def upgrading(slots: list[int], topics: tuple[str, ...]) -> list[Event]:
    """What makes WebSockets of the connections in these slots."""
    return [
        event
        for slot in slots
        for event in (
            Received(Conn(slot, slot), UPGRADE),
            HandlerReturned(Ticket(Conn(slot, slot), 0), (Response.upgrade(topics=topics),)),
            Delivered(Conn(slot, slot)),
        )
    ]


def subscribing(slots: list[int], topics: tuple[str, ...]) -> list[Event]:
    """What makes listeners of the connections in these slots."""
    return [
        event
        for slot in slots
        for event in (
            Received(Conn(slot, slot), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            HandlerReturned(Ticket(Conn(slot, slot), 0), (Response.sse(topics=topics),)),
        )
    ]


def websocket_runs() -> st.SearchStrategy[list[Event]]:
    """A run of events over three connections, some of which are WebSockets from the beginning."""
    begun = st.builds(
        upgrading,
        st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True),
        st.sampled_from(((), ("news",))),
    )
    return st.builds(
        lambda first, rest: first + rest, begun, st.lists(WEBSOCKET_EVENT, max_size=30)
    ).map(in_time)


def events() -> st.SearchStrategy[list[Event]]:
    """A run of events over three connections: requests only, or WebSockets too."""
    return st.one_of(st.lists(HTTP_EVENT, max_size=30).map(in_time), websocket_runs())


def in_time(run: list[Event]) -> list[Event]:
    """The same run with clocks that add up, so that they never go back."""
    now, timed = 0.0, []
    for event in run:
        if isinstance(event, TickStarted | TimeRead):
            now += event.now
            event = event.replace(now=now)
        timed.append(event)
    return timed
