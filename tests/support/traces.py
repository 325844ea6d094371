"""What a run of a server was, in a form in which two runs can be compared: a pure function of what
the core was given, what it has ordered, what its program was told and what its clients received.

Theory: a loop decides when a tick is, and so how events fall into turns; it decides nothing else.
So what is compared are not turns but sequences: for each connection its events, its effects, its
callbacks and its bytes, each in order. Neighbours of one kind are joined: two reads of one byte are
one of two bytes, and two sends of the core are one.

Rules, all of which `normalised` keeps, and nothing else is left out or changed:

* A connection has the name that the script gave it, in the place of its port. Its number (`Conn`)
  stays: who comes in the same order has the same one. `Date` and `Last-Modified` are replaced by a
  word, and the epoch of a position by 0.
* Left out are events that only say when (`TickStarted`, `TimeRead`, `InputRead`, `Flush`), those
  that follow from how long user code took (`Postponed`), and what is asked of a kernel and said by
  it of how full it is (`LimitUnsent`, `ReadSendQueue`, `SendQueueRead`).
* An event for a connection that has closed changes nothing, and is left out.
* Handlers that promise their responses keep their promises in any order: neighbouring responses
  are put into that of the requests.
* Of a text with a traceback the first and the last line are compared.
* What a cohort is sent (`FanOut`) counts as sent to each of its members; connections are compared
  one by one, so what happens to two of them at once has no order.

It does not know the loop, nor how the events were recorded.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sigil.core.conn import Conn, Peer, Ticket
from sigil.core.effects import (
    AccessLog,
    Adopt,
    CallClose,
    Effect,
    FanOut,
    LimitUnsent,
    Log,
    ReadSendQueue,
    Send,
    Then,
)
from sigil.core.events import (
    Accepted,
    Event,
    Flush,
    InputRead,
    Postponed,
    SendQueueRead,
    TickStarted,
    TimeRead,
    conn_of,
)
from sigil.core.http.headers import Headers
from sigil.core.value import Value

Turn = tuple[Sequence[Event], Sequence[Effect]]
"""What the core was given at once, and what it has ordered."""
Parts = tuple[Any, ...]
"""A kind and what there is to say, all of it plain."""

SERVER = "server"
"""The name of what concerns no connection."""
ABOUT_TIME = (TickStarted, TimeRead, InputRead, Flush, Postponed, SendQueueRead)
ABOUT_THE_KERNEL = (LimitUnsent, ReadSendQueue)
DATES = re.compile(rb"(\r\n(?:Date|Last-Modified): )[^\r]*")
POSITIONS = re.compile(rb"(id: |\"position\":\")\d+-")


def _longer(first: Parts, second: Parts) -> Parts:
    """One that has what the two have."""
    return *first[:-1], first[-1] + second[-1]


def _delivered(first: Parts, second: Parts) -> Parts:
    """The replies of two callbacks, and what was wrong with the last message."""
    return "Delivered", first[1] + second[1], second[2]


def _returned(first: Parts, second: Parts) -> Parts:
    """The responses of both, in the order of their requests."""
    return "HandlerReturned", sorted(first[1] + second[1])


JOINED: dict[str, Callable[[Parts, Parts], Parts]] = {
    "Received": _longer,
    "Sent": _longer,
    "SendMessages": _longer,
    "Publish": _longer,
    "Handle": _longer,
    "Deliver": _longer,
    "DeliverCompressed": _longer,
    "Delivered": _delivered,
    "HandlerReturned": _returned,
}
"""How two neighbours of one kind and one connection are one; others stay two."""


class Trace(NamedTuple):
    """A run, by the names of connections: four sequences for each of them."""

    received: dict[str, bytes]
    """What came at the client."""
    sent: dict[str, bytes]
    """What the core has ordered to be sent to it."""
    callbacks: dict[str, list[Parts]]
    events: dict[str, list[Parts]]
    effects: dict[str, list[Parts]]


class Names:
    """The names of the script for ports and connections, as they become known."""

    def __init__(self, ports: Mapping[int, str]) -> None:
        self._ports = ports
        self._conns: dict[Conn, str] = {}
        self._sockets: dict[int, str] = {}
        self.closed: set[Conn] = set()

    def of_peer(self, peer: Peer) -> str:
        """The name of the connection from this address."""
        return self._ports[peer.port]

    def of(self, conn: Conn) -> str:
        """The name of a connection."""
        return self._conns[conn]

    def accepted(self, event: Accepted) -> str:
        """The name of a newcomer."""
        self._sockets[event.socket_id] = name = self.of_peer(event.peer)
        return name

    def adopted(self, effect: Adopt) -> str:
        """The name of a newcomer, which has its number now."""
        self._conns[effect.conn] = name = self._sockets.pop(effect.socket_id)
        return name

    def in_text(self, text: str) -> str:
        """A text with names in place of ports."""
        return re.sub(r"127\.0\.0\.1:(\d+)", lambda found: self._ports[int(found[1])], text)


def timeless(data: bytes) -> bytes:
    """Bytes of a response without the time at which it was made."""
    return POSITIONS.sub(rb"\g<1>0-", DATES.sub(rb"\1then", data))


def without_traceback(text: str) -> str:
    """The first and the last line of a text that has a traceback between them."""
    lines = text.split("\n")
    return text if "Traceback (most recent call last):" not in lines else f"{lines[0]} {lines[-1]}"


def normalised(
    turns: Iterable[Turn],
    lines: Iterable[tuple[Any, ...]],
    received: Mapping[str, bytes],
    ports: Mapping[int, str],
) -> Trace:
    """A run of these turns, in which callbacks were called so, and clients received that."""
    names = Names(ports)
    events: list[tuple[str, Parts]] = []
    effects: list[tuple[str, Parts]] = []
    for given, ordered in turns:
        events += [found for event in given for found in _of_event(event, names)]
        effects += [found for effect in ordered for found in _of_effect(effect, names)]
    told = [(names.of(conn), (name, conn, *_plain(rest, names))) for name, conn, *rest in lines]
    by_name = _joined_by_name(effects)
    return Trace(
        received={name: timeless(data) for name, data in sorted(received.items())},
        sent={
            name: timeless(b"".join(parts[-1] for parts in found if parts[0] == "Sent"))
            for name, found in by_name.items()
            if name != SERVER
        },
        callbacks=_by_name(told),
        events=_joined_by_name(events),
        effects={
            name: [_timeless_sent(parts) for parts in found] for name, found in by_name.items()
        },
    )


def _of_event(event: Event, names: Names) -> Iterator[tuple[str, Parts]]:
    """Whose an event is, and what it says; nothing for one that is left out."""
    if isinstance(event, ABOUT_TIME):
        return
    if type(event) is Accepted:
        yield names.accepted(event), ("Accepted", event.is_tls)
        return
    conn = conn_of(event)
    if conn is None:
        yield SERVER, _parts(event, names)
    elif conn not in names.closed:
        yield names.of(conn), _numbered(_parts(event, names))


def _numbered(parts: Parts) -> Parts:
    """What happened, each response of a handler with the number of its request."""
    if parts[0] != "HandlerReturned":
        return parts
    kind, first, responses = parts
    return kind, [(first + index, response) for index, response in enumerate(responses)]


def _of_effect(effect: Effect, names: Names) -> Iterator[tuple[str, Parts]]:
    """Whose an effect is, and what it orders; nothing for one that is left out."""
    if isinstance(effect, ABOUT_THE_KERNEL):
        return
    match effect:
        case Adopt():
            yield names.adopted(effect), ("Adopt", effect.conn)
        case Send():
            yield names.of(effect.conn), ("Sent", b"".join(effect.segments))
            if effect.then is not Then.KEEP:
                yield names.of(effect.conn), ("Then", effect.then.name)
        case FanOut():
            yield from ((names.of(conn), ("Sent", effect.data)) for conn in effect.members)
        case Log():
            yield SERVER, _parts(effect, names)
        case AccessLog():
            yield names.of_peer(effect.peer), _parts(effect.replace(since=0.0), names)
        case _:
            if type(effect) is CallClose:
                names.closed.add(effect.conn)
            ticket = getattr(effect, "ticket", None)
            conn = effect.conn if ticket is None else ticket.conn  # type: ignore[union-attr]
            yield names.of(conn), _parts(effect, names)


def _parts(value: Value, names: Names) -> Parts:
    """The kind of a record, and its fields without the connection."""
    fields = [getattr(value, name) for name in value.__match_args__]
    return type(value).__name__, *(
        _plain(field, names) for field in fields if not isinstance(field, Conn)
    )


def _plain(value: Any, names: Names) -> Any:
    """A value without what differs from run to run: addresses, and objects of the program."""
    match value:
        case Peer():
            return names.of_peer(value)
        case Ticket():
            return value.number
        case Conn() | Headers():
            return value
        case Value():
            known = {name: _plain(getattr(value, name), names) for name in value.__match_args__}
            return type(value).__name__, *known.items()
        case memoryview():
            return bytes(value)
        case list() | tuple():
            return tuple(_plain(item, names) for item in value)
        case str():
            return names.in_text(without_traceback(value))
        case None | int() | float() | bytes() | frozenset():
            return value
        case _:
            return f"<{type(value).__name__}>"


def _timeless_sent(parts: Parts) -> Parts:
    """An effect whose bytes have no time."""
    return ("Sent", timeless(parts[1])) if parts[0] == "Sent" else parts


def _by_name(found: Iterable[tuple[str, Parts]]) -> dict[str, list[Parts]]:
    """What belongs to each name, in order."""
    result: dict[str, list[Parts]] = {}
    for name, parts in found:
        result.setdefault(name, []).append(parts)
    return dict(sorted(result.items()))


def _joined_by_name(found: Iterable[tuple[str, Parts]]) -> dict[str, list[Parts]]:
    """What belongs to each name, in order, neighbours of one kind joined."""
    return {name: joined(parts) for name, parts in _by_name(found).items()}


def joined(found: Iterable[Parts]) -> list[Parts]:
    """A sequence whose neighbours of one kind are one, where that says as much."""
    result: list[Parts] = []
    for parts in found:
        join = JOINED.get(parts[0])
        if join is not None and result and result[-1][0] == parts[0]:
            result[-1] = join(result[-1], parts)
        else:
            result.append(parts)
    return result
