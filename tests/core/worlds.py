"""What the laws are tried on: strategies for streams of bytes, cuts, and runs of events over several connections.

It knows what a client may send and what a shell may report; it does not know what is right.
"""

from hypothesis import strategies as st

from sigil.core.conn import Conn, Ticket
from sigil.core.events import (
    Accepted,
    Answered,
    Chunk,
    Elapsed,
    Ended,
    Event,
    Failed,
    HalfClosed,
    Hangup,
    Received,
    Refused,
    Stalled,
    Stop,
    Writable,
)
from sigil.core.reasons import CloseReason
from sigil.core.response import Pulled, Response

from .drive import PEER

NAMES = st.sampled_from(("X-A", "x-b", "Accept", "Cookie", "User-Agent", "X_c.1!", "Authorization"))
VALUES = st.text("abcXYZ019 ,;=\"\t\xe9\xff:/", max_size=12).map(lambda text: text.strip(" \t"))
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=4)
TARGETS = st.text("abc/?&=%20-._~", max_size=12).map(lambda text: "/" + text)
CODES = st.sampled_from(("GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"))
BODIES = st.binary(max_size=40)
CHUNKS = st.lists(st.binary(min_size=1, max_size=20), max_size=4)


def head_bytes(method: str, target: str, fields: list[tuple[str, str]], version: str = "1.1") -> bytes:
    """A head on the wire, Host included."""
    lines = [f"{method} {target} HTTP/{version}", "Host: a.example", *(f"{name}: {value}" for name, value in fields)]
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
            extension, trailers = draw(st.sampled_from(("", ";a", ';b="c"'))), draw(st.sampled_from(("", "X: y\r\n")))
            return (head_bytes(method, target, [*fields, ("Transfer-Encoding", "chunked")])
                    + chunked_bytes(draw(CHUNKS), extension, trailers))
        case "last":
            return head_bytes(method, target, [*fields, ("Connection", "close")])
        case "old":
            return head_bytes(method, target, [*fields, ("Connection", "keep-alive")], "1.0")
        case _:
            return head_bytes(method, target, fields)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """What a client may send: good requests, empty lines between them, and perhaps one thing that is wrong."""
    parts = draw(st.lists(good_requests(), min_size=1, max_size=5))
    if draw(st.integers(0, 9)) == 0:
        body, fields = draw(BODIES), draw(FIELDS)
        announced = [*fields, ("Expect", "100-continue"), ("Content-Length", str(len(body)))]
        parts = [head_bytes("POST", "/expecting", announced) + body, *parts]
    separators = [draw(st.sampled_from((b"", b"", b"", b"\r\n", b"\r\n\r\n"))) for _ in parts]
    data = b"".join(part + separator for part, separator in zip(parts, separators, strict=True))
    position = draw(st.integers(0, len(data)))
    wrong = draw(st.sampled_from((b"\x00", b"\n", b"\r", b" ", b":", b"\xff", b"\r\n", b"\r\n\r\n", b"0", b"x" * 50)))
    match draw(st.sampled_from(("good", "good", "inserted", "replaced", "truncated", "behind"))):
        case "inserted":
            return data[:position] + wrong + data[position:]
        case "replaced":
            return data[:position] + wrong + data[position + len(wrong):]
        case "truncated":
            return data[:position]
        case "behind":
            return data + wrong + draw(st.binary(max_size=60))
        case _:
            return data


CUTS = st.lists(st.integers(0, 600), max_size=12)


CONNS = st.builds(lambda slot, stale: Conn(slot, slot + 9 * stale), st.integers(0, 2), st.sampled_from((0,) * 9 + (1,)))
TICKETS = st.builds(Ticket, CONNS, st.integers(0, 4))
READS = st.one_of(good_requests(), streams(), st.binary(min_size=1, max_size=9)).filter(bool)
RESPONSES = st.lists(st.sampled_from((
    Response.text("one"), Response.text("two"), Response.text("three"), Response(204, (), b""), Response(99, (), b""),
    Response(200, (("Connection", "close"),), b"x"), Response(200, (), Pulled(())),
    Response(200, (("Content-Length", "3"),), Pulled(())))), min_size=1, max_size=3).map(tuple)
ONE = st.one_of(
    st.builds(Received, CONNS, READS),
    st.builds(Answered, TICKETS, RESPONSES),
    st.builds(Received, CONNS, good_requests()),
    st.builds(Answered, st.builds(Ticket, CONNS, st.integers(0, 1)), RESPONSES),
    st.builds(Chunk, TICKETS, st.sampled_from((b"", b"abc", b"abcd"))),
    st.builds(Ended, TICKETS),
    st.builds(Refused, TICKETS, st.sampled_from((400, 500)), st.just("no"), st.sampled_from(("", "why"))),
    st.builds(Stalled, CONNS, st.integers(0, 2), st.sampled_from(((b"rest",), (b"re", memoryview(b"st"))))),
    st.builds(Writable, CONNS),
    st.builds(HalfClosed, CONNS),
    st.builds(Failed, CONNS, st.just(104)),
    st.builds(Hangup, CONNS, st.sampled_from((CloseReason.HANDLER_ERROR, CloseReason.SHUTDOWN, CloseReason.OK))),
    st.just(Accepted(3, PEER)),
    st.builds(Elapsed, st.floats(0.01, 40.0), st.integers(0, 3)),
    st.sampled_from((Elapsed(0.1, 0),) * 5 + (Stop(4.0),)),
)
"""One event: most of them plausible, some for requests or connections that are gone."""


def events() -> st.SearchStrategy[list[Event]]:
    """A run of events over three connections."""
    return st.lists(ONE, max_size=30).map(in_time)


def in_time(run: list[Event]) -> list[Event]:
    """The same run with clocks that add up, so that they never go back."""
    now, timed = 0.0, []
    for event in run:
        if isinstance(event, Elapsed):
            now += event.now
            event = Elapsed(now, event.wall)
        timed.append(event)
    return timed
