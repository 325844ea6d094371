"""What a server reports to its program: events as values, and their names and numbers.

Theory: a program of the Evo runtime knows its server by the events that come from it. Each has a
name, by which it is handled, and a number, which its record carries. A record is a value, so that a
trace of what has happened is a list that can be compared with another.

Rules: the numbers 0 to 10 are those of the runtime, and never change. The client of an event may be
gone when it is handled. It does not know who handles events, nor when.
"""

from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

M = TypeVar("M", covariant=True)

SERVER = "SERVER"
"""The client of an event that concerns the server as a whole."""

ASYNC_POLLING_UPDATE = "ASYNC_POLLING_UPDATE"
"""The event that comes after each poll. It has no number, no record and no arguments."""


class EventType(IntEnum):
    """The events that are deferred, with the numbers that they have in the Evo runtime."""

    UNKNOWN_OR_INVALID_WEBSERVER_EVENT = 0
    """What was deferred is no event; `message` is what it was."""
    WEBSOCKET_CONNECTION_ESTABLISHED = 1
    """A WebSocket is open; `message` is empty."""
    WEBSOCKET_MESSAGE_RECEIVED = 2
    """A message: a str of opcode 1, bytes of opcode 2."""
    WEBSOCKET_CONNECTION_CLOSED = 3
    """A WebSocket has ended with `code`; `message` is why, in words."""
    SERVER_STARTED_LISTENING = 4
    """`message` is the port, as a str."""
    SERVER_STOPPED_LISTENING = 5
    """`message` is "Going Away"."""
    HTTP_REQUEST_STARTED = 6
    """The head of a request is there, and its id is valid; `message` is empty."""
    HTTP_DATA_RECEIVED = 7
    """A piece of the body, and more to come; `message` is the piece."""
    HTTP_REQUEST_FINISHED = 8
    """The last piece of the body, which may be empty; `message` is the piece."""
    HTTP_CONNECTION_ABORTED = 9
    """Nobody waits for the response any more; the id is invalid, and `message` is empty."""
    HTTP_CONNECTION_WRITABLE = 10
    """A response that is streamed can take more; `message` is the offset of the next byte."""
    WEBSOCKET_BACKPRESSURE = 11
    """A client has begun to be behind: `message` is how many bytes it has not taken; or it has
    taken all: `message` is 0. Of sigil, not of the runtime.
    """


EVENT_NAMES = frozenset((*EventType.__members__, ASYNC_POLLING_UPDATE))
"""The names of all events."""


class Event(NamedTuple, Generic[M]):
    """One event: its type, the client or request that it is about, and what has come with it."""

    type: EventType
    client_id: str
    message: M
    opcode: int | None = None
    """1 for a text message and 2 for a binary one."""
    code: int | None = None
    """The close code of a WebSocket that has ended."""


class UnknownEvent(LookupError):
    """There is no event of this name, or what was deferred is none."""


def event_name(event: object) -> str:
    """The name of an event, which is given by name or by type; `UnknownEvent` if there is none."""
    if isinstance(event, EventType):
        return event.name
    if isinstance(event, str) and event in EVENT_NAMES:
        return event
    raise UnknownEvent(f"there is no event {event!r}, but {', '.join(sorted(EVENT_NAMES))}")
