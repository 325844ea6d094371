"""What user code has begun and not finished: the records that are posted when it has.

Theory: user code may promise a result, so what comes of it arrives after the call has returned,
from another thread or another tick. It is posted as one of these, beside the core's own events.

Rules: records only. It does not know who makes or takes them (`handlers` and `callbacks` do).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...core.conn import Conn, Ticket
from ...core.events import Event
from ...core.http.request import Request
from .deferred import Deferred


class LateResult(NamedTuple):
    """A result that came after its handler had returned, on its way to the loop's thread."""

    ticket: Ticket
    request: Request
    result: object


class Job(NamedTuple):
    """Calls of one callback for one connection, one with each of `values`; `done` is the event when
    all have returned.
    """

    conn: Conn
    callback: Callable[..., object]
    values: Sequence[tuple[Any, ...]]
    done: Event | None
    is_fatal: bool
    """An exception ends the connection; when that has ended already there is nothing to end."""
    is_delivery: bool
    """The values are messages, which are delivered only while the WebSocket is open."""
    after: Callable[[Conn], None] | None = None
    """What is done for the connection when all have returned."""


class Returned(NamedTuple):
    """A call of a job that was waited for has come to its end, on its way to the loop's thread:
    `error` is what it raised, `later` what had promised it.
    """

    job: Job
    error: object
    later: Deferred


class Called(NamedTuple):
    """A function of the program that is to be called on the loop's thread."""

    function: Callable[..., object]
    args: tuple[object, ...]
