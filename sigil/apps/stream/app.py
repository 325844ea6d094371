"""What `sigil stream` says and answers: lines become messages, and clients say which they want.

Theory: everything that is read is broadcast, once, whoever listens; who hears what is decided by
topics, and what a newcomer hears of the past by the server's history. So this program is a function
from a line to a message and a topic, a table of addresses, and four figures.

Rules: a line in UTF-8 is a text message, any other a binary one, byte for byte (event streams are
texts, so they skip it). With a topic field, a line that is a JSON object is published on the topic
which that field names, by a string or a number as it is written; every other line is for everybody,
and so is one nested so deep that readers of JSON differ on whether they can read it. A WebSocket
that asks for it is told where the past ends, by what no line can be. A line that is too long is not
sent, and the log says so when the first is met, the tenth, the hundredth: never so often that the
log is what is flooded. Nothing is compressed unless that was asked for: it takes many times as long
as all the rest, and whoever writes the lines would wait for it.

It does not know where lines come from, nor when: `stream_input` does.
"""

import json
import logging
import re
from collections import deque
from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

from sigil import BadInput, Callbacks, Conn, HttpServer, Limits, Request, Response
from sigil.apps.page import page_response, read_page
from sigil.apps.stream.lines import Line, Lines, feed, finish
from sigil.browser.client_module import client_module
from sigil.core.broadcast.entry import format_position

_LOG = logging.getLogger("sigil.server")

LINES_PER_TURN = 4_096
"""Lines broadcast between two ticks: so many take a hundredth of a second, and clients are to be
served meanwhile.
"""
RING_FRAMES = 262_144
"""Lines kept for clients that are behind: most of a second of the densest flood.

Lines of 256 bytes fill the default ring with so many, so for shorter ones this is the bound. Full
of them, with one client, it is 24 MiB more than with a quarter; the bound of all that a server can
hold, 41 GiB with all places taken by the worst of clients, becomes 50.
"""
RING_LINES = 4
"""How many of the longest lines the ring holds at least, in all forms."""
FORMS, COMPRESSED_FORMS = 2, 2
"""What the ring holds of one line: a frame, and an event if anybody hears events. With compression,
two more at most: Zstandard, and deflate with the window of browsers (clients with other windows
make it hold fewer lines).
"""
FORM_LEN = 64
"""Bytes that a form takes beside the line, at most: the head of a frame, the id of an event."""

METHODS = ("GET", "HEAD")
NO_SNIFF = (("X-Content-Type-Options", "nosniff"),)
"""Lines are somebody else's text: no browser is to take them for a script, whatever they look like.
"""
NO_STORE = (("Cache-Control", "no-store"),)
COUNT = re.compile(r"0*([0-9]+)")
MARK = "\n"
"""What the message begins with that is no line: no line has it."""
NESTED_MOST = 200
"""Objects and lists within each other in a line that has a topic, at most, which the page knows
too. Python's reader gives up at some depth that depends on its version and its caller, those of
browsers never.
"""
NO_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^][{}"]+')
STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
EVERYTHING = "*"
"""The topic of those who hear every topic."""


class Rules(NamedTuple):
    """What the command was told about lines; an empty `topic_field` is none."""

    history: int
    topic_field: str
    max_line: int
    is_compressing: bool = False


def limits_for(rules: Rules) -> Limits:
    """The limits of a server that streams lines: a ring that holds the longest of them, and many
    short ones.
    """
    forms = FORMS + COMPRESSED_FORMS * rules.is_compressing
    return Limits(
        history_messages=rules.history,
        max_ws_send_frame_cnt=max(RING_FRAMES, 2 * rules.history),
        outgoing_buffer_sz=max(
            Limits().outgoing_buffer_sz, RING_LINES * forms * (rules.max_line + FORM_LEN)
        ),
        permessage_deflate=rules.is_compressing,
        compress_websocket=rules.is_compressing,
    )


# -- messages --------------------------------------------------------------------------------------


def message_of(line: bytes) -> str | bytes:
    """The message that a line is: text if it is UTF-8."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line


def topic_of(message: str | bytes, field: str) -> str | None:
    """The topic of a message, if it is a JSON object that has one in this field; None if it is for
    everybody.
    """
    if not field or isinstance(message, bytes) or not message.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(message, parse_int=str, parse_float=str, parse_constant=_no_number)[
            field
        ]
    except (ValueError, KeyError, RecursionError):
        return None
    return value if isinstance(value, str) and not is_deep(message) else None


def is_deep(text: str) -> bool:
    """True for valid JSON in which more than `NESTED_MOST` objects and lists are within each other."""
    if text.count("[") + text.count("{") <= NESTED_MOST:
        return False
    return max(accumulate(map(STEPS.__getitem__, NO_BRACKETS.sub("", text)))) > NESTED_MOST


def _no_number(name: str) -> None:
    """NaN and its like, which Python's reader takes and JSON does not have."""
    raise ValueError(f"{name} is not JSON")


# -- what clients ask for --------------------------------------------------------------------------


def topics_asked(request: Request) -> tuple[str, ...]:
    """The topics that `?topic=a&topic=b` asks for; everything without any."""
    return tuple(value for name, value in request.arg_list if name == "topic") or (EVERYTHING,)


def history_asked(request: Request, most: int) -> int:
    """How many of the last lines `?history=n` asks for, `max_frames` at most and without it;
    `BadInput` if it is no number.
    """
    asked = request.args.get("history")
    if asked is None:
        return most
    match = COUNT.fullmatch(asked)
    if match is None:
        raise BadInput(f"history is a number from 0; there are never more than {most} lines")
    return most if len(match[1]) > len(str(most)) else min(int(match[1]), most)


def place_now(server: HttpServer) -> str:
    """Where in the stream everybody is who has heard all that was published: what the last event
    has for its id.
    """
    broadcast = server.state.broadcast
    return format_position(broadcast.ring.epoch, broadcast.next_number - 1)


def is_round(count: int) -> bool:
    """True for 1, 10, 100 and so on."""
    return bool(re.fullmatch("10*", str(count)))


def page_text() -> str:
    """The page, as it is written."""
    return read_page("stream/stream.html")


# -- the program -----------------------------------------------------------------------------------


class LineStream:
    """Lines on their way from the input to the clients, and what is told about them."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.line_count = 0
        self.skipped_count = 0
        self.has_ended = False
        """The input has ended, and all of it is said."""
        self._is_ending = False
        self._lines = Lines(rules.max_line)
        self._waiting: deque[Line] = deque()
        """Lines of the last read that were not broadcast yet: no more is read meanwhile, so they
        are bounded.
        """
        page = page_response(page_text())
        self._routes: dict[str, Callable[[Request], Response]] = {
            "/": lambda request: page,
            "/ws": self._websocket,
            "/events": self._events,
            "/stream.json": self._about,
            "/sigil-client.js": client_module,
        }

    # -- lines -------------------------------------------------------------------------------------

    @property
    def is_waiting(self) -> bool:
        """True if there is something to publish, or the end of it to be told."""
        return bool(self._waiting) or self._is_ending is not self.has_ended

    def take(self, data: bytes) -> None:
        """Bytes were read."""
        self._lines, found = feed(self._lines, data)
        self._waiting += found

    def end(self) -> None:
        """There is no more to read."""
        self.break_off()
        self._is_ending = True

    def break_off(self) -> None:
        """No more will be read, but not because there is no more: the line that has begun is said
        as it is.
        """
        self._waiting += finish(self._lines)
        self._lines = Lines(self.rules.max_line)

    def publish(self, server: HttpServer) -> None:
        """Broadcast what was read, as much as is good for one turn: it leaves with the next tick."""
        waiting, field, broadcast = self._waiting, self.rules.topic_field, server.broadcast
        for _ in range(min(len(waiting), LINES_PER_TURN)):
            line = waiting.popleft()
            self.line_count += 1
            if line is None:
                self._skip()
                continue
            message = message_of(line)
            broadcast(message, topic=topic_of(message, field))
        if self._is_ending and not waiting and not self.has_ended:
            self.has_ended = True
            too_long = (
                f", of which {self.skipped_count} were too long to be sent"
                if self.skipped_count
                else ""
            )
            _LOG.info("standard input has ended; its lines: %d%s", self.line_count, too_long)

    def _skip(self) -> None:
        """A line was too long."""
        self.skipped_count += 1
        if is_round(self.skipped_count):
            _LOG.warning(
                "line %d is longer than --max-line, %d bytes, and was not sent (%d so far)",
                self.line_count,
                self.rules.max_line,
                self.skipped_count,
            )

    # -- answers -----------------------------------------------------------------------------------

    def answer(self, request: Request) -> Response:
        """The handler."""
        route = self._routes.get(request.path)
        if route is None:
            return Response.error(404, f"there are {', '.join(self._routes)}")
        if request.method not in METHODS:
            return Response.error(405, headers=(("Allow", ", ".join(METHODS)),))
        return route(request)

    @property
    def callbacks(self) -> Callbacks:
        """To tell newcomers where they are."""
        return Callbacks(ws_open=self._mark)

    def _mark(self, server: HttpServer, conn: Conn, request: Request) -> None:
        """Tell who has asked where the past ends: behind it comes this, and then what is new."""
        if request.args.get("mark") == "1":
            server.send(conn, MARK + place_now(server))

    def _websocket(self, request: Request) -> Response:
        return Response.upgrade(
            topics=topics_asked(request), history=history_asked(request, self.rules.history)
        )

    def _events(self, request: Request) -> Response:
        return Response.sse(
            topics=topics_asked(request),
            history=history_asked(request, self.rules.history),
            headers=NO_SNIFF,
        )

    def _about(self, request: Request) -> Response:
        figures: dict[str, Any] = {
            "topic_field": self.rules.topic_field or None,
            "history": self.rules.history,
            "max_line_bytes": self.rules.max_line,
            "lines": self.line_count,
            "skipped": self.skipped_count,
            "has_ended": self.has_ended,
        }
        return Response.json(figures, headers=(*NO_STORE, *NO_SNIFF))
