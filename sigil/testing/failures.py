"""Failures of the program behind the server, noticed for the test.

Theory: the server makes a 500 and a line in the log of whatever user code raises, which is right
for clients and hides the place from a test. So what a handler raises is kept as it passes, and what
is only logged is overheard.

Rules: nothing is changed on the way: the server sees what it would have seen. Bad input is an
answer, no failure. It does not know what a test makes of it.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..core.effects import Log
from ..core.http.request import BadInput, Request
from ..shell.program.handlers import Handler
from ..shell.program.tracebacks import EXIT_EXCEPTIONS

ERROR_LOG = "sigil.error"


class ErrorLogHandler(logging.Handler):
    """Hears what is logged about user code without an effect of the core: failures of callbacks and
    of endings.
    """

    def __init__(self, log: list[Log]) -> None:
        super().__init__(logging.DEBUG)
        self._log = log
        self._is_muted = False
        self._thread = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, if it is about this server."""
        if not self._is_muted and record.thread == self._thread:
            self._log.append(Log(record.name, record.levelno, record.getMessage()))

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Listen to the log of errors meanwhile."""
        logger = logging.getLogger(ERROR_LOG)
        self._thread = threading.get_ident()
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Hear nothing meanwhile."""
        self._is_muted = True
        try:
            yield
        finally:
            self._is_muted = False


def recording_failures(handler: Handler, errors: list[BaseException]) -> Callable[[Request], Any]:
    """The same handler, with what it raises kept, if that is a failure and not an answer or
    an end.
    """

    def call(request: Request) -> Any:
        try:
            return handler(request)
        except (BadInput, *EXIT_EXCEPTIONS):
            raise
        except BaseException as error:
            errors.append(error)
            raise

    return call
