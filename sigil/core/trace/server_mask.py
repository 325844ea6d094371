"""A server without what is redacted, as a plain structure.

Theory: a server holds what people have sent in many places, and in more with every version. So all
bytes in it are made unreadable, and the few that the core reads again are shown: the headers of
frames, keys, what a client has begun to send as far as it is no secret. Records with texts in them
are written as others.

Rules: what is not known to be harmless is hidden, so that a field that is new is. It does not know
events.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, final

from ..broadcast.entry import Published
from ..broadcast.retained import RetainedMessage
from ..connection.client import Client, Phase
from ..connection.subscriber import LongFrame, Subscriber
from ..connection.websocket_state import Undelivered
from ..http.body import BodyState
from ..http.head import Head
from ..http.request import Request
from ..http.response import Response
from ..server.state import Server
from ..websocket.fragments import CompressedFragment, CompressedMessage, Fragment
from ..websocket.messages import Close, PartialFrame
from .plain import flatten
from .redaction import (
    Redaction,
    hidden,
    hidden_frame,
    hidden_headers,
    hidden_message,
    hidden_request,
    hidden_response,
    hidden_text,
)
from .stream_mask import Part, StreamMask
from .turn import Plain

PROXIED: Final = frozenset((Phase.PROXY, Phase.PROXY_TLS, Phase.TLS))
FRAMES: Final = frozenset((Phase.WEBSOCKET, Phase.DELIVERING))
_BODY_PARTS: Final[Mapping[BodyState, Part]] = {
    BodyState.LENGTH: Part.LENGTH,
    BodyState.CHUNK_LINE: Part.CHUNK_LINE,
    BodyState.CHUNK_DATA: Part.CHUNK_DATA,
    BodyState.CHUNK_END: Part.CHUNK_END,
    BodyState.TRAILERS: Part.NAME,
    BodyState.COMPLETE: Part.START,
}


def stream_of(client: Client, redaction: Redaction) -> tuple[StreamMask, bytes, bytes]:
    """What goes on with the bytes of a client, and what is held of it without what is redacted:
    what its WebSocket has read of a frame, and its buffer.
    """
    incoming, phase = client.incoming, client.incoming.phase
    mask = StreamMask(redaction)
    read = b""
    if phase is Phase.BODY and incoming.body is not None:
        mask.part, mask.left = _BODY_PARTS[incoming.body.state], incoming.body.remaining
        mask.in_trailers = incoming.body.state is BodyState.TRAILERS
    elif phase in FRAMES and client.websocket is not None:
        mask.part = Part.FRAME
        reader = client.websocket.reader
        if reader.frame is not None:
            mask.part, mask.left, mask.key = Part.PAYLOAD, reader.frame.remaining, reader.frame.key
            mask.opcode = 0
        read = mask.mask(reader.buffer)
    elif phase in PROXIED:
        mask.part = Part.PROXY
    elif phase is Phase.HEAD:
        if client.outstanding and "upgrade" in client.outstanding[-1].headers:
            mask.part, mask.is_upgrading = Part.FRAME, True
    else:
        mask.part = Part.REST
    return mask, read, mask.mask(incoming.buffer)


@final
class ServerMask:
    """Writes one server, and remembers which bytes of it are shown."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._shown: dict[int, bytes] = {}
        """Bytes that are shown, by their identity."""
        self._masks: Mapping[type, Callable[[Any], Any]] = {
            Server: lambda server: server.replace(date=self._show(server.date)),
            Client: self._client,
            Head: lambda head: head.replace(headers=hidden_headers(head.headers, redaction)),
            Request: lambda request: hidden_request(request, redaction),
            Response: lambda response: hidden_response(response, redaction),
            Published: self._published,
            RetainedMessage: lambda kept: kept.replace(frame=self._show(hidden_frame(kept.frame))),
            LongFrame: lambda frame: frame.replace(header=self._show(frame.header)),
            PartialFrame: lambda frame: frame.replace(key=self._show(frame.key)),
            Subscriber: self._subscriber,
            Undelivered: lambda held: held.replace(messages=_messages(held.messages)),
            Close: lambda close: close.replace(reason=hidden_text(close.reason)),
            Fragment: hidden_message,
            CompressedMessage: hidden_message,
            CompressedFragment: hidden_message,
        }

    def flatten(self, server: Server) -> Plain:
        """A server as a plain structure."""
        return flatten(server, self._masks, self._hide)

    def _hide(self, data: bytes) -> bytes:
        """Bytes as they are written."""
        return data if id(data) in self._shown else hidden(data)

    def _show(self, data: bytes) -> bytes:
        """These bytes, which are shown."""
        self._shown[id(data)] = data
        return data

    def _client(self, client: Client) -> Client:
        """A client, with what is held of it as far as it may be seen."""
        _, read, buffer = stream_of(client, self._redaction)
        masked = client.replace(incoming=client.incoming.replace(buffer=self._show(buffer)))
        if client.websocket is not None and read:
            reader = client.websocket.reader.replace(buffer=self._show(read))
            masked = masked.replace(websocket=client.websocket.replace(reader=reader))
        return masked

    def _published(self, entry: Published) -> Published:
        """An entry, whose encodings that are its frame itself stay that."""
        frame = self._show(hidden_frame(entry.frame))
        encodings = tuple(
            [
                (encoding, frame if encoded is entry.frame else self._show(hidden_frame(encoded)))
                for encoding, encoded in entry.encodings
            ]
        )
        return entry.replace(frame=frame, encodings=encodings)

    def _subscriber(self, subscriber: Subscriber) -> Subscriber:
        """A subscriber, with the headers of the frames that wait for it."""
        return subscriber.replace(queue=tuple(map(self._queue_item, subscriber.queue)))

    def _queue_item(self, item: Any) -> Any:
        """What waits for a subscriber: frames, or places in what was published."""
        if isinstance(item, bytes | memoryview):
            return self._show(hidden_frame(bytes(item)))
        return item


def _messages(messages: Any) -> Any:
    """Messages that wait for the program."""
    return tuple([hidden_message(message) for message in messages])
