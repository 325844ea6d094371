"""Whatever comes in can go out: every text and value that a request or a message gives, by every
way out, without a 500 and without an event stream that is broken off; or it is refused with 400.

Theory: a program passes on what it was sent without a thought, and often to somebody else. So the
two tables below are multiplied: all ways in, with any bytes that the wire lets through, and all
ways out. What has a grammar of its own (a header value is one line in Latin-1, a type of an event
has no line end) refuses with ValueError where it is given; that is the last table.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil import Callbacks, Limits, Request, Response, SseEvent
from sigil.testing import Answer, Client
from tests.support.requests import GET

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
BYTES = st.binary(max_size=20) | st.sampled_from(
    [
        b"\x00",
        b"\r\n",
        b"\xed\xa0\x80",
        b"\xff",
        b'"\\',
        "é€😀\u2028".encode(),
        b"//evil.test",
        b"50%",
    ]
)
LEGAL = bytes([*range(0x20, 0x7F), *range(0x80, 0x100)])
"""What may stand in a field value, white space at its ends apart."""


def request_with(target: bytes = b"/", field: bytes = b"", body: bytes = b"") -> bytes:
    """A request with these parts."""
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST %s HTTP/1.1\r\nHost: a\r\n%s%s\r\n%s" % (target, field, length, body)


def escaped(data: bytes) -> bytes:
    """The bytes with every one of them percent-encoded."""
    return b"".join(b"%%%02X" % byte for byte in data)


def field_value(data: bytes) -> bytes:
    """What of these bytes may stand in a field value."""
    return bytes(byte for byte in data if byte in LEGAL).strip() or b"x"


# -- ways in ---------------------------------------------------------------------------------------

IN: dict[str, tuple[Callable[[bytes], bytes], Callable[[Request], Any]]] = {
    "path": (lambda data: request_with(b"/" + escaped(data)), lambda request: request.path),
    "target": (lambda data: request_with(b"/" + escaped(data)), lambda request: request.target),
    "query": (lambda data: request_with(b"/?" + escaped(data)), lambda request: request.query),
    "args": (
        lambda data: request_with(b"/?a=" + escaped(data)),
        lambda request: request.args["a"],
    ),
    "names of args": (
        lambda data: request_with(b"/?" + escaped(data) + b"=1"),
        lambda request: "".join(request.args),
    ),
    "form": (
        lambda data: request_with(b"/", FORM, b"a=" + escaped(data)),
        lambda request: request.form()["a"],
    ),
    "form, not escaped": (
        lambda data: request_with(b"/", FORM, b"a=" + data),
        lambda request: request.form()["a"],
    ),
    "cookies": (
        lambda data: request_with(b"/", b"Cookie: a=" + field_value(data) + b"\r\n"),
        lambda request: request.cookies.get("a", ""),
    ),
    "a header": (
        lambda data: request_with(b"/", b"X-A: " + field_value(data) + b"\r\n"),
        lambda request: request.headers["x-a"],
    ),
    "Last-Event-ID": (
        lambda data: request_with(b"/", b"Last-Event-ID: " + field_value(data) + b"\r\n"),
        lambda request: request.last_event_id,
    ),
    "text": (lambda data: request_with(body=data), lambda request: request.text()),
    "json": (
        lambda data: request_with(body=b'"' + data + b'"'),
        lambda request: str(request.json()),
    ),
    "json, escaped": (
        lambda data: (
            request_with(body=json.dumps(data.decode("utf-16", "surrogatepass")).encode())
            if len(data) % 2 == 0
            else request_with(body=json.dumps(data.decode("latin-1")).encode())
        ),
        lambda request: str(request.json()),
    ),
}
"""How bytes get into a request, and how a handler gets them as text."""

# -- ways out --------------------------------------------------------------------------------------

OUT: dict[str, Callable[[str], Response]] = {
    "text": Response.text,
    "html": Response.html,
    "json": lambda text: Response.json({text: [text]}),
    "bytes": lambda text: Response.bytes(text.encode()),
    "error": lambda text: Response.error(404, text),
    "redirect": Response.redirect,
    "redirect of a path": lambda text: Response.redirect("/" + text),
    "stream": lambda text: Response.stream([text.encode()]),
    "events": lambda text: Response.sse([text]),
    "events of JSON": lambda text: Response.sse([{text: text}]),
    "an event": lambda text: Response.sse([SseEvent(text), SseEvent([text])]),
}


@pytest.mark.parametrize("way_out", OUT)
@pytest.mark.parametrize("way_in", IN)
@settings(max_examples=15)
@given(data=BYTES)
def test_what_comes_in_can_go_out_or_is_refused(way_in: str, way_out: str, data: bytes) -> None:
    make, take = IN[way_in]
    client = Client(lambda request: OUT[way_out](take(request)))
    connection = client.connect()
    connection.send(make(data))
    connection.half_close()
    (answer,) = connection.answers()
    assert answer.status in ({400} if is_bad(way_in, data) else {200, 302, 404})
    assert [entry for entry in client.log if entry.level > 20] == []


def is_bad(way_in: str, data: bytes) -> bool:
    """Whether the bytes are none of their kind, so that they have to be refused."""
    if way_in in ("text", "form, not escaped"):
        return not is_utf8(data)
    if way_in == "json":
        try:
            json.loads(b'"' + data + b'"')
        except ValueError:
            return True
        return not is_utf8(data)
    if way_in == "json, escaped":
        return len(data) % 2 == 0 and not is_utf8(data.decode("utf-16", "surrogatepass"))
    return False


def is_utf8(data: bytes | str) -> bool:
    """Whether these are characters."""
    try:
        data.decode() if isinstance(data, bytes) else data.encode()
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("way_in", ["a header", "Last-Event-ID", "cookies"])
@given(data=BYTES)
def test_what_came_in_a_field_can_go_out_in_one_and_in_an_id(way_in: str, data: bytes) -> None:
    make, take = IN[way_in]

    def app(request: Request) -> Response:
        if way_in == "a header":
            return Response.text("", headers={"X-B": take(request)})
        return Response.sse([SseEvent("x", id=take(request))])

    connection = Client(app).connect()
    connection.send(make(data))
    (answer,) = connection.answers()
    assert answer.status == 200
    if way_in == "a header":
        assert answer.headers["x-b"].encode("latin-1") == field_value(data)


# -- to others -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way_in", IN)
@settings(max_examples=15)
@given(data=BYTES)
def test_an_event_stream_is_never_broken_off_by_what_somebody_sent(
    way_in: str, data: bytes
) -> None:
    make, take = IN[way_in]

    def app(request: Request) -> Response:
        if request.method == "GET":
            return Response.sse(topics=["news"])
        text = take(request)
        client.server.broadcast(text, topic=text)
        client.server.broadcast(json.dumps(text), topic="news")
        for conn in client.clients():
            client.server.send(conn, text)
        return Response.json(text)

    client = Client(app, limits=Limits(max_topic_len=10_000))
    listener, sender = client.connect(), client.connect()
    listener.send(GET)
    sender.send(make(data))
    assert sender.answers()[0].status == (400 if is_bad(way_in, data) else 200)
    before = len(listener.received)
    client.server.broadcast("still here", topic="news")
    client.run_until_idle()
    assert not listener.is_closed
    assert b"data: still here\n\n" in listener.received[before:]


@given(text=st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=50))
def test_what_a_websocket_sends_can_be_sent_to_all(text: str) -> None:
    def echo(server: Any, conn: Any, data: str | bytes) -> None:
        server.send(conn, data)
        server.broadcast(json.dumps(data))
        server.broadcast(data, topic=str(data)[:20])
        server.subscribe(conn, str(data)[:20])
        server.close(conn, 1000, str(data)[:20])

    client = Client(lambda request: Response.upgrade(), callbacks=Callbacks(ws_message=echo))
    websocket = client.websocket("/")
    websocket.send(text)
    assert (websocket.messages(), websocket.code) == ([text, json.dumps(text)], 1000)


# -- values ----------------------------------------------------------------------------------------

BODIES = [
    "NaN",
    "[Infinity]",
    '{"a": -Infinity}',
    "1e999",
    "[-1e999]",
    r'"\ud800"',
    r'{"\udc00": 1}',
]


def notes(request: Request) -> Response:
    """The program that keeps what it was sent, and tells everybody."""
    if request.method == "POST":
        KEPT.append(request.json())
    return Response.json(KEPT)


KEPT: list[Any] = []


@pytest.mark.parametrize("body", [*BODIES, "[" * 500 + "]" * 500, "1" * 5_000])
def test_one_bad_note_is_refused_and_harms_no_later_reader(body: str) -> None:
    KEPT.clear()
    client = Client(notes)
    answer: Answer = client.post("/", body=body.encode())
    assert answer.status == 400 and answer.text.startswith(
        "400 Bad Request: the body is not JSON: "
    )
    assert client.get("/").text == "[]"


# -- what has a grammar ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: Response.text("", headers={"X-A": "a\r\nb"}),
        lambda: Response.text("", headers={"X-A": "€"}),
        lambda: Response.json(float("nan")),
        lambda: Response.json("\ud800"),
        lambda: Response.text("\ud800"),
    ],
)
def test_what_cannot_be_sent_is_the_programs_error_where_it_is_made(
    make: Callable[[], Response],
) -> None:
    with pytest.raises(ValueError):
        make()
