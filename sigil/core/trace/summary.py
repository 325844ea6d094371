"""Effects in short: what is kept of them to check a replay by.

Theory: effects can be computed again, so a recording does not hold them. What it holds is enough to
see whether they are the same, and to name the effect and the field that are not: the kind and the
small fields as they are, and of bytes and texts how long they are and their CRC-32.

Rules: the table is closed, a test compares it with `Effect`; numbers are never used twice, and
fields are added at the end. Nothing depends on the order of a set. Where something was redacted
there are no checksums: what is short could be found by trying. It does not know who compares.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias
from zlib import crc32

from pyrsistent import PSet

from ..broadcast.entry import Subscription
from ..conn import Conn, Peer
from ..control import CallWritable, CallWsPong
from ..effects import (
    AccessLog,
    Adopt,
    AskBody,
    BodyPiece,
    CallClose,
    CallOpen,
    CallSseClose,
    CallSseOpen,
    CallWsClose,
    CallWsDrain,
    CallWsOpen,
    CloseBody,
    Deliver,
    DeliverCompressed,
    Drop,
    Effect,
    FanOut,
    Handle,
    HandlePieces,
    LimitUnsent,
    Log,
    Pull,
    ReadSendQueue,
    Reject,
    Send,
    SendFile,
    Watch,
)
from ..events import Segment
from ..http.request import Request
from ..securing import StartTls
from ..websocket.fragments import CompressedFragment, CompressedMessage, Fragment
from .turn import Plain, Summary

CONN: Final = ("conn.slot", "conn.generation")
TICKET: Final = ("ticket.conn.slot", "ticket.conn.generation", "ticket.number")
MEMBER_SETS_REMEMBERED: Final = 64
"""Of so many cohorts it is remembered who is in them: they change less often than they are sent to.
"""

# -- what is long, in short: each a length, and a checksum if there are any ------------------------


def _bytes(data: Any, has_checksums: bool) -> Plain:
    """Bytes, in short."""
    return (len(data), crc32(data) if has_checksums else None)


def _segments(segments: tuple[Segment, ...], has_checksums: bool) -> Plain:
    """Pieces of memory that are sent one after the other, in short."""
    if len(segments) == 1:
        return _bytes(segments[0], has_checksums)
    length, checksum = 0, 0
    for segment in segments:
        length += len(segment)
        if has_checksums:
            checksum = crc32(segment, checksum)
    return (length, checksum if has_checksums else None)


def _encoded(text: str) -> bytes:
    """A text as bytes; half of a surrogate pair is one too."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _text(text: Any, has_checksums: bool) -> Plain:
    """A text, in short."""
    return _bytes(_encoded(text), has_checksums)


def _messages(messages: Any, has_checksums: bool) -> Plain:
    """Messages that are delivered, in short: how many, how long together, a checksum."""
    pieces = tuple([_message_bytes(message) for message in messages])
    return (len(pieces), *_flat(_segments(pieces, has_checksums)))


def _message_bytes(message: Any) -> bytes:
    """The bytes of a message, or of a piece of one, as far as they were decompressed."""
    if isinstance(message, CompressedMessage | CompressedFragment):
        return message.payload
    data = message.data if isinstance(message, Fragment) else message
    return _encoded(data) if isinstance(data, str) else bytes(data)


def _flat(pair: Plain) -> tuple[Plain, ...]:
    """A plain value that is a tuple, as one."""
    return pair if isinstance(pair, tuple) else (pair,)


def _requests(requests: tuple[Request, ...], has_checksums: bool) -> Plain:
    """Requests, in short: how many, the length of their targets and bodies, a checksum."""
    length, checksum = 0, 0
    for request in requests:
        target, body = _encoded(request.target), request.body
        length += len(target) + len(body)
        if has_checksums:
            checksum = crc32(target, checksum)
            if body:
                checksum = crc32(body, checksum)
    return (len(requests), length, checksum if has_checksums else None)


def _request(request: Request, has_checksums: bool) -> Plain:
    """One request, in short."""
    return _requests((request,), has_checksums)


def _subscription(subscription: Subscription, has_checksums: bool) -> Plain:
    """A subscription, in short: its encoding, and to how many topics."""
    return (int(subscription.encoding), len(subscription.topics))


@lru_cache(maxsize=MEMBER_SETS_REMEMBERED)
def _members_in_short(members: PSet[Conn]) -> tuple[int, int]:
    """Who is in a cohort, in short: how many, and the sum of their generations."""
    return len(members), sum([conn.generation for conn in members])


def _members(members: Any, has_checksums: bool) -> Plain:
    """Who is in a cohort, in short."""
    return _members_in_short(members)


def _peer(peer: Peer, has_checksums: bool) -> Plain:
    """A peer, as in the log."""
    return str(peer)


# -- the table -------------------------------------------------------------------------------------

Convert = Callable[[Any, bool], Plain]


class EffectKind(NamedTuple):
    """A kind of effect: its number and its class, the names of its fields, and what brings some of
    them into a short form.
    """

    number: int
    effect: type
    fields: tuple[str, ...]
    converters: Mapping[str, Convert] = {}


EFFECT_KINDS: Final[tuple[EffectKind, ...]] = (
    EffectKind(1, Adopt, (*CONN, "socket_id")),
    EffectKind(2, Reject, ("socket_id", "data"), {"data": _bytes}),
    EffectKind(3, CallOpen, CONN),
    EffectKind(4, CallClose, (*CONN, "reason")),
    EffectKind(5, CallWsOpen, (*CONN, "request"), {"request": _request}),
    EffectKind(6, Deliver, (*CONN, "messages"), {"messages": _messages}),
    EffectKind(7, DeliverCompressed, (*CONN, "messages"), {"messages": _messages}),
    EffectKind(8, CallWsClose, (*CONN, "reason", "code", "text"), {"text": _text}),
    EffectKind(9, CallWsDrain, CONN),
    EffectKind(10, CallWsPong, (*CONN, "data"), {"data": _bytes}),
    EffectKind(11, CallWritable, CONN),
    EffectKind(12, CallSseOpen, (*CONN, "request"), {"request": _request}),
    EffectKind(13, CallSseClose, (*CONN, "reason")),
    EffectKind(14, Handle, (*TICKET, "requests"), {"requests": _requests}),
    EffectKind(15, AskBody, (*TICKET, "request"), {"request": _request}),
    EffectKind(16, HandlePieces, (*TICKET, "request"), {"request": _request}),
    EffectKind(17, BodyPiece, (*TICKET, "data", "is_last"), {"data": _bytes}),
    EffectKind(18, Pull, TICKET),
    EffectKind(19, SendFile, (*TICKET, "max_len")),
    EffectKind(20, CloseBody, TICKET),
    EffectKind(21, Send, (*CONN, "segments", "then"), {"segments": _segments}),
    EffectKind(
        22,
        FanOut,
        ("subscription", "members", "data", "start", "end"),
        {"subscription": _subscription, "members": _members, "data": _bytes},
    ),
    EffectKind(23, Watch, (*CONN, "interest")),
    EffectKind(24, LimitUnsent, CONN),
    EffectKind(25, ReadSendQueue, CONN),
    EffectKind(26, Drop, (*CONN, "is_complete")),
    EffectKind(27, Log, ("logger", "level", "text"), {"text": _text}),
    EffectKind(
        28,
        AccessLog,
        ("peer", "method", "target", "version", "status", "length", "since"),
        {"peer": _peer, "target": _text},
    ),
    EffectKind(29, StartTls, (*CONN, "data"), {"data": _bytes}),
)
"""Every kind of effect."""


Shorten: TypeAlias = Callable[[Any, bool], Summary]
"""Makes the summary of an effect of one kind."""


# -- kinds that are written out: a busy server has little else -------------------------------------
#
# They write what the table says, which a test compares, in half the time.


def _handle(effect: Handle, has_checksums: bool) -> Summary:
    """A call of the handler, in short."""
    ticket = effect.ticket
    conn = ticket.conn
    requests = _requests(effect.requests, has_checksums)
    return (14, conn.slot, conn.generation, ticket.number, requests)


def _send(effect: Send, has_checksums: bool) -> Summary:
    """What is sent to one, in short."""
    conn, segments = effect.conn, _segments(effect.segments, has_checksums)
    return (21, conn.slot, conn.generation, segments, int(effect.then))


# -- and what shortens all the others --------------------------------------------------------------


def shortener_of(kind: EffectKind) -> Shorten:
    """What brings the effects of a kind into a short form, as the table says."""
    number = kind.number
    read: Callable[[Any], Any] = attrgetter(*kind.fields)
    places = {name: place for place, name in enumerate(kind.fields)}
    converters = tuple([(places[name], convert) for name, convert in kind.converters.items()])

    def shorten(effect: Any, has_checksums: bool) -> Summary:
        fields = list(read(effect))
        for place, convert in converters:
            fields[place] = convert(fields[place], has_checksums)
        return (number, *fields)

    return shorten


_SHORTENERS: Final[Mapping[type, Shorten]] = {
    kind.effect: shortener_of(kind) for kind in EFFECT_KINDS
}
_BY_NUMBER: Final[Mapping[int, EffectKind]] = {kind.number: kind for kind in EFFECT_KINDS}


def summary_of(effect: Effect, has_checksums: bool = True) -> Summary:
    """An effect in short: the number of its kind, and its fields; `(18, 0, 3, 1)` for the `Pull` of
    the second request of `Conn(0, 3)`.
    """
    return summaries_of((effect,), has_checksums)[0]


def summaries_of(effects: Iterable[Effect], has_checksums: bool = True) -> tuple[Summary, ...]:
    """The effects of a turn in short."""
    rows: list[Summary] = []
    for effect in effects:
        if isinstance(effect, Send):
            rows.append(_send(effect, has_checksums))
        elif isinstance(effect, Handle):
            rows.append(_handle(effect, has_checksums))
        else:
            rows.append(_SHORTENERS[type(effect)](effect, has_checksums))
    return tuple(rows)


def summary_names(summary: Summary) -> tuple[str, tuple[str, ...]]:
    """The name of the kind of an effect in short, and the names of its fields; an unknown kind has
    its number for a name, and no fields.
    """
    number = summary[0] if summary else None
    kind = _BY_NUMBER.get(number) if isinstance(number, int) else None
    return (f"effect {number!r}", ()) if kind is None else (kind.effect.__name__, kind.fields)
