"""The handler of `sigil stream`: lines become messages on topics, and clients subscribe.

Theory: every line is broadcast, once, whoever is subscribed; topics decide which clients receive
it, and the server's history what a new subscriber is sent first. So this program is a function from
a line to a message and a topic, a table of routes, and four figures.

Rules: a line in UTF-8 is a text message, any other a binary one, byte for byte (event streams are
text, so they skip it). With a topic field, a line that is a JSON object is published on the topic
in that field, a string or a number as it is written; every other line goes to all subscribers, and
so does one nested so deeply that JSON parsers differ on whether they accept it. A line that is too
long is not published, and the log reports the first one, the tenth, the hundredth, so that the log
is not flooded as well. Nothing is compressed unless that was asked for: it takes many times as long
as everything else, and the program that writes the lines would have to wait.

It does not know where lines come from, nor when: `loop` does.
"""

import json
import logging
import re
from collections import deque
from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

from sigil import (
    ALL_TOPICS,
    BadInput,
    HttpServer,
    Limits,
    Request,
    Response,
    client_module,
)
from sigil.apps.page import page_response, read_page
from sigil.apps.stream.lines import Line, Lines, feed, finish
from sigil.apps.topics import requested_topics

_LOG = logging.getLogger("sigil.server")

MAX_LINES_PER_TICK = 4_096
"""Lines broadcast between two ticks: they take a hundredth of a second, and clients must be served
meanwhile.
"""
RING_LEN = 64 * 2**20
"""Bytes of lines held for clients that lag, at least: twice what is held by default, since nothing
but lines is served, and a page is slow to show a burst of long ones.
"""
RING_FRAMES = 262_144
"""Lines held for clients that lag: most of a second of the fastest input.

This many lines of 256 bytes fill the ring, so for shorter ones this is the bound. Full of them,
with one client, the ring takes 24 MiB more than with a quarter; the bound of all that a server can
hold (`http_server_footprint`) grows from 2.1 to 2.4 GiB by it.
"""
RING_LINES = 4
"""How many of the longest lines the ring holds at least, in all encodings."""
ENCODINGS, COMPRESSED_ENCODINGS = 2, 2
"""Encodings of one line on the ring: a frame, and an event if there are event streams. With
compression, two more: Zstandard, and deflate with the window of browsers (clients with other
windows make the ring hold fewer lines).
"""
ENCODING_OVERHEAD = 64
"""Bytes of an encoding beside the line, at most: the header of a frame, the id of an event."""

METHODS = ("GET", "HEAD")
NO_SNIFF = (("X-Content-Type-Options", "nosniff"),)
"""Lines are text from elsewhere: no browser may take them for a script, whatever they look like."""
NO_STORE = (("Cache-Control", "no-store"),)
COUNT = re.compile(r"0*([0-9]+)")
MAX_DEPTH = 200
"""The nesting depth of a line that has a topic, at most; the page has the same constant. Python's
parser fails at a depth that depends on its version and its caller, those of browsers never.
"""
NO_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^][{}"]+')
STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class Rules(NamedTuple):
    """The settings about lines: `history` and `max_line` are in lines and bytes, an empty
    `topic_field` is none.
    """

    history: int
    topic_field: str
    max_line: int
    is_compressing: bool = False


def limits_for(rules: Rules) -> Limits:
    """The limits of a server that streams lines, with a ring for the longest ones and for many
    short ones.
    """
    encodings = ENCODINGS + COMPRESSED_ENCODINGS * rules.is_compressing
    longest_lines = RING_LINES * encodings * (rules.max_line + ENCODING_OVERHEAD)
    return Limits(
        history_messages=rules.history,
        max_ws_send_frame_cnt=max(RING_FRAMES, 2 * rules.history),
        outgoing_buffer_sz=max(RING_LEN, longest_lines),
        permessage_deflate=rules.is_compressing,
        compress_websocket=rules.is_compressing,
    )


# -- messages --------------------------------------------------------------------------------------


def message_of(line: bytes) -> str | bytes:
    """The message for a line: text if the line is UTF-8, else its bytes."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line


def topic_of(message: str | bytes, field: str) -> str | None:
    """The topic of a message: the value of `field`, if the message is a JSON object that has one.

    None if it goes to all subscribers.
    """
    if not field or isinstance(message, bytes) or not message.lstrip().startswith("{"):
        return None
    try:
        members = json.loads(
            message, parse_int=str, parse_float=str, parse_constant=_reject_constant
        )
        value = members[field]
    except (ValueError, KeyError, RecursionError):
        return None
    return value if isinstance(value, str) and not is_deep(message) else None


def is_deep(text: str) -> bool:
    """True for valid JSON that is nested deeper than `MAX_DEPTH`."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    return max(accumulate(map(STEPS.__getitem__, NO_BRACKETS.sub("", text)))) > MAX_DEPTH


def _reject_constant(name: str) -> None:
    """Raise ValueError for NaN and infinities, which Python's parser accepts and JSON lacks."""
    raise ValueError(f"{name} is not JSON")


# -- queries ---------------------------------------------------------------------------------------


def requested_history(request: Request, max_count: int) -> int:
    """The number of past lines in the query, `?history=n`, limited to `max_count`, its default.

    `BadInput` if it is no number.
    """
    text = request.args.get("history")
    if text is None:
        return max_count
    match = COUNT.fullmatch(text)
    if match is None:
        raise BadInput(f"history is a number from 0; there are never more than {max_count} lines")
    # Digits are counted first: int() of a very long text is slow, and refused by Python.
    if len(match[1]) > len(str(max_count)):
        return max_count
    return min(int(match[1]), max_count)


def is_power_of_ten(count: int) -> bool:
    """True for 1, 10, 100 and so on."""
    return bool(re.fullmatch("10*", str(count)))


def page_text() -> str:
    """The source of the page."""
    return read_page("stream/stream.html")


# -- the program -----------------------------------------------------------------------------------


class LineStream:
    """Lines between the input and the clients, and the handler that serves them."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.line_count = 0
        self.skipped_count = 0
        self._server: HttpServer | None = None
        """What the lines are published by; None before the first."""
        self.has_ended = False
        """The input has ended, and all of it is published."""
        self._is_ending = False
        self._lines = Lines(rules.max_line)
        self._pending: deque[Line] = deque()
        """Lines of the last read that are not published yet; nothing is read until they are, so
        they are bounded.
        """
        page = page_response(page_text())
        self._routes: dict[str, Callable[[Request], Response]] = {
            "/": lambda request: page,
            "/ws": self._websocket,
            "/events": self._events,
            "/poll": self._poll,
            "/stream.json": self._figures,
            "/sigil-client.js": client_module,
        }

    # -- lines -------------------------------------------------------------------------------------

    @property
    def has_pending(self) -> bool:
        """True if `publish` has lines to publish, or the end of the input to log."""
        return bool(self._pending) or self._is_ending is not self.has_ended

    def feed(self, data: bytes) -> None:
        """Take bytes that were read."""
        self._lines, completed = feed(self._lines, data)
        self._pending += completed

    def end(self) -> None:
        """Take the end of the input."""
        self.flush_partial_line()
        self._is_ending = True

    def flush_partial_line(self) -> None:
        """Make a line of what has no line end yet, because no more will be read."""
        self._pending += finish(self._lines)
        self._lines = Lines(self.rules.max_line)

    def publish(self, server: HttpServer) -> None:
        """Broadcast pending lines, as many as one tick should; they are sent in the next tick."""
        pending, field, broadcast = self._pending, self.rules.topic_field, server.broadcast
        for _ in range(min(len(pending), MAX_LINES_PER_TICK)):
            line = pending.popleft()
            self.line_count += 1
            if line is None:
                self._skip_line()
                continue
            message = message_of(line)
            broadcast(message, topic=topic_of(message, field))
        self._server = server
        if self._is_ending and not pending and not self.has_ended:
            self.has_ended = True
            self._log_end()

    def _log_end(self) -> None:
        """Log the end of the input, once everything is published."""
        sentence = f"standard input has ended after {self.line_count} lines"
        if self.skipped_count:
            sentence += f", of which {self.skipped_count} were too long to be published"
        _LOG.info("%s", sentence)

    def _skip_line(self) -> None:
        """Count a line that was too long, and log it if the count is a power of ten."""
        self.skipped_count += 1
        if is_power_of_ten(self.skipped_count):
            _LOG.warning(
                "line %d is longer than --max-line, %d bytes, and was not published (%d so far)",
                self.line_count,
                self.rules.max_line,
                self.skipped_count,
            )

    # -- requests ----------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """The response to a request: the server's handler."""
        route = self._routes.get(request.path)
        if route is None:
            return Response.error(404, f"there are {', '.join(self._routes)}")
        if request.method not in METHODS:
            return Response.error(405, headers=(("Allow", ", ".join(METHODS)),))
        return route(request)

    def _websocket(self, request: Request) -> Response:
        """`/ws`: a WebSocket that is subscribed to the requested topics."""
        return Response.upgrade(
            topics=requested_topics(request) or ALL_TOPICS,
            history=requested_history(request, self.rules.history),
        )

    def _events(self, request: Request) -> Response:
        """`/events`: an event stream of the requested topics."""
        return Response.sse(
            topics=requested_topics(request) or ALL_TOPICS,
            history=requested_history(request, self.rules.history),
            after=request.args.get("after"),
            headers=NO_SNIFF,
        )

    def _poll(self, request: Request) -> Response:
        """`/poll`: a long-poll for lines of the requested topics."""
        return Response.poll(
            topics=requested_topics(request) or ALL_TOPICS,
            history=requested_history(request, self.rules.history),
            after=request.args.get("after"),
            headers=(*NO_STORE, *NO_SNIFF),
        )

    def _figures(self, request: Request) -> Response:
        """`/stream.json`: the settings and the counters."""
        figures: dict[str, Any] = {
            "topic_field": self.rules.topic_field or None,
            "history": self.rules.history,
            "max_line_bytes": self.rules.max_line,
            "lines": self.line_count,
            "skipped": self.skipped_count,
            "has_ended": self.has_ended,
            "position": self._server.position() if self._server is not None else None,
        }
        return Response.json(figures, headers=(*NO_STORE, *NO_SNIFF))
