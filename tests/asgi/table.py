"""The table of ASGI: applications, what a client does, and what either sees, under any server.

Theory: what an application may rely on is written in the specification, and frameworks rely on what
uvicorn does. So each row is an application that notes what it is told, and a client that notes what
it is sent; a row says what is seen under sigil, and, where that differs, what is seen under
uvicorn, and why.

Rules: a row waits for nothing but for what it is to see. What differs in every run (ports, dates)
is not noted. It does not know which server it meets.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.asgi.serving import Client, ask, until
from tests.support.servers import HOST, PATIENCE

Notes = list[Any]
Application = Callable[[Notes, Any, Any, Any], Any]


class Row(NamedTuple):
    """One row: `app` is called with its notes, `act` with them and the port; `uvicorn` is what is
    seen there if that differs, for the reason `why`.
    """

    name: str
    app: Application
    act: Callable[[Notes, int], Any]
    seen: Any
    uvicorn: Any = None
    why: str = ""


def get(path: str = "/", more: str = "", version: str = "1.1", method: str = "GET") -> bytes:
    """A request without a body."""
    return f"{method} {path} HTTP/{version}\r\nHost: h\r\n{more}\r\n".encode()


def post(body: bytes, more: str = "") -> bytes:
    """A request with a body."""
    return (
        f"POST / HTTP/1.1\r\nHost: h\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body
    )


START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
OPEN_START = {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]}
BODY = {"type": "http.response.body", "body": b"ok"}
ACCEPT = {"type": "websocket.accept"}


def piece(data: Any, more: bool = True) -> dict[str, Any]:
    """A piece of a body."""
    return {"type": "http.response.body", "body": data, "more_body": more}


async def noted(notes: Notes, coroutine: Any) -> None:
    """Note what a call raises, and its sentence as far as it is part of the table."""
    try:
        await coroutine
    except Exception as error:
        notes.append(type(error).__name__)
    else:
        notes.append("fine")


# -- scopes ----------------------------------------------------------------------------------------

OF_RUN = ("client", "server", "state")


async def note_scope(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    """Note the scope."""
    notes.append({name: value for name, value in scope.items() if name not in OF_RUN})
    notes[-1]["headers"] = [tuple(pair) for pair in scope["headers"]]
    notes.append((scope["client"][0], type(scope["client"][1]), scope["server"][0], scope["state"]))
    await send(START)
    await send(BODY)


def scoped(request: bytes) -> Callable[[Notes, int], Any]:
    """The scope that a request has."""

    def act(notes: Notes, port: int) -> Any:
        assert ask(port, request, request.split()[0].decode()).status == 200
        scope, rest = notes
        scope.pop("extensions", None)
        return scope, rest

    return act


def http_scope(**changes: Any) -> tuple[dict[str, Any], Any]:
    """The scope of a request, with these fields changed."""
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": "GET", "scheme": "http", "path": "/", "raw_path": b"/", "query_string": b"",
        "root_path": "", "headers": [(b"host", b"h")],
    }  # fmt: skip
    return scope | changes, ("127.0.0.1", int, "127.0.0.1", {})


ESCAPED = http_scope(path="/a b/ä", raw_path=b"/a%20b/%C3%A4", query_string=b"x=%20y&z=+")
REPEATED = http_scope(headers=[(b"host", b"h"), (b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"\xe4")])
REPEATED_FIELDS = "X-B: 1\r\nx-a: 2\r\nX-b: \xe4\r\n"
SCOPES = (
    Row("a scope", note_scope, scoped(get()), http_scope()),
    Row("escapes", note_scope, scoped(get("/a%20b/%C3%A4?x=%20y&z=+")), ESCAPED),
    Row("an escaped slash", note_scope, scoped(get("/a%2Fb")),
        http_scope(path="/a/b", raw_path=b"/a%2Fb")),
    Row("fields in order", note_scope,
        scoped(get(more=REPEATED_FIELDS).decode().encode("latin-1")), REPEATED),
    Row("HTTP/1.0", note_scope, scoped(get(version="1.0")), http_scope(http_version="1.0")),
    Row("another method", note_scope, scoped(get(method="DELETE")), http_scope(method="DELETE")),
)  # fmt: skip


# -- requests --------------------------------------------------------------------------------------


async def note_body(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    """Note the body, and what comes behind it when it is answered."""
    body, has_more = b"", True
    while has_more:
        message = await receive()
        body += message["body"]
        has_more = message["more_body"]
    notes.append(len(body))
    await send(START)
    await send(BODY)
    notes.append(await receive())


def answered(request: bytes, count: int = 0) -> Callable[[Notes, int], Any]:
    """The status, the body and the end of the answer to a request, and the notes."""

    def act(notes: Notes, port: int) -> Any:
        answer = ask(port, request, request.split()[0].decode())
        until(lambda: len(notes) >= count)
        return answer.status, answer.body, answer.is_whole, notes

    return act


async def note_pieces(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    """Note how much has come whenever something has."""
    length, has_more = 0, True
    while has_more:
        message = await receive()
        length, has_more = length + len(message["body"]), message["more_body"]
        notes.append(length)
    await send(START)
    await send(BODY)


def dribble(notes: Notes, port: int) -> Any:
    """A body of which the second half is sent when the first has come to the application."""
    with Client(port) as client:
        client.send(get(method="POST", more="Transfer-Encoding: chunked\r\n"))
        client.send(b"2\r\nab\r\n")
        until(lambda: 2 in notes)
        client.send(b"3\r\ncde\r\n0\r\n\r\n")
        return client.answer().status, notes[-1]


async def answer_early(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    """Answer without the body."""
    await send(START)
    await send(BODY)


def send_half(notes: Notes, port: int) -> Any:
    """A body of which half is sent."""
    with Client(port) as client:
        client.send(post(b"x" * 1_000_000)[:100_000])
        answer = client.answer()
        return answer.status, answer.body


async def wait_to_leave(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    """Note what is received when the client leaves, and what becomes of sending then."""
    notes.append((await receive())["type"])
    notes.append((await receive())["type"])
    await noted(notes, send(START))


def leave(notes: Notes, port: int) -> Any:
    """A client that leaves before it is answered."""
    with Client(port) as client:
        client.send(get())
        until(lambda: notes)
    until(lambda: len(notes) == 3)
    return notes


async def stream_on(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    """Stream until the client has left, and note that."""
    await receive()
    await send(OPEN_START)
    leaving = asyncio.ensure_future(receive())
    while not leaving.done():
        with suppress(OSError):  # it may be known here first
            await send(piece(b"x" * 100))
        await asyncio.sleep(0.001)
    notes.append((await leaving)["type"])


def leave_stream(notes: Notes, port: int) -> Any:
    """A client that leaves in the middle of a stream."""
    with Client(port) as client:
        client.send(get())
        client.read_until(b"xxxx")
    until(lambda: notes)
    return notes


REQUESTS = (
    Row("a body", note_body, answered(post(b"x" * 1_000), 2),
        (200, b"ok", True, [1_000, {"type": "http.disconnect"}])),
    Row("a large body", note_body, answered(post(b"x" * 3_000_000), 2),
        (200, b"ok", True, [3_000_000, {"type": "http.disconnect"}])),
    Row("no body", note_body, answered(get(), 2),
        (200, b"ok", True, [0, {"type": "http.disconnect"}])),
    Row("a body that is waited for", note_body,
        answered(post(b"x" * 10, "Expect: 100-continue\r\n"), 2),
        (200, b"ok", True, [10, {"type": "http.disconnect"}])),
    Row("a body as it comes", note_pieces, dribble, (200, 5)),
    Row("an answer before the body", answer_early, send_half, (200, b"ok")),
    Row("a client that leaves", wait_to_leave, leave,
        ["http.request", "http.disconnect", "ClientDisconnected"],
        ["http.request", "http.disconnect", "fine"],
        "a program that only sends learns of it, and ends"),
    Row("a client that leaves a stream", stream_on, leave_stream, ["http.disconnect"]),
)  # fmt: skip


# -- responses -------------------------------------------------------------------------------------


def sending(*messages: Any) -> Application:
    """An application that sends these, and notes what becomes of each that is refused."""

    async def app(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            try:
                await send(message)
            except Exception as error:
                notes.append(type(error).__name__)
                raise

    return app


def seen(status: int, body: bytes, is_whole: bool = True, *notes: str) -> Any:
    """What a client sees, and what an application notes."""
    return status, body, is_whole, list(notes)


def lengths(notes: Notes, port: int) -> Any:
    """How the answer to a HEAD is framed."""
    answer = ask(port, get(method="HEAD"), "HEAD")
    return answer.status, answer.body, answer.headers.get("content-length")


async def raise_at_once(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("wrong")


async def raise_in_between(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    await send(OPEN_START)
    await send(piece(b"ab"))
    await asyncio.sleep(0.01)
    raise ValueError("wrong")


async def raise_behind(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(BODY)
    raise ValueError("wrong")


FAILED = b"500 Internal Server Error\n"
UVICORN_FAILED = b"Internal Server Error"
WORDS = "the words of the 500 are each server's own"
NOT_SENT = "what was begun was not sent yet, by the specification, and so the answer is a 500"
CHECKED = "it is an error where it is sent"
RESPONSES = (
    Row("a response", sending(START, BODY), answered(get()), seen(200, b"ok")),
    Row("a response in pieces", sending(OPEN_START, piece(b"a"), piece(b"b"), piece(b"c", False)),
        answered(get()), seen(200, b"abc")),
    Row("pieces of a declared length", sending(START, piece(b"o"), piece(b"k", False)),
        answered(get()), seen(200, b"ok")),
    Row("no content", sending(START | {"status": 204, "headers": []}, BODY | {"body": b""}),
        answered(get()), seen(204, b"")),
    Row("HEAD", sending(START, BODY), lengths, (200, b"", "2")),
    Row("HEAD in pieces", sending(START, piece(b"o"), piece(b"k", False)), lengths,
        (200, b"", "2")),
    Row("headers as lists", sending(START | {"headers": [[b"content-length", b"2"]]}, BODY),
        answered(get()), seen(200, b"ok")),
    Row("chunks that were asked for",
        sending(START | {"headers": [(b"transfer-encoding", b"chunked")]}, piece(b"a"), BODY),
        answered(get()), seen(200, b"aok")),
    Row("it raises", raise_at_once, answered(get()), seen(500, FAILED),
        seen(500, UVICORN_FAILED), WORDS),
    Row("it raises in between", raise_in_between, answered(get()), seen(200, b"ab", False)),
    Row("it raises behind its response", raise_behind, answered(get()), seen(200, b"ok")),
    Row("it sends nothing", sending(), answered(get()), seen(500, FAILED),
        seen(500, UVICORN_FAILED), WORDS),
    Row("it begins and sends nothing", sending(OPEN_START), answered(get()), seen(500, FAILED),
        seen(200, b"", False), NOT_SENT),
    Row("it ends in between", sending(OPEN_START, piece(b"a")), answered(get()),
        seen(200, b"a", False)),
    Row("a body first", sending(BODY), answered(get(), 1),
        seen(500, FAILED, True, "RuntimeError"), seen(500, UVICORN_FAILED, True, "RuntimeError"),
        WORDS),
    Row("two beginnings", sending(OPEN_START, OPEN_START), answered(get(), 1),
        seen(500, FAILED, True, "RuntimeError"), seen(200, b"", False, "RuntimeError"), NOT_SENT),
    Row("more behind the end", sending(START, BODY, BODY), answered(get(), 1),
        seen(200, b"ok", True, "RuntimeError")),
    Row("a message of another kind", sending({"type": "http.nonsense"}), answered(get(), 1),
        seen(500, FAILED, True, "RuntimeError"), seen(500, UVICORN_FAILED, True, "RuntimeError"),
        WORDS),
    Row("too long", sending(START, BODY | {"body": b"long"}), answered(get(), 1),
        seen(500, FAILED, True, "RuntimeError"), seen(200, b"", False, "RuntimeError"), NOT_SENT),
    Row("too short", sending(START, BODY | {"body": b"o"}), answered(get(), 1),
        seen(500, FAILED, True, "RuntimeError"), seen(200, b"o", False, "RuntimeError"), NOT_SENT),
    Row("a str for a body", sending(OPEN_START, BODY | {"body": "ok"}), answered(get(), 1),
        seen(500, FAILED, True, "TypeError"), seen(200, b"", False, "TypeError"), NOT_SENT),
    Row("a str for a header", sending(START | {"headers": [("a", "b")]}, BODY), answered(get(), 1),
        seen(500, FAILED, True, "TypeError"), None, CHECKED),
    Row("a header with a line end", sending(START | {"headers": [(b"a", b"b\r\nc: d")]}, BODY),
        answered(get(), 1), seen(500, FAILED, True, "ValueError"), None, CHECKED),
    Row("a status that is none", sending(START | {"status": 99}, BODY), answered(get(), 1),
        seen(500, FAILED, True, "ValueError"), None, CHECKED),
)  # fmt: skip


# -- WebSockets ------------------------------------------------------------------------------------

URL = f"ws://{HOST}"


def open_(port: int, path: str = "/", **options: Any) -> Any:
    """A WebSocket."""
    return connect(f"{URL}:{port}{path}", open_timeout=PATIENCE, proxy=None, **options)


async def note_websocket(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    """Note the scope, accept, and note the end."""
    fields = ("type", "path", "raw_path", "query_string", "subprotocols", "scheme", "asgi",
              "http_version", "root_path", "extensions")  # fmt: skip
    notes.append({name: scope[name] for name in fields})
    notes.append((await receive())["type"])
    await send(ACCEPT | {"subprotocol": "b", "headers": [(b"x-a", b"1")]})
    notes.append((await receive())["type"])


def open_chosen(notes: Notes, port: int) -> Any:
    """A client that offers subprotocols, and leaves at once."""
    with open_(port, "/a%20b?c=d", subprotocols=["a", "b"]) as websocket:
        assert websocket.response is not None
        found = (websocket.subprotocol, websocket.response.headers["x-a"])
    until(lambda: len(notes) == 3)
    return (*found, notes)


async def echo(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    """Send back what comes, and note the end."""
    await receive()
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        await send(message | {"type": "websocket.send"})
    notes.append((message["code"], message.get("reason") or ""))
    await noted(notes, send({"type": "websocket.send", "text": "late"}))


async def receive_on(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    """Receive the end again and again."""
    await receive()
    await send(ACCEPT)
    for _ in range(3):
        message = await receive()
        notes.append((message["type"], message["code"]))


def close_at_once(notes: Notes, port: int) -> Any:
    """A client that closes."""
    with open_(port) as websocket:
        websocket.close(4_002)
    until(lambda: len(notes) == 3)
    return notes


def echoed(notes: Notes, port: int) -> Any:
    """Texts and bytes, many at once, come back in order."""
    with open_(port) as websocket:
        words: list[Any] = [f"text {number}" for number in range(50)]
        words += [b"bytes", "", b"", "ä" * 40_000, bytes(200_000)]
        for word in words:
            websocket.send(word)
        same = [websocket.recv(PATIENCE) for _ in words] == words
        websocket.close(4_000, "enough")
    until(lambda: len(notes) == 2)
    return same, notes


def vanish(notes: Notes, port: int) -> Any:
    """A client that leaves without a word."""
    with open_(port) as websocket:
        websocket.socket.shutdown(2)
    until(lambda: len(notes) == 2)
    return notes


def refused(notes: Notes, port: int) -> Any:
    """The status and the body of a response in the place of a WebSocket."""
    try:
        with open_(port):
            return "open"
    except InvalidStatus as error:
        until(lambda: True)
        return error.response.status_code, error.response.body, notes


def closed(notes: Notes, port: int) -> Any:
    """The code and the reason with which it is closed, and what came before."""
    received: list[Any] = []
    with open_(port) as websocket:
        try:
            while True:
                received.append(websocket.recv(PATIENCE))
        except ConnectionClosed as error:
            end = None if error.rcvd is None else (error.rcvd.code, error.rcvd.reason)
    return end, received, notes


def saying(*messages: Any) -> Application:
    """An application that is connected to and sends these, and notes what is refused."""

    async def app(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            try:
                await send(message)
            except Exception as error:
                notes.append(type(error).__name__)
                raise

    return app


async def close_and_go_on(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    """Close, and note what comes of receiving and of sending."""
    await receive()
    await send(ACCEPT)
    await send({"type": "websocket.close", "code": 4_001, "reason": "done"})
    notes.append((await receive())["type"])
    await noted(notes, send({"type": "websocket.send", "text": "late"}))


def closed_and_noted(notes: Notes, port: int) -> Any:
    """How it is closed, and the notes of what goes on behind that."""
    found = closed(notes, port)
    until(lambda: len(notes) == 2)
    return found


async def close_behind_the_end(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    """Close what the client has closed, twice."""
    await receive()
    await send(ACCEPT)
    message = await receive()
    notes.append((message["type"], message["code"]))
    for _ in range(2):
        await noted(notes, send({"type": "websocket.close"}))


async def raise_accepted(notes: Notes, scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send(ACCEPT)
    raise ValueError("wrong")


SCOPE = {
    "type": "websocket", "path": "/a b", "raw_path": b"/a%20b", "query_string": b"c=d",
    "subprotocols": ["a", "b"], "scheme": "ws", "asgi": {"version": "3.0", "spec_version": "2.4"},
    "http_version": "1.1", "root_path": "", "extensions": {"websocket.http.response": {}},
}  # fmt: skip
CLOSE = {"type": "websocket.close"}
TEXT = {"type": "websocket.send", "text": "a"}
DENIAL = {"type": "websocket.http.response.start", "status": 418, "headers": [(b"x", b"y")]}
DENIAL_BODY = {"type": "websocket.http.response.body", "body": b"no"}
FALLS = "the client is told, with a close frame, and not left with a connection that broke"
WEBSOCKETS = (
    Row("accept", note_websocket, open_chosen,
        ("b", "1", [SCOPE, "websocket.connect", "websocket.disconnect"])),
    Row("echo", echo, echoed,
        (True, [(4_000, "enough"), "ClientDisconnected"])),
    Row("a client that vanishes", echo, vanish, [(1006, ""), "ClientDisconnected"],
        [(1005, ""), "ClientDisconnected"], "1006 is a connection that was lost, 1005 one that was "
        "closed without a code (RFC 6455 section 7.1)"),
    Row("the end, received again", receive_on, close_at_once,
        [("websocket.disconnect", 4_002)] * 3, None, "it is told whenever it is asked for"),
    Row("close before accept", saying(CLOSE), refused, (403, b"403 Forbidden\n", []),
        (403, b"", []), "the 403 has a sentence"),
    Row("another response", saying(DENIAL, DENIAL_BODY), refused, (418, b"no", [])),
    Row("another response in pieces",
        saying(DENIAL, DENIAL_BODY | {"more_body": True}, DENIAL_BODY), refused,
        (418, b"nono", [])),
    Row("a message before accept", saying(TEXT), refused, (500, FAILED, ["RuntimeError"]),
        (500, UVICORN_FAILED, ["RuntimeError"]), WORDS),
    Row("it raises before accept", raise_at_once, refused, (500, FAILED, []),
        (500, UVICORN_FAILED, []), WORDS),
    Row("it returns before accept", saying(), refused, (500, FAILED, []),
        (500, UVICORN_FAILED, []), WORDS),
    Row("close", saying(ACCEPT, TEXT, CLOSE | {"code": 3_000, "reason": "why"}), closed,
        ((3_000, "why"), ["a"], [])),
    Row("close without a code", saying(ACCEPT, CLOSE), closed, ((1_000, ""), [], [])),
    Row("it raises", raise_accepted, closed, ((1_011, ""), [], []), (None, [], []), FALLS),
    Row("it returns", saying(ACCEPT, TEXT), closed, ((1_000, ""), ["a"], []),
        (None, ["a"], []), FALLS),
    Row("close behind its end", close_behind_the_end, close_at_once,
        [("websocket.disconnect", 4_002), "fine", "fine"]),
    Row("more behind close", close_and_go_on, closed_and_noted,
        ((4_001, "done"), [], ["websocket.disconnect", "RuntimeError"])),
    Row("two accepts", saying(ACCEPT, ACCEPT), closed, ((1_011, ""), [], ["RuntimeError"]),
        (None, [], ["RuntimeError"]), FALLS),
    Row("neither text nor bytes", saying(ACCEPT, {"type": "websocket.send"}), closed,
        ((1_011, ""), [], ["ValueError"]), None, CHECKED),
)  # fmt: skip

ROWS = (*SCOPES, *REQUESTS, *RESPONSES, *WEBSOCKETS)
