"""The vocabulary of the table: what a case is, and the few words in which the tables are written.

What it is: `Case` pairs raw request bytes with an `Expect`: the answers owed, in order, and what
becomes of the connection. The small functions below it are the shorthand of the tables. Its rules:
an answer from the echo handler always names the method, the target and the body that the server
understood, so that a request read wrongly cannot pass for one read rightly; an answer lists several
statuses only where the RFC leaves a choice that sigil has not settled; one fault per case, so that
no order of checks is assumed. What it does not know: how a case is sent, or how an answer is read;
that is `wire.py`.
"""

import zlib
from enum import Enum
from typing import NamedTuple

CRLF = b"\r\n"
SHOWN = 4096


class End(Enum):
    """What becomes of the connection once the answers are given."""

    OPEN = "open"  # it carries another request
    CLOSED = "closed"  # the server said `Connection: close` and then closes, without a reset
    CUT = "cut"  # the client ends its side after sending; the server still answers, then closes


class Answer(NamedTuple):
    """One answer owed, interim answers included."""

    statuses: tuple[int, ...]
    echo: tuple[tuple[str, str | None], ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    head: bool = False
    optional: bool = False


class Expect(NamedTuple):
    """The answers owed in order, and the end of the connection."""

    answers: tuple[Answer, ...]
    end: End


class Case(NamedTuple):
    """One row of the table: `log` is one sentence and names the RFC section."""

    name: str
    raw: bytes
    expect: Expect
    note: str


CONTINUE = Answer((100,))


def show_body(body: bytes) -> str:
    """A body as the echo handler reports it: byte for byte when short, else its length and
    checksum.
    """
    return (
        body.decode("latin-1")
        if len(body) <= SHOWN
        else f"{len(body)} bytes, crc32 {zlib.crc32(body):08x}"
    )


def seen(method: str = "GET", target: str = "/", body: bytes = b"", **more: str | None) -> Answer:
    """The echo handler's 200: it saw exactly this method, target and body, and whatever else is
    named.
    """
    return also(
        Answer((200,), (("method", method), ("target", target), ("body", show_body(body)))), **more
    )


def also(answer: Answer, **more: str | None) -> Answer:
    """The same answer, from a handler that saw this as well."""
    return answer._replace(echo=(*answer.echo, *more.items()))


def seen_head() -> Answer:
    """A 200 to HEAD: a head that announces content, and no content."""
    return Answer((200,), head=True)


def with_fields(answer: Answer, *fields: tuple[str, str]) -> Answer:
    """The same answer, which must also carry these fields; a value is found among the
    comma-separated ones.
    """
    return answer._replace(fields=(*answer.fields, *fields))


def stays(*answers: Answer) -> Expect:
    """These answers, and the connection carries on."""
    return Expect(answers, End.OPEN)


def closes(*answers: Answer) -> Expect:
    """These answers, and the connection closes behind the last one."""
    return Expect(answers, End.CLOSED)


def cut(*answers: Answer) -> Expect:
    """The client sends, ends its side, and these answers come before the server closes."""
    return Expect(answers, End.CUT)


def refuses(*statuses: int) -> Expect:
    """One refusal by the server itself with one of these statuses, and the connection closes."""
    return closes(Answer(statuses))


def abandoned(*answers: Answer) -> Expect:
    """A request that never ended: after these answers, a 400 or 408 or nothing at all, but never a
    200.
    """
    return cut(*answers, Answer((400, 408), optional=True))


def lines(*parts: bytes, body: bytes = b"") -> bytes:
    """A head of these lines, each ended by CRLF, an empty line, and the body."""
    return b"".join(part + CRLF for part in parts) + CRLF + body


def get(*fields: bytes, target: bytes = b"/") -> bytes:
    """A good HTTP/1.1 GET with these further field lines."""
    return lines(b"GET " + target + b" HTTP/1.1", b"Host: a", *fields)


def post(*fields: bytes, body: bytes = b"") -> bytes:
    """A good HTTP/1.1 POST with these further field lines, and these bytes behind its head."""
    return lines(b"POST / HTTP/1.1", b"Host: a", *fields, body=body)


def chunked(coded: bytes) -> bytes:
    """A POST whose coded body is these bytes, sent with `Transfer-Encoding: chunked`."""
    return post(b"Transfer-Encoding: chunked", body=coded)
