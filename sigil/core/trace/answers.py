"""The answers in a recording, request by request, and how another answer differs.

Theory: which request was handed to the program stands in the effects of a turn, and what it came to
in the events of a later one. Together they are an example: this request has this answer. Whoever
has another answer to it is told what is other.

Rules: an answer is a status, fields and a body, and so it is compared; of a stream, as much as was
recorded, up to `MAX_STREAM_LEN`. A request that was not answered in the recording is no example. It
does not know who gives other answers.
"""

from collections.abc import Collection, Iterator
from typing import Final, final

from ..conn import Ticket
from ..effects import AskBody, BodyPiece, Handle
from ..events import HandlerFailed, HandlerReturned, Postponed, StreamChunk, StreamEnded
from ..http.bodies import FileBody, StreamedBody, file_body_len
from ..http.request import Request
from ..http.response import Response
from ..server.state import Server
from ..value import Value
from .diff import brief
from .states import States
from .wire import count_of, preview

MAX_STREAM_LEN: Final = 2**20
"""Bytes of a streamed body that are compared."""


@final
class Outcome(Value):
    """What a request came to: a response, with what was streamed of it and whether that has ended;
    or, without a response, the status, the message and the traceback of a failure.
    """

    __match_args__ = ("response", "stream", "has_ended", "status", "message", "traceback")
    __slots__ = __match_args__

    def __init__(
        self,
        response: Response | None,
        stream: bytes = b"",
        has_ended: bool = True,
        status: int = 0,
        message: str = "",
        traceback: str = "",
    ) -> None:
        self.response: Final = response
        self.stream: Final = stream
        self.has_ended: Final = has_ended
        self.status: Final = status
        self.message: Final = message
        self.traceback: Final = traceback


@final
class Example(Value):
    """A request, the turn in which it was handed to the program, the server then, and what it came
    to.
    """

    __match_args__ = ("turn", "ticket", "request", "server", "outcome")
    __slots__ = __match_args__

    def __init__(
        self, turn: int, ticket: Ticket, request: Request, server: Server, outcome: Outcome
    ) -> None:
        self.turn: Final = turn
        self.ticket: Final = ticket
        self.request: Final = request
        self.server: Final = server
        self.outcome: Final = outcome


@final
class AnswerDifference(Value):
    """A request whose answer is another one now: what differs (`status`, `headers`, `body`), each
    with the recorded and the new value in words; `traceback` is that of a handler that raised.
    """

    __match_args__ = ("turn", "ticket", "method", "target", "fields", "traceback")
    __slots__ = __match_args__

    def __init__(
        self,
        turn: int,
        ticket: Ticket,
        method: str,
        target: str,
        fields: tuple[tuple[str, str, str], ...],
        traceback: str,
    ) -> None:
        self.turn: Final = turn
        self.ticket: Final = ticket
        self.method: Final = method
        self.target: Final = target
        self.fields: Final = fields
        self.traceback: Final = traceback

    def __str__(self) -> str:
        rows = [f"turn {self.turn}: {self.method} {self.target}"]
        rows += [
            f"  {name}: {was} was recorded, and it is {now} now" for name, was, now in self.fields
        ]
        rows += [f"    {line}" for line in self.traceback.strip().splitlines()]
        return "\n".join(rows)


# -- what was recorded -----------------------------------------------------------------------------


def examples(states: States) -> Iterator[Example]:
    """The requests that were handed to the program and answered, in order."""
    pieces: dict[Ticket, tuple[int, Request, Server, list[bytes]]] = {}
    for step in states.walk():
        turn = step.turn.number
        for effect in step.effects:
            if isinstance(effect, Handle):
                for place, request in enumerate(effect.requests):
                    ticket = Ticket(effect.ticket.conn, effect.ticket.number + place)
                    outcome = outcome_of(states, ticket, turn)
                    if outcome is not None:
                        yield Example(turn, ticket, request, step.after, outcome)
            elif isinstance(effect, AskBody):
                pieces[effect.ticket] = (turn, effect.request, step.after, [])
            elif isinstance(effect, BodyPiece) and effect.ticket in pieces:
                began, request, server, data = pieces[effect.ticket]
                data.append(effect.data)
                outcome = outcome_of(states, effect.ticket, began) if effect.is_last else None
                if effect.is_last:
                    del pieces[effect.ticket]
                if outcome is not None:
                    whole = request.replace(body=b"".join(data), chunks=None)
                    yield Example(began, effect.ticket, whole, server, outcome)


def outcome_of(states: States, ticket: Ticket, turn: int) -> Outcome | None:
    """What a request came to that was handed out in this turn; None if it was not answered, or was
    handed out once more before.
    """
    response: Response | None = None
    chunks: list[bytes] = []
    length = 0
    for index in range(turn - 1, len(states.turns)):
        for event in states.turns[index].events if index >= turn else ():
            if isinstance(event, HandlerReturned) and event.ticket.conn == ticket.conn:
                place = ticket.number - event.ticket.number
                if 0 <= place < len(event.responses):
                    response = event.responses[place]
                    if not isinstance(response.body, StreamedBody):
                        return Outcome(response)
            elif isinstance(event, Postponed) and event.ticket.conn == ticket.conn:
                if 0 <= ticket.number - event.ticket.number < len(event.requests):
                    return None
            elif isinstance(event, HandlerFailed) and event.ticket == ticket:
                if response is not None:
                    return Outcome(response, b"".join(chunks), has_ended=False)
                status, message, traceback = event.status, event.message, event.traceback
                return Outcome(None, status=status, message=message, traceback=traceback)
            elif isinstance(event, StreamChunk) and event.ticket == ticket:
                chunks.append(event.data)
                length += len(event.data)
            elif isinstance(event, StreamEnded) and event.ticket == ticket:
                return Outcome(response, b"".join(chunks))
        if length > MAX_STREAM_LEN or _has_closed(states, index, ticket):
            break
    return None if response is None else Outcome(response, b"".join(chunks), has_ended=False)


_CLOSE_NUMBER: Final = 4


def _has_closed(states: States, index: int, ticket: Ticket) -> bool:
    """True if the connection of a request has ended in this turn."""
    return any(
        summary[0] == _CLOSE_NUMBER and summary[2] == ticket.conn.generation
        for summary in states.turns[index].effects
    )


# -- how they differ -------------------------------------------------------------------------------


def difference_between(
    example: Example, now: Outcome, ignoring: Collection[str] = (), has_bodies: bool = True
) -> AnswerDifference | None:
    """How the answer to a request differs from the one that was recorded, but in these fields;
    without bodies only their lengths are compared. None if it does not.
    """
    was, fields = example.outcome, list[tuple[str, str, str]]()
    _compare(fields, "status", str(_status(was)), str(_status(now)))
    if was.response is not None and now.response is not None:
        ignored = {name.lower() for name in ignoring}
        _compare_headers(fields, was.response, now.response, ignored)
        _compare_bodies(fields, was, now, has_bodies)
    elif was.message != now.message:
        _compare(fields, "body", repr(was.message), repr(now.message))
    if not fields:
        return None
    request = example.request
    return AnswerDifference(
        example.turn, example.ticket, request.method, request.target, tuple(fields), now.traceback
    )


def _compare(fields: list[tuple[str, str, str]], name: str, was: str, now: str) -> None:
    """Add what differs."""
    if was != now:
        fields.append((name, was, now))


def _status(outcome: Outcome) -> int:
    """The status of what a request came to."""
    return outcome.status if outcome.response is None else outcome.response.status


def _compare_headers(
    fields: list[tuple[str, str, str]], was: Response, now: Response, ignored: set[str]
) -> None:
    """Add the fields of two responses that differ, each by its name."""
    old, new = _by_name(was, ignored), _by_name(now, ignored)
    for name in sorted({*old, *new}):
        before, after = old.get(name, "absent"), new.get(name, "absent")
        _compare(fields, f"headers[{name}]", before, after)


def _by_name(response: Response, ignored: set[str]) -> dict[str, str]:
    """The values of the fields of a response, by their names in lower case."""
    found: dict[str, list[str]] = {}
    try:
        for name, value in response.headers:
            if name.lower() not in ignored:
                found.setdefault(name.lower(), []).append(str(value))
    except (AttributeError, TypeError, ValueError):  # what a program has made in its own way
        return {"": brief(response.headers)}
    return {name: repr(", ".join(values)) for name, values in found.items()}


def _compare_bodies(
    fields: list[tuple[str, str, str]], was: Outcome, now: Outcome, has_bodies: bool
) -> None:
    """Add the bodies of two answers if they differ."""
    assert was.response is not None and now.response is not None
    old, new = was.response.body, now.response.body
    if isinstance(old, bytes) and isinstance(new, bytes):
        is_same = old == new if has_bodies else len(old) == len(new)
        if not is_same:
            fields.append(("body", _bytes(old), _bytes(new)))
    elif isinstance(old, StreamedBody) and isinstance(new, StreamedBody):
        _compare_streams(fields, was, now, has_bodies)
    elif isinstance(old, FileBody) and isinstance(new, FileBody):
        lengths = [count_of(file_body_len(body), "byte") for body in (old, new)]
        _compare(fields, "body", f"a file of {lengths[0]}", f"a file of {lengths[1]}")
    elif old != new:
        fields.append(("body", brief(old), brief(new)))


def _compare_streams(
    fields: list[tuple[str, str, str]], was: Outcome, now: Outcome, has_bodies: bool
) -> None:
    """Add two streams if they differ, as far as the recorded one goes."""
    old, new = was.stream[:MAX_STREAM_LEN], now.stream[:MAX_STREAM_LEN]
    if not was.has_ended or len(was.stream) > MAX_STREAM_LEN:
        new = new[: len(old)]
    is_same = old == new if has_bodies else len(old) == len(new)
    if not is_same:
        fields.append(("body", f"a stream {_bytes(old)}", f"a stream {_bytes(new)}"))


def _bytes(data: bytes) -> str:
    """Bytes in words."""
    return f"{preview(data[:240], len(data))} ({count_of(len(data), 'byte')})"
