"""Exceptions and objects that resist being told of.

Theory: a server that reports a mistake has to look at it, and looking runs code: `str`, a property,
a metaclass. So the worst mistakes are not those that are made but those that cannot be described.

Rules: everything here is legal Python, and most of it can come about by accident. Tests that meet
these things run inside `contained`, for no tool that shows exceptions could show some of them. It
does not know what is done with them.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from sigil import BadInput


class Speechless(Exception):
    """It cannot be written down."""

    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __str__


class SpeechlessInput(BadInput):
    """Bad input whose sentence cannot be had."""

    def __str__(self) -> str:
        raise ValueError("no words")


class StatuslessInput(BadInput):
    """Bad input whose status cannot be had."""

    def __init__(self) -> None:
        pass

    @property
    def status(self) -> int:  # type: ignore[override]
        raise RuntimeError("no status")


class Noted(Exception):
    """Its notes, which a traceback wants to show, cannot be had."""

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise RuntimeError("no notes")


class Cause(Exception):
    """It is its own cause."""

    def __init__(self) -> None:
        super().__init__("round and round")
        self.__cause__ = self


def broken_syntax_error() -> SyntaxError:
    """A syntax error that no traceback can show."""
    error = SyntaxError("odd", ("file", 1, 1, "text"))
    error.text = 5  # type: ignore[assignment]
    return error


class Faceless:
    """Whoever asks what it is gets an exception."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("no class")


RAISED: dict[str, BaseException] = {
    "speechless": Speechless(),
    "own cause": Cause(),
    "cancelled": asyncio.CancelledError(),
    "generator exit": GeneratorExit(),
    "stop iteration": StopIteration(1),
    "base": BaseException("base"),
    "group": BaseExceptionGroup("several", [KeyboardInterrupt(), Speechless()]),
    "input without words": SpeechlessInput("x"),
    "input without status": StatuslessInput(),
    "without notes": Noted(),
    "odd syntax error": broken_syntax_error(),
}
OUTRAGES = {
    "error": LookupError("odd"),
    "cancelled": asyncio.CancelledError(),
    "generator exit": GeneratorExit(),
    "speechless": Speechless(),
}
"""A few of them, of each kind that is told apart."""


@contextmanager
def contained() -> Iterator[None]:
    """What leaves the block is an AssertionError with a name: no tool could show some of these
    exceptions.
    """
    escaped = ""
    try:
        yield
    except AssertionError as error:
        escaped = str(error)
    except BaseException as error:
        escaped = f"{type(error).__name__} left the server"
    if escaped:
        raise AssertionError(escaped) from None
