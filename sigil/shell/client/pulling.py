"""The pieces of a request's body, asked for one by one.

Theory: the core asks for a piece when the one before was taken. A piece is there at once, or is
awaited in a task of the asyncio loop that ticks the client.

Rules: what the program raises is logged, and is what its request fails with. It does not know what
a piece is framed in.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ...core.client.effects import PullBody
from ...core.client.events import ClientEvent, PieceMade, RequestAbandoned
from ...core.client.failures import FailureKind
from ...core.effects import ERROR_LOG
from ..program.logs import write_text
from ..program.tracebacks import EXIT_EXCEPTIONS, error_text
from .receiver import Receiver

_LOG = logging.getLogger(ERROR_LOG)


class Pulls(Protocol):
    """What is needed of the loop."""

    def report(self, event: ClientEvent) -> None:
        """Tell the core an event, now or when it is done with what it does."""

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call a function on the thread that ticks, in its next tick."""


def pull_piece(loop: Pulls, receiver: Receiver, pull: PullBody) -> None:
    """Ask for the next piece of a body, which is reported when it is there."""
    source = receiver.body.source
    if source is None:
        return
    try:
        if pull.is_first and receiver.pulls:
            source.rewind()
        receiver.pulls += 1
        piece = source.next_piece(pull.max_len)
    except EXIT_EXCEPTIONS:
        raise
    except BaseException as error:
        body_failed(loop, receiver, error)
        return
    if isinstance(piece, bytes):
        loop.report(PieceMade(pull.request, piece))
    else:
        _await_piece(loop, receiver, piece)


async def _report(loop: Pulls, receiver: Receiver, piece: Awaitable[bytes]) -> None:
    """Await a piece, and report it."""
    try:
        data = await piece
    except Exception as error:
        body_failed(loop, receiver, error)
    else:
        loop.report(PieceMade(receiver.number, data))


def _await_piece(loop: Pulls, receiver: Receiver, piece: Any) -> None:
    """Have a piece awaited by the asyncio loop that runs here."""
    import asyncio  # a program without coroutines has no other use for it

    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        piece.close()
        error = TypeError("the body is an asynchronous iterable, which is sent under asyncio only")
        body_failed(loop, receiver, error)
    else:
        receiver.task = running.create_task(_report(loop, receiver, piece))


def body_failed(loop: Pulls, receiver: Receiver, error: BaseException) -> None:
    """The body of a request cannot be made: the request fails with what was raised."""
    write_text(_LOG, logging.ERROR, error_text("the body of a request raised", error))
    receiver.deferred.complete(error)
    what = f"its body raised {type(error).__name__}"
    loop.report(RequestAbandoned(receiver.number, FailureKind.BODY, what))
