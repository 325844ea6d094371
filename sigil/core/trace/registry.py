"""The records that a recording may hold: a closed table, by name.

Theory: whatever a server is made of is a record that is known here, and nothing else is ever made
of what a file says: it may come from a stranger. Records are written by their numbers, and the
table of names and fields goes with each recording, so that it can be read when a record has another
field, or another number.

Rules: the tables only grow at their ends. A record that has no fields of its own to be made from
has functions that read it and make it. Constants that the core compares by identity are themselves
again when they were read. A test walks the annotations of `Server` and of every event, so that none
is missing. It does not know how anything is written.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from operator import attrgetter
from typing import Any, Final, NamedTuple

from ..broadcast.broadcast import Broadcast
from ..broadcast.cohort_index import EMPTY_INDEX, CohortIndex
from ..broadcast.encoding import Encoding
from ..broadcast.entry import (
    LATEST,
    NO_OPTIONS,
    RETAINED,
    Published,
    PublishOptions,
    Subscription,
)
from ..broadcast.latest import NOTHING_LATEST, LatestIndex, Newest
from ..broadcast.numbering import OWN, Numbering
from ..broadcast.recoding import NOTHING_RECODED, Recoded
from ..broadcast.retained import (
    NOTHING_RETAINED,
    Retained,
    RetainedMessage,
    RetainedPiece,
    RetainedRange,
)
from ..broadcast.ring import Page, Ring
from ..broadcast.topic_spans import Postings, TopicSpan
from ..close_reasons import CloseReason
from ..conn import NO_CONN, Conn, Peer, Ticket
from ..connection.client import (
    DELIVERING,
    DROPPED,
    EVENT_STREAM,
    IDLE_HTTP,
    IDLE_WEBSOCKET,
    PROXIED,
    PROXIED_TLS,
    SECURING,
    BodyMode,
    BodyPace,
    Client,
    Incoming,
    Phase,
)
from ..connection.control import NOTHING_ASKED, Control, Timeout
from ..connection.outgoing import NOTHING_OUTGOING, Outgoing, ReadLag
from ..connection.subscriber import (
    CloseState,
    Follow,
    LongFrame,
    Polling,
    RetainedPlace,
    Subscriber,
)
from ..connection.websocket_state import (
    NOTHING_UNDELIVERED,
    TOO_MANY_CONTROLS,
    Undelivered,
    WebSocket,
)
from ..effects import Interest, Then
from ..http.bodies import EventStream, FileBody, FileSpan, Poll, StreamedBody, Unfold, Upgrade
from ..http.body import BodyReader, BodyState
from ..http.chunks import Framing, StreamState
from ..http.decoding import DEFAULT_BOUNDS, DecodingBounds
from ..http.field_lines import PreparedHeaders
from ..http.head import Head
from ..http.headers import Headers
from ..http.params import NO_PARAMS, Params
from ..http.request import Request
from ..http.response import Response
from ..limits import Limits
from ..parse_result import Malformed
from ..server.budgets import NO_LOAD, Load
from ..server.eviction import NO_CANDIDATES, Candidates
from ..server.held_up import NEVER_HELD_UP, HeldUp
from ..server.oldest import NO_CONN as NO_SUBSCRIBER
from ..server.oldest import NOBODY, Oldest
from ..server.slots import EMPTY, Slots
from ..server.state import NO_LAST_READS, LastReads, Server, ServerState
from ..server.timer_wheel import Wheel
from ..server.totals import NO_TOTALS, Totals
from ..tls import Tls
from ..topics import ALL_TOPICS, AllTopics, ManyTopics, in_order, topics_of
from ..websocket.fragments import (
    BAD_TEXT,
    CompressedFragment,
    CompressedMessage,
    Fragment,
    FragmentedMessage,
)
from ..websocket.frames import FrameRules, Opcode
from ..websocket.messages import (
    BETWEEN_MESSAGES,
    READER_CLOSED,
    Close,
    MessageReader,
    PartialFrame,
)
from .placeholder import Placeholder

RECORDS: Final[tuple[type, ...]] = (
    Server, Slots, Client, Conn, Peer, Ticket, Tls, Incoming, BodyPace, Head, DecodingBounds,
    BodyReader, Malformed, Outgoing, ReadLag, Response, StreamedBody, Unfold, FileBody, FileSpan,
    Upgrade, EventStream, Poll, PreparedHeaders, Request, StreamState, Control, Timeout, Subscriber,
    LongFrame, Follow, RetainedPlace, Polling, Subscription, Published, PublishOptions, ManyTopics,
    AllTopics, RetainedRange, Retained, RetainedMessage, RetainedPiece, WebSocket, Undelivered,
    MessageReader, PartialFrame, Close, FragmentedMessage, CompressedMessage, Fragment,
    CompressedFragment, FrameRules, Limits, Wheel, Totals, Load, Candidates, Oldest, Broadcast,
    Ring, Page, TopicSpan, Postings, Recoded, LatestIndex, Newest, Numbering, CohortIndex, HeldUp,
    LastReads, Headers, Params, Placeholder,
)  # fmt: skip
"""The records, by their numbers."""

ENUMS: Final[tuple[type[IntEnum], ...]] = (
    ServerState, Phase, BodyMode, BodyState, Framing, CloseState, Opcode, CloseReason, Interest,
    Encoding, Then,
)  # fmt: skip
"""The enumerations, by their numbers."""

CONSTANTS: Final[tuple[object, ...]] = (
    NO_LOAD, NO_CANDIDATES, NEVER_HELD_UP, NOBODY, EMPTY, NO_TOTALS, NO_LAST_READS,
    NOTHING_OUTGOING, IDLE_HTTP, IDLE_WEBSOCKET, DELIVERING, EVENT_STREAM, DROPPED, PROXIED,
    PROXIED_TLS, SECURING, NO_CONN, DEFAULT_BOUNDS, NOTHING_ASKED, NO_OPTIONS, RETAINED, LATEST,
    NOTHING_RETAINED, BETWEEN_MESSAGES, NOTHING_UNDELIVERED, TOO_MANY_CONTROLS, READER_CLOSED,
    BAD_TEXT, EMPTY_INDEX, NOTHING_LATEST, OWN, NOTHING_RECODED, NO_PARAMS, NO_SUBSCRIBER,
)  # fmt: skip
"""What is known by identity."""


class Form(NamedTuple):
    """How a record is written and made: its name, the names of its fields, what reads them all, and
    what makes it of them.
    """

    name: str
    fields: tuple[str, ...]
    read: Callable[[Any], tuple[Any, ...]]
    make: Callable[..., Any]


def _headers_fields(headers: Any) -> tuple[Any, ...]:
    """What headers are made of."""
    return (headers.pairs,)


def _params_fields(params: Any) -> tuple[Any, ...]:
    """What parameters are made of."""
    return params.keys(), params.values()


def _topics_fields(topics: Any) -> tuple[Any, ...]:
    """What a large set of topics is made of: its parts depend on the hashes of a process."""
    return (tuple(in_order(topics)),)


def _nothing(value: object) -> tuple[Any, ...]:
    """The fields of a record that has none."""
    return ()


def _all_topics() -> AllTopics:
    """The one object of its type."""
    return ALL_TOPICS


_SPECIAL: Final[Mapping[type, Form]] = {
    Headers: Form("Headers", ("pairs",), _headers_fields, Headers),
    Params: Form("Params", ("names", "values"), _params_fields, Params),
    ManyTopics: Form("ManyTopics", ("topics",), _topics_fields, topics_of),
    AllTopics: Form("AllTopics", (), _nothing, _all_topics),
}


def fields_of(record: Any) -> tuple[str, ...]:
    """The names of the fields of a class of records, in the order of its constructor."""
    names: tuple[str, ...] = record._fields if issubclass(record, tuple) else record.__match_args__
    return names


def _single(name: str) -> Callable[[Any], tuple[Any, ...]]:
    """What reads the only field of a record."""
    read = attrgetter(name)
    return lambda record: (read(record),)


def _form(record: type) -> Form:
    """The form of a class of records."""
    if record in _SPECIAL:
        return _SPECIAL[record]
    fields = fields_of(record)
    read = attrgetter(*fields) if len(fields) > 1 else _single(fields[0])
    return Form(record.__name__, fields, read, record)


FORMS: Final[tuple[Form, ...]] = tuple([_form(record) for record in RECORDS])
NUMBERS: Final[Mapping[type, int]] = {record: number for number, record in enumerate(RECORDS)}
ENUM_NUMBERS: Final[Mapping[type, int]] = {enum: number for number, enum in enumerate(ENUMS)}
_KNOWN: Final[Mapping[type, tuple[object, ...]]] = {
    kind: tuple([value for value in CONSTANTS if type(value) is kind])
    for kind in set(map(type, CONSTANTS))
}


def as_known(record: Any) -> Any:
    """The record, or the constant that equals it."""
    for constant in _KNOWN.get(type(record), ()):
        if constant == record:
            return constant
    return record
