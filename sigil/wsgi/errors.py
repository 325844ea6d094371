"""`wsgi.errors`: a text stream for whatever an application has to report, which is the error log.

Theory: PEP 3333 gives an application a file to write errors to, and a server has a log. So what is
written becomes records of that, one for each write that ends a line: `print` writes its parts and
the line end one by one, and a traceback in one write is one record.

Rules: threads write to one stream, and do not get into each other's lines. What is left without a
line end is logged when it is flushed. What a handler of logs raises is raised in the application,
which has written it.
"""

import logging
import threading
from collections.abc import Iterable


class ErrorStream(threading.local):
    """A text stream that can be written to, whose lines become records of a log."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self.pending = ""
        """What this thread has written, and no line end behind it."""

    def write(self, text: str) -> int:
        """Write a text; its length is returned. TypeError for what is no str."""
        if not isinstance(text, str):
            raise TypeError(f"wsgi.errors takes str, not {type(text).__name__}")
        self.pending += text
        if text.endswith("\n"):
            self.flush()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, one behind the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Log what was written."""
        text, self.pending = self.pending.rstrip("\n"), ""
        if text:
            self._logger.error("%s", text)
