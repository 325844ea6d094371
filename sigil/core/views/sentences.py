"""What a turn did, in words: a line for each event and each effect.

Theory: a turn is a list of records, and whoever looks at one wants to read it, in the order in
which it happened. So each kind of event and of effect has its sentence here, a function of the
record, and the connection that it is about beside it.

Rules: the tables are closed: a kind without a sentence fails a test. A sentence is of bounded
length, whatever came from outside, and quotes that as Python does: what cannot be printed is
escaped, and it is text, not markup. It does not know where it is shown.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..bounded_repr import bounded_repr
from ..broadcast.upstream import UpstreamJoined, UpstreamPublished
from ..close_reasons import CLOSE_INFO, CloseReason
from ..conn import Conn
from ..control import (
    CallWritable,
    CallWsPong,
    DeliveryHeld,
    ReadingAllowed,
    TimeoutRequested,
    WritableRequested,
)
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
    Interest,
    LimitUnsent,
    Log,
    Pull,
    ReadSendQueue,
    Reject,
    Send,
    SendFile,
    Then,
    Watch,
)
from ..events import (
    Accepted,
    BodyChosen,
    BodyWanted,
    CloseRequested,
    ConnectionLost,
    Delivered,
    DescriptorsExhausted,
    Event,
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
    Segment,
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
    conn_of,
)
from ..http.request import Request
from ..securing import HandshakeFailed, Secured, StartTls
from ..topics import Topic

QUOTED_MAX: Final = 72
"""Bytes or characters of what came from outside that a sentence quotes."""
ITEMS_MAX: Final = 3
"""Messages, requests and responses that a sentence lists; the others are counted."""
SENTENCE_MAX: Final = 360
"""Characters of a sentence."""


STRANGE_SHARE: Final = 8
"""Of text, at most one byte in so many is not printable ASCII; other bytes are only counted."""
_PRINTABLE: Final = bytes((9, 10, 13, *range(32, 127)))


class Line(NamedTuple):
    """An event or an effect in words: its kind, whose it is (None: the server's), a sentence."""

    kind: str
    conn: Conn | None
    text: str


def event_line(event: Event) -> Line:
    """The line of an event."""
    kind = type(event)
    return Line(kind.__name__, conn_of(event), bounded(EVENT_SENTENCES[kind](event)))


def effect_line(effect: Effect) -> Line:
    """The line of an effect."""
    kind = type(effect)
    return Line(kind.__name__, conn_of_effect(effect), bounded(EFFECT_SENTENCES[kind](effect)))


def conn_of_effect(effect: Any) -> Conn | None:
    """The connection that an effect is about; None if it is about several, or none."""
    ticket = getattr(effect, "ticket", None)
    found = getattr(effect, "conn", None) if ticket is None else ticket.conn
    return found if isinstance(found, Conn) else None


def bounded(sentence: str) -> str:
    """The sentence, or its beginning, in characters that can be printed."""
    shown = sentence if len(sentence) <= SENTENCE_MAX else f"{sentence[: SENTENCE_MAX - 1]}…"
    if shown.isprintable():
        return shown
    return "".join([char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown])


# -- parts of sentences ----------------------------------------------------------------------------


def counted(count: int, noun: str) -> str:
    """A count and its noun: `1 byte`, `1,200 bytes`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def quoted(data: Any) -> str:
    """The beginning of a text or of bytes, as Python writes it."""
    if isinstance(data, memoryview):
        data = bytes(data[:QUOTED_MAX])
    shown = repr(data[:QUOTED_MAX])
    return shown if len(data) <= QUOTED_MAX else f"{shown}…"


def _sized(data: Segment) -> str:
    """How many bytes, and how they begin if they are text."""
    count, start = counted(len(data), "byte"), bytes(data[:QUOTED_MAX])
    return f"{count}: {quoted(data)}" if start and _is_text(start) else count


def _is_text(data: bytes) -> bool:
    """True for bytes most of which are printable ASCII."""
    strange = len(data.translate(None, delete=_PRINTABLE))
    return strange * STRANGE_SHARE <= len(data)


def _length(segments: tuple[Segment, ...]) -> int:
    """Bytes of all segments."""
    return sum([len(segment) for segment in segments])


def _if(is_so: object, words: str) -> str:
    """These words if something is so, or nothing."""
    return words if is_so else ""


def _topic(topic: Topic) -> str:
    """A topic that somebody is subscribed to."""
    return quoted(topic) if isinstance(topic, str) else "all topics"


def _listed(texts: list[str], count: int) -> str:
    """These texts with commas between them, and how many more there are of `count`."""
    more = f" and {count - len(texts):,} more" if count > len(texts) else ""
    return ", ".join(texts) + more


def _requests(requests: tuple[Request, ...]) -> str:
    """The request lines of some requests."""
    lines = [f"{one.method} {quoted(one.target)}" for one in requests[:ITEMS_MAX]]
    return _listed(lines, len(requests))


def _messages(messages: Any) -> str:
    """Some messages: texts, bytes, or what is still compressed."""
    shown = [
        quoted(one) if isinstance(one, str | bytes) else type(one).__name__
        for one in messages[:ITEMS_MAX]
    ]
    return _listed(shown, len(messages))


def _payloads(messages: tuple[tuple[int, bytes], ...]) -> str:
    """Some messages, each an opcode and a payload."""
    return _listed([quoted(one[1]) for one in messages[:ITEMS_MAX]], len(messages))


def _published(event: Publish) -> str:
    """What a program publishes."""
    shown = []
    for _, payload, topic, options in event.messages[:ITEMS_MAX]:
        words = "" if topic is None else f" on {quoted(topic)}"
        words += ", latest" if options.latest else ""
        words += ", retained" if options.retain else ""
        shown.append(f"{quoted(payload)}{words}")
    return f"{counted(len(event.messages), 'message')}: {_listed(shown, len(event.messages))}"


def _reason(reason: CloseReason) -> str:
    """The name of a reason, and its sentence."""
    return f"{reason.name}, {CLOSE_INFO[reason].sentence}"


def _returned(event: HandlerReturned) -> str:
    """What a handler returned."""
    statuses = [str(response.status) for response in event.responses[:ITEMS_MAX]]
    return f"the handler answers request {event.ticket.number}: " + _listed(
        statuses, len(event.responses)
    )


def _fan_out_stalled(event: FanOutStalled) -> str:
    """What a member of a cohort did not take."""
    last = event.end - 1
    which = f"message {last}" if event.start == last else f"messages {event.start} to {last}"
    return f"it took {counted(event.taken, 'byte')} of {which}, and lags from here on"


def _fan_out(effect: FanOut) -> str:
    """What a cohort is sent."""
    members = counted(len(effect.members), "client")
    count = counted(effect.end - effect.start, "message")
    verb = "is" if len(effect.members) == 1 else "are"
    return f"{members} of a cohort {verb} sent {counted(len(effect.data), 'byte')}: {count}"


def _send(effect: Send) -> str:
    """What a connection is sent."""
    behind = {Then.KEEP: "", Then.SHUT: ", then our side is shut", Then.DROP: ", then it is closed"}
    start = b"".join([bytes(segment[:QUOTED_MAX]) for segment in effect.segments[:ITEMS_MAX]])
    begins = f": {quoted(start)}" if start and _is_text(start) else ""
    return f"send {counted(_length(effect.segments), 'byte')}{begins}{behind[effect.then]}"


def _access(effect: AccessLog) -> str:
    """A line of the access log."""
    length = "streamed" if effect.length < 0 else counted(effect.length, "byte")
    line = f"{effect.method} {quoted(effect.target)}"
    return f"{effect.peer} {line} {effect.status}, {length}"


_INTERESTS: Final = {
    Interest.NOTHING: "watch it for nothing",
    Interest.READ: "watch it for input",
    Interest.WRITE: "watch it for room to send",
    Interest.BOTH: "watch it for input and for room to send",
}

Sentence = Callable[[Any], str]

EVENT_SENTENCES: Final[dict[type, Sentence]] = {
    TickStarted: lambda event: f"a tick begins, the clock says {event.now:.3f} s",
    TimeRead: lambda event: f"the clock says {event.now:.3f} s",
    InputRead: lambda event: (
        "all that had come in was read: deadlines apply"
        + _if(event.unread, f", but not those of {counted(len(event.unread), 'client')}")
    ),
    Accepted: lambda event: f"{event.peer} connects" + _if(event.is_tls, " over TLS"),
    DescriptorsExhausted: lambda event: f"no connection can be accepted: errno {event.error}",
    Received: lambda event: f"received {_sized(event.data)}",
    HalfClosed: lambda event: "the peer ends its side",
    ConnectionLost: lambda event: f"the connection is lost: errno {event.error}"
    + _if(event.problem, f", {quoted(event.problem)}"),
    CloseRequested: lambda event: f"the program closes it: {_reason(event.reason)}"
    + _if(event.text, f", {quoted(event.text)}"),
    HandlerReturned: _returned,
    HandlerFailed: lambda event: f"the handler fails: {event.status} {quoted(event.message)}",
    Postponed: lambda event: f"the handler was not called yet: {_requests(event.requests)}",
    BodyChosen: lambda event: "the program wants the body "
    + ("whole", "in pieces")[event.is_in_pieces],
    BodyWanted: lambda event: "the program waits for the next piece of the body",
    StreamChunk: lambda event: f"the streamed body yields {_sized(event.data)}",
    StreamEnded: lambda event: "the streamed body ends",
    FileSent: lambda event: f"the kernel took {counted(event.taken, 'byte')} of the file",
    Stalled: lambda event: f"it took {counted(event.taken, 'byte')}, and not the other "
    f"{_length(event.rest):,}",
    FanOutStalled: _fan_out_stalled,
    Writable: lambda event: "there is room again: it can be sent more",
    SendQueueRead: lambda event: f"the kernel still holds {counted(event.length, 'byte')} for it",
    Delivered: lambda event: "the callback returned"
    + _if(event.replies, f" and replied {_payloads(event.replies)}"),
    DeliveryHeld: lambda event: "the callback returned, and wants no more for now",
    SendMessages: lambda event: f"the program sends {_payloads(event.messages)}",
    Publish: lambda event: f"the program publishes {_published(event)}",
    UpstreamJoined: lambda event: f"the stream of the upstream begins at {event.number}",
    UpstreamPublished: lambda event: f"the upstream published "
    f"{counted(len(event.messages), 'message')}",
    Subscribe: lambda event: f"the program {_if(not event.is_subscribed, 'un')}subscribes it: "
    f"{_topic(event.topic)}",
    ReadingAllowed: lambda event: "the program "
    + ("stops reading it", "reads it again")[event.is_allowed],
    WritableRequested: lambda event: "the program asks when more can be sent",
    TimeoutRequested: lambda event: f"the program gives it {event.seconds:g} seconds",
    Flush: lambda event: "what was published and sent leaves",
    Stop: lambda event: f"the server is to stop within {event.grace:g} seconds",
    Secured: lambda event: f"the TLS handshake is over: {bounded_repr(event.tls)}",
    HandshakeFailed: lambda event: f"the TLS handshake failed: {quoted(event.problem)}",
}  # fmt: skip
"""The sentence of each kind of event."""

EFFECT_SENTENCES: Final[dict[type, Sentence]] = {
    Adopt: lambda effect: f"it gets slot {effect.conn.slot}, generation {effect.conn.generation}",
    Reject: lambda effect: f"reject the connection: {quoted(effect.data)}",
    CallOpen: lambda effect: "tell the program that it is open",
    CallClose: lambda effect: f"closed: {_reason(effect.reason)}",
    CallWsOpen: lambda effect: f"it is a WebSocket now: {quoted(effect.request.target)}",
    Deliver: lambda effect: f"give the program {_messages(effect.messages)}",
    DeliverCompressed: lambda effect: f"give the program {_messages(effect.messages)}",
    CallWsClose: lambda effect: (
        f"the WebSocket is over, code {effect.code}: "
        f"{_reason(effect.reason)}" + _if(effect.text, f", {quoted(effect.text)}")
    ),
    CallWsDrain: lambda effect: "it has caught up",
    CallWsPong: lambda effect: f"a pong: {quoted(effect.data)}",
    CallWritable: lambda effect: "tell the program that more can be sent",
    CallSseOpen: lambda effect: f"it is an event stream now: {quoted(effect.request.target)}",
    CallSseClose: lambda effect: f"the event stream is over: {_reason(effect.reason)}",
    Handle: lambda effect: f"call the handler: {_requests(effect.requests)}",
    AskBody: lambda effect: f"ask how the body is wanted: {_requests((effect.request,))}",
    HandlePieces: lambda effect: (
        f"call the handler, the body comes in pieces: {_requests((effect.request,))}"
    ),
    BodyPiece: lambda effect: (
        f"give the program a piece of the body: {_sized(effect.data)}"
        + _if(effect.is_last, ", the last")
    ),
    Pull: lambda effect: "ask the streamed body for more",
    SendFile: lambda effect: f"send up to {counted(effect.max_len, 'byte')} of the file",
    CloseBody: lambda effect: "close the body of the response",
    Send: _send,
    FanOut: _fan_out,
    Watch: lambda effect: _INTERESTS[effect.interest],
    LimitUnsent: lambda effect: "let the kernel hold little for it",
    ReadSendQueue: lambda effect: "ask what the kernel still holds for it",
    Drop: lambda effect: "close the socket",
    Log: lambda effect: f"log: {quoted(effect.text)}",
    AccessLog: _access,
    StartTls: lambda effect: "begin TLS",
}
"""The sentence of each kind of effect."""
