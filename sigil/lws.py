"""What users of libwebsockets look for, and what has no better place: log levels, the kinds of
`lws_write`, a page for a status, names of this machine and of this version.

    from sigil import lws

    lws.set_log_level(lws.LogLevel.ERR | lws.LogLevel.WARN | lws.LogLevel.NOTICE)

Theory: most of libwebsockets is a method of a server here, or an argument; docs/parity.md has a row
for each of its names. What is left are small functions that need no server.

Rules: nothing here is another way to do what a server does: `write` calls `send` and `ping`. It
does not know connections.
"""

import html as _html
import logging
import socket
import sys
import time
from collections.abc import Callable
from enum import IntEnum, IntFlag
from http import HTTPStatus

import sigil

from .core.conn import Conn
from .core.control import TimeoutReason
from .core.effects import SERVER_LOG
from .core.http.response import Response
from .core.send_status import SendStatus
from .shell.control import Controlling

PAGE_MAX = 1_024
"""Bytes of a page that `return_http_status` makes, at most."""


class LogLevel(IntFlag):
    """What is logged; the numbers are those of libwebsockets."""

    ERR = 1
    WARN = 2
    NOTICE = 4
    INFO = 8
    DEBUG = 16
    PARSER = 32
    HEADER = 64
    EXT = 128
    CLIENT = 256
    LATENCY = 512


DEFAULT_LEVELS = LogLevel.ERR | LogLevel.WARN | LogLevel.NOTICE

LOGGERS = {
    LogLevel.PARSER: "sigil.parser",
    LogLevel.HEADER: "sigil.header",
    LogLevel.EXT: "sigil.ext",
    LogLevel.CLIENT: "sigil.client",
    LogLevel.LATENCY: "sigil.latency",
}
"""The loggers of what libwebsockets has levels for; all else is "sigil" and the other loggers below
it.
"""
NOTICE_LOGGERS = (SERVER_LOG,)
"""Whose lines of level INFO are what libwebsockets has as NOTICE: a server that begins and ends, a
connection that was closed for a reason.
"""


def level_of(record: logging.LogRecord) -> LogLevel:
    """The level that libwebsockets would give a line."""
    for level, name in LOGGERS.items():
        if record.name == name and record.levelno < logging.WARNING:
            return level
    if record.levelno >= logging.ERROR:
        return LogLevel.ERR
    if record.levelno >= logging.WARNING:
        return LogLevel.WARN
    if record.levelno < logging.INFO:
        return LogLevel.DEBUG
    return LogLevel.NOTICE if record.name in NOTICE_LOGGERS else LogLevel.INFO


class TimestampFormatter(logging.Formatter):
    """Lines as libwebsockets writes them: when, at which level, and what."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return timestamp(level_of(record), record.created) + super().format(record)


def timestamp(level: LogLevel, unix_time: float | None = None) -> str:
    """The beginning of a line: the time of this machine, now or of that moment, and the level.

    `timestamp(LogLevel.WARN, 0.5)` is `[1970/01/01 00:00:00:5000] WARN:` and a space, where clocks
    show UTC.
    """
    now = time.time() if unix_time is None else unix_time
    whole = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(int(now)))
    return f"[{whole}:{int(now % 1 * 10_000):04}] {level.name}: "


class _Emitter(logging.Handler):
    """Writes the lines of some levels with a function."""

    def __init__(self, levels: LogLevel, emit: Callable[[LogLevel, str], object] | None) -> None:
        super().__init__()
        self._levels, self._emit = levels, emit
        self.setFormatter(TimestampFormatter() if emit is None else logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, if it is of one of the levels."""
        level = level_of(record)
        if not level & self._levels:
            return
        if self._emit is None:
            sys.stderr.write(self.format(record) + "\n")
        else:
            self._emit(level, self.format(record))


def set_log_level(
    levels: LogLevel | int = DEFAULT_LEVELS,
    emit: Callable[[LogLevel, str], object] | None = None,
) -> None:
    """Write the lines of these levels to standard error, with the time, or hand each to
    `emit(level, line)`: those of the logger "sigil" and of all below it, in the place of what was
    set so before.

    A program that has set up `logging` needs none of this. The access log is a line for each
    request, at INFO.
    """
    levels = LogLevel(levels)
    logger = logging.getLogger("sigil")
    for handler in logger.handlers[:]:
        if isinstance(handler, _Emitter):
            logger.removeHandler(handler)
    logger.addHandler(_Emitter(levels, emit))
    logger.setLevel(_lowest(levels))
    logger.propagate = False


def _lowest(levels: LogLevel) -> int:
    """The level of `logging` from which on lines are looked at."""
    if levels >= LogLevel.DEBUG:
        return logging.DEBUG
    if levels & (LogLevel.INFO | LogLevel.NOTICE):
        return logging.INFO
    return logging.WARNING if levels & LogLevel.WARN else logging.ERROR


class WriteKind(IntEnum):
    """The kinds of `lws_write` that a program has a use for; the numbers are those of
    libwebsockets.
    """

    TEXT = 0
    BINARY = 1
    PING = 5


def write(server: Controlling, conn: Conn, data: bytes | str, kind: WriteKind) -> SendStatus:
    """Send a message of this kind, whole: `server.send`, or `server.ping`. ValueError for a text
    that is not UTF-8.
    """
    kind = WriteKind(kind)
    if kind is WriteKind.TEXT:
        return server.send(conn, data if isinstance(data, str) else bytes(data).decode())
    payload = data.encode() if isinstance(data, str) else bytes(data)
    return server.ping(conn, payload) if kind is WriteKind.PING else server.send(conn, payload)


def return_http_status(code: int, html: str | None = None) -> Response:
    """A small page with the status, and this text below it, in which HTML has no meaning; without
    one the response has no body. ValueError for a status that is none, or a text that makes a page
    of more than `PAGE_MAX` bytes.
    """
    if html is None:
        return Response.bytes(b"", status=code)
    page = f"<!doctype html><title>{code}</title><h1>{code}</h1>{_html.escape(html)}"
    if len(page.encode()) > PAGE_MAX:
        raise ValueError(f"the page of a status has {PAGE_MAX} bytes at most")
    return Response.html(page, status=code)


def library_version() -> str:
    """The name and version of this library."""
    return f"sigil {sigil.__version__}"


def canonical_hostname() -> str:
    """The name that this machine has for itself; nobody is asked."""
    return socket.gethostname()


__all__ = [
    "DEFAULT_LEVELS",
    "HTTPStatus",
    "LogLevel",
    "TimeoutReason",
    "TimestampFormatter",
    "WriteKind",
    "canonical_hostname",
    "library_version",
    "return_http_status",
    "set_log_level",
    "timestamp",
    "write",
]
