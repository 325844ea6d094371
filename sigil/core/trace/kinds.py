"""The kinds of events by number, and each event as a flat tuple of plain fields.

Theory: every turn of a recording holds its events, and a busy server has tens of thousands of turns
a second; so an event is written as `(kind, field, field, ...)`, and what is a record in it (a
connection, a ticket) as its own fields beside the others. Reading those is one call of
`operator.attrgetter`. Only what is large by itself, a response or a request, is a structure within.

Rules: the table is closed, a test compares it with `Event`; numbers are never used twice, and
fields are added at the end, with a default. `read_event(event_fields(event)) == event`. It does not
know how tuples are packed, nor what is redacted.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from ..broadcast.entry import NO_OPTIONS, PublishOptions
from ..broadcast.upstream import UpstreamJoined, UpstreamPublished
from ..close_reasons import CloseReason
from ..conn import Conn, Peer
from ..control import DeliveryHeld, ReadingAllowed, TimeoutRequested, WritableRequested
from ..events import (
    Accepted,
    BodyChosen,
    BodyWanted,
    CloseRequested,
    ConnectionLost,
    Delivered,
    DescriptorsExhausted,
    FanOutStalled,
    FileSent,
    Flush,
    HalfClosed,
    HandlerFailed,
    HandlerReturned,
    InputRead,
    Postponed,
    Publish,
    Received,
    SendMessages,
    SendQueueRead,
    Stalled,
    Stop,
    StreamChunk,
    StreamEnded,
    Subscribe,
    TickStarted,
    TimeRead,
    Writable,
)
from ..http.response import Response
from ..securing import HandshakeFailed, Secured
from ..topics import ALL_TOPICS, Topic
from .plain import Restorer, flatten
from .turn import Plain

Fields: TypeAlias = Sequence[Any]
Read: TypeAlias = Callable[[Any], Any]
"""Makes a field of an event of what was written for it."""


class Column(NamedTuple):
    """A field of a kind of event: the attribute that is written, what makes a plain value of it if
    it is none, and what makes it again.
    """

    name: str
    write: Callable[[Any], Plain] | None = None
    read: Callable[[Any, Restorer], Any] | None = None


class Kind(NamedTuple):
    """A kind of event: its number and its class, what it is made for, and its fields behind."""

    number: int
    event: type
    owner: str
    """`conn`, `ticket`, or nothing: the fields that name whose it is come first."""
    columns: tuple[Column, ...] = ()


# -- fields that are more than a plain value -------------------------------------------------------


def _conns(conns: Any) -> Plain:
    """Connections in order, slot and generation by turns."""
    flat: list[Plain] = []
    for conn in sorted(conns):
        flat += (conn.slot, conn.generation)
    return tuple(flat)


def _read_conns(flat: Any, restorer: Restorer) -> frozenset[Conn]:
    return frozenset(map(Conn, flat[::2], flat[1::2]))


def _maybe_conn(conn: Conn | None) -> Plain:
    """The slot and the generation of a connection; None for none."""
    return None if conn is None else (conn.slot, conn.generation)


def _read_maybe_conn(pair: Any, restorer: Restorer) -> Conn | None:
    return None if pair is None else Conn(*pair)


def _topic(topic: Topic) -> Plain:
    """A topic; None stands for all."""
    return topic if isinstance(topic, str) else None


def _read_topic(topic: Any, restorer: Restorer) -> Topic:
    return ALL_TOPICS if topic is None else topic


def _segments(segments: Any) -> Plain:
    """Pieces of memory, as bytes."""
    return tuple([bytes(segment) for segment in segments])


def _read_segments(segments: Any, restorer: Restorer) -> Any:
    return tuple(segments)


def _pairs(messages: Any) -> Plain:
    """Messages, each an opcode and a payload; the opcode may be a member of an enumeration."""
    return tuple([(int(opcode), payload) for opcode, payload in messages])


def _read_messages(messages: Any, restorer: Restorer) -> Any:
    return tuple(map(tuple, messages))


def _publication(message: Any) -> Plain:
    """A message that is published: opcode, payload and topic, and the options if there are any."""
    opcode, payload, topic, options = message
    if options is NO_OPTIONS:
        return (int(opcode), payload, topic)
    exclude = _maybe_conn(options.exclude)
    return (int(opcode), payload, topic, options.latest, options.retain, exclude)


def _publications(messages: Any) -> Plain:
    return tuple([_publication(message) for message in messages])


def _read_publication(plain: Any, restorer: Restorer) -> Any:
    opcode, payload, topic, *options = plain
    if not options:
        return opcode, payload, topic, NO_OPTIONS
    latest, retain, exclude = options
    conn = _read_maybe_conn(exclude, restorer)
    return opcode, payload, topic, PublishOptions(latest, retain, conn)


def _read_publications(messages: Any, restorer: Restorer) -> Any:
    return tuple([_read_publication(message, restorer) for message in messages])


def _numbered(messages: Any) -> Plain:
    """Publications of an upstream, each behind its number."""
    return tuple([(number, _publication(message)) for number, message in messages])


def _read_numbered(messages: Any, restorer: Restorer) -> Any:
    return tuple([(number, _read_publication(plain, restorer)) for number, plain in messages])


def _response(response: Response) -> Plain:
    """A response: status, fields, body and reason; a body that is no bytes is a structure, and what
    a program has made in its own way is that as a whole.
    """
    status, headers, body, reason = (
        response.status, response.headers, response.body, response.reason
    )  # fmt: skip
    has_scalars = type(status) is int and type(reason) is str
    if has_scalars and type(body) is bytes and _has_plain_fields(response):
        return (status, headers, body, reason)
    return (
        flatten(status),
        flatten(headers),
        flatten(body),
        flatten(reason),
        type(body) is bytes,
    )


def _has_plain_fields(response: Response) -> bool:
    """True if the fields of a response are pairs of str: those that were checked are."""
    if response.prepared is not None:
        return True
    headers: Any = response.headers  # whatever a program has put there
    if type(headers) is not tuple:
        return False
    for pair in headers:
        if type(pair) is not tuple or [*map(type, pair)] != [str, str]:
            return False
    return True


def plain_responses(responses: tuple[Response, ...]) -> Plain:
    """Responses, each as a plain value."""
    return tuple([_response(response) for response in responses])


def _read_response(plain: Any, restorer: Restorer) -> Response:
    status, headers, body, reason, *whole = plain
    if whole:
        values = [restorer.restore(value) for value in (status, headers, body, reason)]
        return Response(values[0], values[1], values[2], values[3])
    return Response(status, tuple(map(tuple, headers)), body, reason)


def _read_responses(responses: Any, restorer: Restorer) -> Any:
    return tuple([_read_response(plain, restorer) for plain in responses])


def _read_any(plain: Any, restorer: Restorer) -> Any:
    return restorer.restore(plain)


def _read_reason(plain: Any, restorer: Restorer) -> CloseReason:
    return CloseReason(plain)


def _read_peer(plain: Any, restorer: Restorer) -> Any:
    host, port, *tls = plain
    return Peer(host, port, restorer.restore(tls[0]) if tls else None)


def _peer(peer: Peer) -> Plain:
    """A peer: host and port, and what TLS has settled, if it is over TLS."""
    host_port = (peer.host, peer.port)
    return host_port if peer.tls is None else (*host_port, flatten(peer.tls))


# -- the table -------------------------------------------------------------------------------------


def _plain_columns(*names: str) -> tuple[Column, ...]:
    """Fields that are plain values."""
    return tuple([Column(name) for name in names])


def _structure(name: str) -> Column:
    """A field that is a structure of its own."""
    return Column(name, flatten, _read_any)


KINDS: Final[tuple[Kind, ...]] = (
    Kind(1, TickStarted, "", _plain_columns("now", "unix_time")),
    Kind(2, TimeRead, "", _plain_columns("now", "unix_time")),
    Kind(3, InputRead, "", (Column("unread", _conns, _read_conns),)),
    Kind(
        4,
        Accepted,
        "",
        (Column("socket_id"), Column("peer", _peer, _read_peer), Column("is_tls")),
    ),
    Kind(5, DescriptorsExhausted, "", _plain_columns("error")),
    Kind(6, Received, "conn", _plain_columns("data")),
    Kind(7, HalfClosed, "conn"),
    Kind(8, ConnectionLost, "conn", _plain_columns("error", "problem")),
    Kind(
        9,
        CloseRequested,
        "conn",
        (Column("reason", int, _read_reason), Column("code"), Column("text")),
    ),
    Kind(10, HandlerReturned, "ticket", (Column("responses", plain_responses, _read_responses),)),
    Kind(11, HandlerFailed, "ticket", _plain_columns("status", "message", "traceback")),
    Kind(12, Postponed, "ticket", (_structure("requests"),)),
    Kind(13, BodyChosen, "ticket", _plain_columns("is_in_pieces")),
    Kind(14, BodyWanted, "ticket"),
    Kind(15, StreamChunk, "ticket", _plain_columns("data")),
    Kind(16, StreamEnded, "ticket"),
    Kind(17, FileSent, "ticket", _plain_columns("taken")),
    Kind(18, Stalled, "conn", (Column("taken"), Column("rest", _segments, _read_segments))),
    Kind(
        19,
        FanOutStalled,
        "conn",
        (*_plain_columns("taken", "start", "end"), _structure("subscription")),
    ),
    Kind(20, Writable, "conn"),
    Kind(21, SendQueueRead, "conn", _plain_columns("length")),
    Kind(
        22,
        Delivered,
        "conn",
        (Column("replies", _pairs, _read_messages), _structure("error")),
    ),
    Kind(
        23,
        DeliveryHeld,
        "conn",
        (Column("replies", _pairs, _read_messages), _structure("messages")),
    ),
    Kind(24, SendMessages, "conn", (Column("messages", _pairs, _read_messages),)),
    Kind(25, Publish, "", (Column("messages", _publications, _read_publications),)),
    Kind(26, UpstreamJoined, "", (*_plain_columns("epoch", "number"), _structure("retained"))),
    Kind(
        27,
        UpstreamPublished,
        "",
        (Column("epoch"), Column("messages", _numbered, _read_numbered), Column("end")),
    ),
    Kind(28, Subscribe, "conn", (Column("topic", _topic, _read_topic), Column("is_subscribed"))),
    Kind(29, ReadingAllowed, "conn", _plain_columns("is_allowed")),
    Kind(30, WritableRequested, "conn"),
    Kind(31, TimeoutRequested, "conn", (Column("reason", int), Column("seconds"))),
    Kind(
        32,
        Flush,
        "",
        (
            Column("conn", _maybe_conn, _read_maybe_conn),
            Column("unhandled", _conns, _read_conns),
        ),
    ),
    Kind(33, Stop, "", _plain_columns("grace")),
    Kind(34, Secured, "conn", (_structure("tls"),)),
    Kind(35, HandshakeFailed, "conn", _plain_columns("problem", "first_bytes")),
)
"""Every kind of event."""
