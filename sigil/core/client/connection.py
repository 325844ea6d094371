"""One connection of a client, as a record.

Theory: a connection is resolved, connected, perhaps led through a proxy, perhaps secured, and then
used for one request after another; between two it is idle. What is under way on it at the moment is
a record of its own, `Flow`, which is made anew for each request.

How a protocol takes over: a request with `RequestOptions.upgrade` set to the name of the protocol
(and with its fields: `Connection: Upgrade`, `Upgrade: <name>`, and what else the handshake wants)
is sent like any other. If a 101 comes back that confirms that name, the request has ended, and the
connection is in `Phase.TAKEN_OVER`: the effect `HandOver` has the number of the request and of the
connection, the head (so that the protocol checks what only it knows, such as
Sec-WebSocket-Accept), and the bytes that came behind the head. From then on
* what is received is handed on by `TransferData(connection, data)`, unparsed;
* the end is `TransferEnded(connection, failure)`, once, whoever caused it: None if the other end
  closed cleanly, or if the protocol closed;
* the protocol sends with the event `DataOrdered(connection, segments)`; when the kernel has not
  taken all, `TransferBlocked(connection)` follows, and `TransferDrained(connection)` when it has;
* it closes with `CloseOrdered(connection)`, behind what was sent;
* it is read or not with `ReadingOrdered(connection, is_wanted)`;
* it has one deadline, set with `DeadlineOrdered(connection, at)` (None: no deadline), and
  `TransferDue(connection)` when that has passed.
Any other response is given to the program as a response, and the protocol has not begun. In the
shell, `ClientLoop.take_over(request, protocol)` names the object whose methods are called for these
effects (`sigil.shell.client.takeover.Protocol`).

Rules: a connection is updated by the functions below. It does not know the other connections.
"""

from enum import IntEnum
from math import inf
from typing import Final, NamedTuple, final

from ..http.body import BodyReader
from ..http.chunks import StreamState
from ..value import Value
from .racing import Race
from .responses import ResponseHead
from .uri import Uri


class Phase(IntEnum):
    """What a connection is doing."""

    RESOLVING = 0
    CONNECTING = 1
    SECURING_PROXY = 2
    """The handshake of TLS with a proxy is under way."""
    TUNNELING = 3
    """A proxy was asked for a tunnel, and has not answered."""
    SECURING = 4
    IDLE = 5
    ACTIVE = 6
    """A request is under way."""
    TAKEN_OVER = 7
    """Its bytes belong to another protocol."""


class Route(NamedTuple):
    """Where a connection leads: requests with equal routes may share it.

    `host` and `port` are those of the server, empty and 0 if a proxy is asked for whatever it may
    be (`is_forwarded`); `tls` is the shell's number for how TLS is done with the server, and
    `proxy_tls` with a proxy whose scheme is https.
    """

    host: str
    port: int
    is_secure: bool
    tls: int = 0
    proxy: Uri | None = None
    proxy_tls: int = 0

    @property
    def is_forwarded(self) -> bool:
        """True if requests are sent to a proxy, which forwards them."""
        return not self.host

    @property
    def is_tunneled(self) -> bool:
        """True if a proxy makes a tunnel to the server."""
        return self.proxy is not None and bool(self.host)

    @property
    def next_host(self) -> str:
        """The host that is connected to."""
        return self.host if self.proxy is None else self.proxy.host

    @property
    def next_port(self) -> int:
        """The port that is connected to."""
        return self.port if self.proxy is None else self.proxy.port


class Sending(IntEnum):
    """How far the sending of a request is."""

    DONE = 0
    """The kernel has all of it, as far as is known."""
    BLOCKED = 1
    """The kernel has not taken all that it was given; nothing follows."""
    PULLING = 2
    """The next piece of the body was asked for."""
    BLOCKED_PULL = 3
    """The kernel has not taken all, and the next piece of the body is asked for when it has."""
    BLOCKED_PULLING = 4
    """The kernel has not taken all, and the next piece of the body was asked for before."""


PULLING: Final = frozenset((Sending.PULLING, Sending.BLOCKED_PULLING))
BLOCKED: Final = frozenset((Sending.BLOCKED, Sending.BLOCKED_PULL, Sending.BLOCKED_PULLING))


@final
class Flow(Value):
    """A request and its response under way.

    `sending` is how far the request was sent, `outgoing` the framing of a body that is pulled.
    `buffer` holds what was received and not taken, `scan` bytes of which were searched for the end
    of a head; `has_answered` is true if anything was received. `head` and `reader` are the response
    as far as it has come; `ends_with_connection` if its body does, `is_unwanted` if it is read to
    the end and dropped. `informational` counts responses 1xx.
    """

    __match_args__ = (
        "sending", "outgoing", "buffer", "scan", "has_answered", "head", "reader",
        "ends_with_connection", "is_unwanted", "informational",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        sending: Sending = Sending.DONE,
        outgoing: StreamState | None = None,
        buffer: bytes = b"",
        scan: int = 0,
        has_answered: bool = False,
        head: ResponseHead | None = None,
        reader: BodyReader | None = None,
        ends_with_connection: bool = False,
        is_unwanted: bool = False,
        informational: int = 0,
    ) -> None:
        self.sending: Final = sending
        self.outgoing: Final = outgoing
        self.buffer: Final = buffer
        self.scan: Final = scan
        self.has_answered: Final = has_answered
        self.head: Final = head
        self.reader: Final = reader
        self.ends_with_connection: Final = ends_with_connection
        self.is_unwanted: Final = is_unwanted
        self.informational: Final = informational


NO_FLOW: Final = Flow()
NO_REQUEST: Final = -1


@final
class Connection(Value):
    """A connection: its number, where it leads, what it is doing, and for which request.

    `used` counts the requests that were answered on it. `race` are the attempts to connect.
    `deadline` is when what it waits for must have come (`inf`: there is no such time), `looked_at`
    when the timers look at it next. `is_paused` is true if it is not to be read.
    """

    __match_args__ = (
        "number", "route", "phase", "request", "used", "race", "flow", "deadline", "looked_at",
        "is_paused",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        number: int,
        route: Route,
        phase: Phase,
        request: int,
        used: int = 0,
        race: Race | None = None,
        flow: Flow = NO_FLOW,
        deadline: float = inf,
        looked_at: float = inf,
        is_paused: bool = False,
    ) -> None:
        self.number: Final = number
        self.route: Final = route
        self.phase: Final = phase
        self.request: Final = request
        self.used: Final = used
        self.race: Final = race
        self.flow: Final = flow
        self.deadline: Final = deadline
        self.looked_at: Final = looked_at
        self.is_paused: Final = is_paused


def in_phase(
    old: Connection, phase: Phase, deadline: float, race: Race | None = None
) -> Connection:
    """The connection in another phase of its making, with the deadline of that."""
    return Connection(
        old.number, old.route, phase, old.request, old.used, race, NO_FLOW, deadline,
        old.looked_at, old.is_paused,
    )  # fmt: skip


def with_race(old: Connection, race: Race) -> Connection:
    """The connection with its attempts to connect."""
    return Connection(
        old.number, old.route, old.phase, old.request, old.used, race, old.flow, old.deadline,
        old.looked_at, old.is_paused,
    )  # fmt: skip


def with_request(old: Connection, request: int, flow: Flow, deadline: float) -> Connection:
    """The connection with a request under way."""
    return Connection(
        old.number, old.route, Phase.ACTIVE, request, old.used, None, flow, deadline,
        old.looked_at, False,
    )  # fmt: skip


def with_flow(old: Connection, flow: Flow, deadline: float) -> Connection:
    """The connection with what is under way on it a step further."""
    return Connection(
        old.number, old.route, old.phase, old.request, old.used, old.race, flow, deadline,
        old.looked_at, old.is_paused,
    )  # fmt: skip


def made_idle(old: Connection, deadline: float) -> Connection:
    """The connection with nothing under way, after one more request."""
    return Connection(
        old.number, old.route, Phase.IDLE, NO_REQUEST, old.used + 1, None, NO_FLOW, deadline,
        old.looked_at, False,
    )  # fmt: skip


def with_deadline(old: Connection, deadline: float) -> Connection:
    """The connection with another deadline."""
    return with_flow(old, old.flow, deadline)


def looked_at(old: Connection, at: float) -> Connection:
    """The connection, at which the timers look at this time."""
    return Connection(
        old.number, old.route, old.phase, old.request, old.used, old.race, old.flow, old.deadline,
        at, old.is_paused,
    )  # fmt: skip


def paused(old: Connection, is_paused: bool, deadline: float) -> Connection:
    """The connection, which is to be read or not."""
    return Connection(
        old.number, old.route, old.phase, old.request, old.used, old.race, old.flow, deadline,
        old.looked_at, is_paused,
    )  # fmt: skip


# -- what is under way -----------------------------------------------------------------------------


def while_sending(old: Flow, sending: Sending, outgoing: StreamState | None) -> Flow:
    """The flow with the request sent further."""
    return Flow(
        sending, outgoing, old.buffer, old.scan, old.has_answered, old.head, old.reader,
        old.ends_with_connection, old.is_unwanted, old.informational,
    )  # fmt: skip


def while_waiting(old: Flow, buffer: bytes, scan: int, informational: int) -> Flow:
    """The flow with the beginning of a head."""
    return Flow(
        old.sending, old.outgoing, buffer, scan, True, None, None, False, False, informational
    )


def while_reading(
    old: Flow,
    head: ResponseHead | None,
    reader: BodyReader,
    buffer: bytes,
    ends_with_connection: bool,
    is_unwanted: bool,
) -> Flow:
    """The flow with more of a response."""
    return Flow(
        old.sending, old.outgoing, buffer, 0, True, head, reader, ends_with_connection,
        is_unwanted, old.informational,
    )  # fmt: skip
