"""What a program is to serve, as values: the orders of the harness, and the answers of HTTP.

Theory: every server is given the same task by name, and each program here says it in its server's
own way. `Order.service` is `http` (answer requests by `ANSWERS[order.answer]`), `echo` (send every
WebSocket message back), `ticks` (each byte on standard input is a tick: `depth` numbered texts of
`payload_sz` bytes to all `conn_cnt` WebSockets) or `deflate` (ticks of JSON, compressed for who
offers permessage-deflate).

Rules: standard library alone, for it is imported by every Python that has a server to measure. It
does not know who measures.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

HOST = "127.0.0.1"
BACKLOG = 1024
CONTROL = 0
"""The descriptor by which ticks are ordered."""
DIGITS = 10
HELLO = "hello, world\n"
LONG_S = 600
"""How long a connection may be silent: longer than anything that is measured, for every server."""
LARGE_SZ = 10 * 2**20
QUERY_BODY = "hello, %s\n"
VALUE = {"hello": "world", "numbers": [1, 2, 3]}
VALUE_BODY = '{"hello":"world","numbers":[1,2,3]}'
DOCUMENTS = 64


class Order(NamedTuple):
    """One line of JSON on the command line of a program.

    `topic` is that of the messages of ticks, "" for none; `is_latest` if a client that is behind
    needs only the last of them. With `is_recorded` every turn is written to a file. Behind it is
    what only floors are told: how long a request is, the head and body of the response (=N for N
    letters x), whether a connection ends behind it, in how many frames a text comes, and whether a
    ping does.
    """

    service: str
    room: int
    conn_cnt: int
    answer: str = "plain"
    has_log: bool = False
    depth: int = 1
    payload_sz: int = 128
    topic: str = ""
    is_latest: bool = False
    is_recorded: bool = False
    request_sz: int = 0
    head: str = ""
    body: str = ""
    is_closing: bool = False
    fragment_cnt: int = 1
    has_pings: bool = False


class Answer(NamedTuple):
    """A response: its `fields`, and behind them, if `is_numbered`, a Set-Cookie that varies.

    `body` is sent as it is, but for `json`, which the program makes of `VALUE` each time; None for
    `query`, whose body is `QUERY_BODY` with the last ten characters of the request's query, and for
    `echo`, whose body is the request's.
    """

    fields: tuple[tuple[str, str], ...]
    body: bytes | None
    is_numbered: bool = False


TEXT = ("Content-Type", "text/plain; charset=utf-8")
PAGE = ("Content-Type", "text/html; charset=utf-8")
SET_COOKIE = "session=%010d; Path=/; HttpOnly"
ANSWERS = {
    "plain": Answer((TEXT,), HELLO.encode()),
    "field": Answer((PAGE,), HELLO.encode()),
    "cookie": Answer((PAGE, ("Set-Cookie", "theme=dark; Path=/")), HELLO.encode()),
    "browser": Answer(
        (
            PAGE,
            ("Cache-Control", "private, no-cache"),
            ("Vary", "Cookie"),
            ("X-Content-Type-Options", "nosniff"),
        ),
        HELLO.encode(),
        is_numbered=True,
    ),
    "query": Answer((TEXT,), None),
    "json": Answer((("Content-Type", "application/json"),), None),
    "echo": Answer((("Content-Type", "application/octet-stream"),), None),
    "large": Answer((("Content-Type", "application/octet-stream"),), b"x" * LARGE_SZ),
}


def body_made(name: str, query: str) -> bytes:
    """The body of `json` or `query`, made for this request."""
    if name == "json":
        return json.dumps(VALUE, ensure_ascii=False, separators=(",", ":")).encode()
    return (QUERY_BODY % query[-DIGITS:]).encode()


def fields_of(answer: Answer) -> Iterator[list[tuple[str, str]]]:
    """The fields of one response after the other, without Content-Length."""
    fixed = list(answer.fields)
    for number in count():
        if answer.is_numbered:
            yield [*fixed, ("Set-Cookie", SET_COOKIE % number)]
        else:
            yield fixed


def announce(port: int) -> None:
    """Tell the harness where this program listens, or soon will."""
    print(port, flush=True)


def listener() -> socket.socket:
    """A socket that listens on a port that was free."""
    sock = socket.socket()
    sock.bind((HOST, 0))
    sock.listen(BACKLOG)
    return sock


def free_port() -> int:
    """A port that nobody listens on, for servers that cannot be handed a socket."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def messages_of(order: Order) -> Iterator[str]:
    """The texts of all ticks, numbered: of `payload_sz` characters, or JSON of about that length in
    which all but the number is made beforehand."""
    if order.service == "deflate":
        yield from documents(order.payload_sz)
    filling = "x" * (order.payload_sz - DIGITS)
    for number in count():
        yield f"{number:0{DIGITS}d}{filling}"


def documents(payload_sz: int) -> Iterator[str]:
    """JSON, numbered, all of one length."""
    bodies = [
        json.dumps([row_of(at * 7919 + row * 104729, row) for row in range(payload_sz // 64)])
        for at in range(DOCUMENTS)
    ]
    for number in count():
        yield f'{{"number": "{number:0{DIGITS}d}", "rows": {bodies[number % DOCUMENTS]}}}'


def row_of(figure: int, row: int) -> dict[str, object]:
    """A row of such a document."""
    return {
        "symbol": f"SYM{row:04d}",
        "price": figure % 90000 + 10000,
        "change": figure % 900 + 100,
        "open": True,
    }
