"""The turns and the servers of a recording, without what is redacted.

Theory: what is secret is in what came (bytes, in whatever pieces), in what the program has
answered, sent and published, and in what a server holds of both. Each event is written as another
event of the same lengths. A server is written with its records as they are, and nothing readable in
them: whatever bytes it holds are made unreadable, but for the few that the core reads again.

Rules: what is not known to be harmless is hidden. A client whose connection ends in an error, or
that is not read any more, is hidden from there on. Lengths of what was compressed are not the same
when it is compressed again. It does not know files.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final

from ..broadcast.upstream import UpstreamJoined, UpstreamPublished
from ..conn import Conn
from ..connection.client import Client, Phase
from ..control import DeliveryHeld
from ..events import (
    CloseRequested,
    Delivered,
    Event,
    HandlerFailed,
    HandlerReturned,
    Postponed,
    Publish,
    Received,
    SendMessages,
    Stalled,
    StreamChunk,
)
from ..securing import HandshakeFailed
from ..server.slots import find_client
from ..server.state import Server
from .redaction import (
    Redaction,
    hidden,
    hidden_frame,
    hidden_message,
    hidden_request,
    hidden_response,
    hidden_text,
)
from .server_mask import FRAMES, PROXIED, ServerMask, stream_of
from .stream_mask import Part, StreamMask
from .turn import Plain

_HEADS: Final = frozenset((Phase.HEAD, Phase.BODY))
SPARE: Final = 64
"""So many streams of connections that are gone are kept, at least, until they are looked for."""


@final
class Redactor:
    """Makes turns and servers unreadable, and remembers where each client's bytes have ended."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._streams: dict[Conn, StreamMask] = {}
        self._events: Mapping[type, Callable[[Any], Event]] = {
            HandlerReturned: self._handler_returned,
            HandlerFailed: _handler_failed,
            Postponed: self._postponed,
            StreamChunk: self._stream_chunk,
            Stalled: lambda event: Stalled(
                event.conn, event.taken, tuple([hidden(piece) for piece in event.rest])
            ),
            HandshakeFailed: lambda event: event.replace(first_bytes=hidden(event.first_bytes)),
        }
        if redaction.has_messages:
            self._events = {
                **self._events,
                CloseRequested: lambda event: event.replace(text=hidden_text(event.text)),
                Delivered: lambda event: event.replace(replies=_pairs(event.replies)),
                DeliveryHeld: _delivery_held,
                SendMessages: lambda event: SendMessages(event.conn, _pairs(event.messages)),
                Publish: lambda event: Publish(_publications(event.messages)),
                UpstreamJoined: _upstream_joined,
                UpstreamPublished: _upstream_published,
            }

    def flatten(self, server: Server) -> Plain:
        """A server as a plain structure, without what is redacted."""
        return ServerMask(self._redaction).flatten(server)

    # -- events ------------------------------------------------------------------------------------

    def events(self, server: Server, events: Sequence[Event]) -> list[Event]:
        """The events of a turn, before which the server was this one."""
        masked: list[Event] = []
        for event in events:
            if type(event) is Received:
                stream = self._stream(server, event.conn)
                masked.append(Received(event.conn, stream.mask(event.data)))
            else:
                mask = self._events.get(type(event))
                masked.append(event if mask is None else mask(event))
        if len(self._streams) > 2 * server.slots.used + SPARE:
            slots = server.slots
            gone = [conn for conn in self._streams if find_client(slots, conn) is None]
            for conn in gone:
                del self._streams[conn]
        return masked

    def _stream(self, server: Server, conn: Conn) -> StreamMask:
        """Where the bytes of a client have ended."""
        client, known = find_client(server.slots, conn), self._streams.get(conn)
        if known is None:
            if client is None:  # it is gone, and nothing becomes of what came
                return StreamMask(self._redaction, Part.REST)
            known, _, _ = stream_of(client, self._redaction)
            self._streams[conn] = known
        elif client is not None:
            _agree(known, client)
        return known

    def _handler_returned(self, event: HandlerReturned) -> Event:
        responses = [hidden_response(response, self._redaction) for response in event.responses]
        return HandlerReturned(event.ticket, tuple(responses))

    def _postponed(self, event: Postponed) -> Event:
        requests = [hidden_request(request, self._redaction) for request in event.requests]
        return Postponed(event.ticket, tuple(requests))

    def _stream_chunk(self, event: StreamChunk) -> Event:
        return event.replace(data=hidden(event.data)) if self._redaction.has_body else event


def _agree(stream: StreamMask, client: Client) -> None:
    """Let a stream go on as the core does, which knows what became of a request."""
    phase = client.incoming.phase
    if phase in FRAMES:
        stream.is_upgrading = False
        if stream.part not in (Part.FRAME, Part.PAYLOAD):
            stream.part = Part.FRAME
    elif phase is Phase.HEAD:
        if stream.is_upgrading and not client.outstanding:
            stream.part, stream.is_upgrading = Part.START, False
    elif phase not in _HEADS and phase not in PROXIED:
        stream.part = Part.REST


# -- what is made of single events -----------------------------------------------------------------


def _messages(messages: Any) -> Any:
    """Messages that wait for the program."""
    return tuple([hidden_message(message) for message in messages])


def _pairs(messages: Any) -> Any:
    """Messages that are sent, each an opcode and a payload."""
    return tuple([(opcode, hidden(payload)) for opcode, payload in messages])


def _publications(messages: Any) -> Any:
    """Messages that are published."""
    return tuple(
        [(opcode, hidden(payload), topic, options) for opcode, payload, topic, options in messages]
    )


def _handler_failed(event: HandlerFailed) -> Event:
    """A handler that failed: what it has raised may say anything."""
    message, traceback = hidden_text(event.message), hidden_text(event.traceback)
    return event.replace(message=message, traceback=traceback)


def _delivery_held(event: DeliveryHeld) -> Event:
    return DeliveryHeld(event.conn, _pairs(event.replies), _messages(event.messages))


def _upstream_joined(event: UpstreamJoined) -> Event:
    if event.retained is None:
        return event
    frames = [(number, topic, hidden_frame(frame)) for number, topic, frame in event.retained]
    return event.replace(retained=tuple(frames))


def _upstream_published(event: UpstreamPublished) -> Event:
    numbers = [number for number, _ in event.messages]
    messages = _publications([message for _, message in event.messages])
    return event.replace(messages=tuple(zip(numbers, messages, strict=True)))
