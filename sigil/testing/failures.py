"""The failures of the program behind the server, recorded for the test.

Theory: the server makes a 500 and a log record of whatever user code raises, which is right for
clients and hides the place from a test. So what a handler raises is recorded as it passes, and so
is each record on the error log.

Rules: nothing is changed on the way: the server sees what it would have seen. `BadInput` is an
answer and no failure. It does not know what a test does with the failures: `client` does.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..core.effects import Log
from ..core.http.decoding import BadInput
from ..core.http.request import Request
from ..shell.program.handlers import Handler
from ..shell.program.tracebacks import EXIT_EXCEPTIONS

ERROR_LOG = "sigil.error"


class ErrorLogHandler(logging.Handler):
    """Records what is logged about user code without an effect of the core.

    These are the failures of callbacks and of streams that are closed.
    """

    def __init__(self, log: list[Log]) -> None:
        super().__init__(logging.DEBUG)
        self._log = log
        self._is_muted = False
        self._thread = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Add a record to the log, if it comes from this server's thread and is not muted."""
        if not self._is_muted and record.thread == self._thread:
            self._log.append(Log(record.name, record.levelno, record.getMessage()))

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Record what is logged on the error log within the block."""
        logger = logging.getLogger(ERROR_LOG)
        self._thread = threading.get_ident()
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Record nothing within the block."""
        self._is_muted = True
        try:
            yield
        finally:
            self._is_muted = False


def recording_failures(handler: Handler, errors: list[BaseException]) -> Callable[[Request], Any]:
    """A handler that calls `handler` and adds what it raises to `errors`.

    `BadInput`, which is an answer, and exceptions that end the process are not added.
    """

    def call(request: Request) -> Any:
        try:
            return handler(request)
        except (BadInput, *EXIT_EXCEPTIONS):
            raise
        except BaseException as error:
            errors.append(error)
            raise

    return standing_for(handler, call)


def standing_for(handler: Handler, call: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """A function that is called in the place of a handler, with all that a handler may have."""
    for name in ("before_body", "asks_above", "startup", "shutdown", "living_handlers"):
        if hasattr(handler, name):
            setattr(call, name, getattr(handler, name))
    call.__wrapped__ = handler  # type: ignore[attr-defined]  # as of functools.wraps
    return call
