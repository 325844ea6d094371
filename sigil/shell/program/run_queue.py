"""User code that waits for its turn, by connection, and how long it may run in one tick.

Theory: user code takes as long as it likes, and while it runs nobody else is served. It cannot be
interrupted, but what has not begun can wait: when the user code of a tick has taken its time, the
rest is for the next tick, and in between what is answered leaves and everybody is read. Who waits
is chosen as fq_codel chooses packets: in turn, and one that has not had its turn yet before, or
after, every one that has, so that a single request waits for few others however many are pipelined.

Rules: the work of a connection runs in order. In each tick at least one piece of user code runs,
so everything has its turn. The callback of a newcomer to what is broadcast does not wait: what it
sends (the state from which a client starts) precedes what is broadcast later, and a program may
broadcast between two ticks. There are no more of them than handlers have returned in the tick. What
is measured is the clock that is handed in. It does not know what the work is.
"""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any, Protocol, TypeAlias

from ...core.conn import Conn
from ...core.control import CallWritable, CallWsPong
from ...core.effects import (
    AskBody,
    BodyPiece,
    CallClose,
    CallOpen,
    CallSseClose,
    CallSseOpen,
    CallWsClose,
    CallWsDrain,
    CallWsOpen,
    Deliver,
    DeliverCompressed,
    Handle,
    HandlePieces,
    Pull,
    SendFile,
)
from ...core.limits import Limits
from .jobs import Job, LateResult

Work: TypeAlias = (
    Handle
    | AskBody
    | HandlePieces
    | BodyPiece
    | Pull
    | SendFile
    | CallOpen
    | CallClose
    | CallWsOpen
    | Deliver
    | DeliverCompressed
    | CallWsClose
    | CallWsDrain
    | CallWsPong
    | CallWritable
    | CallSseOpen
    | CallSseClose
    | Job
    | LateResult
)
"""An effect that calls user code, or what is left over of one."""

USER_CODE = frozenset(
    (
        Handle,
        AskBody,
        HandlePieces,
        BodyPiece,
        Pull,
        SendFile,
        CallOpen,
        CallClose,
        CallWsOpen,
        Deliver,
        DeliverCompressed,
        CallWsClose,
        CallWsDrain,
        CallWsPong,
        CallWritable,
        CallSseOpen,
        CallSseClose,
    )
)
"""The effects that call user code and may wait; the end of a stream may not."""

_OPENINGS = (CallWsOpen, CallSseOpen)
"""The effects that call user code and wait only behind what their connection waits for already."""


def conn_of_work(work: Work) -> Conn:
    """The connection that work is for."""
    if isinstance(work, Handle | AskBody | HandlePieces | BodyPiece | Pull | SendFile | LateResult):
        return work.ticket.conn
    return work.conn


class Observer(Protocol):
    """Who is told of work that is done."""

    def add_call(self, work: Work, seconds: float, /) -> None:
        """This work has taken so long."""


class RunQueue:
    """The work that waits, and until when user code may begin in this tick."""

    # fmt: off
    __slots__ = (
        "_max_seconds", "_newcomers", "_others", "_report_from", "_slow_seconds",
        "_takes_other", "begun_at", "clock", "count", "observer", "on_slow", "until",
    )
    # fmt: on

    def __init__(
        self, max_seconds: float, clock: Callable[[], float], slow_seconds: float = inf
    ) -> None:
        self._max_seconds = max_seconds
        self._slow_seconds = slow_seconds
        self.clock = clock
        self.begun_at = 0.0
        """When the work that is under way has begun."""
        self.on_slow: Callable[[Work, float], object] = _ignore
        """Called with work that took too long, and how long."""
        self.observer: Observer | None = None
        """Who is told of all work, however long it took."""
        self._report_from = slow_seconds
        """From how many seconds on anybody is told: from none, if somebody observes."""
        self.until = -inf
        """When user code has had its time in this tick; `-inf` if none has begun."""
        self.count = 0
        """How many pieces of work wait."""
        self._newcomers: dict[Conn, deque[Work]] = {}
        """The work of connections none of whose waiting work has run."""
        self._others: dict[Conn, deque[Work]] = {}
        self._takes_other = False

    def __len__(self) -> int:
        """How many connections have work that waits."""
        return len(self._newcomers) + len(self._others)

    def __contains__(self, conn: Conn) -> bool:
        """True if work of this connection waits."""
        return conn in self._newcomers or conn in self._others

    def room(self, limits: Limits) -> int:
        """How many more connections may have work that waits: callbacks that tell of connections
        come and gone would else be more than there can be connections.
        """
        max_count = limits.max_connection_cnt + limits.max_ws_connection_cnt
        return max(0, max_count - len(self))

    def begin_tick(self) -> None:
        """User code has its time anew."""
        self.until = -inf

    @property
    def is_spent(self) -> bool:
        """True if user code has had its time in this tick."""
        return self.until != -inf and self.read_clock() >= self.until

    def _begin(self) -> None:
        """Set until when user code may run, if none has begun in this tick."""
        if self.until == -inf:
            self.until = self.read_clock() + self._max_seconds

    # -- how long work takes -----------------------------------------------------------------------

    def read_clock(self) -> float:
        """The time; work that is done now begins now."""
        self.begun_at = now = self.clock()
        return now

    def end(self, work: Any) -> None:
        """Report work that is done, if it took too long or is observed."""
        seconds = self.clock() - self.begun_at
        if seconds >= self._report_from:
            if self.observer is not None:
                self.observer.add_call(work, seconds)
            if seconds >= self._slow_seconds:
                self.on_slow(work, seconds)

    def observe(self, observer: Observer) -> None:
        """Tell somebody of all work that is done from now on, and how long it took."""
        self.observer, self._report_from = observer, 0.0

    # -- in ----------------------------------------------------------------------------------------

    def defers(self, work: Any) -> bool:
        """False if work is to be done now; else it waits here, behind all of its connection."""
        has_time = not self.count and not self.is_spent
        if has_time or (type(work) in _OPENINGS and work.conn not in self):
            self._begin()
            if not has_time:
                self.read_clock()
            return False
        self.put(work)
        return True

    def put(self, work: Work) -> None:
        """Have work wait behind all of its connection."""
        conn = conn_of_work(work)
        waiting = self._others.get(conn)
        if waiting is None:
            waiting = self._newcomers.setdefault(conn, deque())
        waiting.append(work)
        self.count += 1

    def put_first(self, conn: Conn, *work: Work) -> None:
        """Have work wait before all of its connection, which has had a turn."""
        waiting = self._newcomers.pop(conn, None) or self._others.pop(conn, None) or deque()
        waiting.extendleft(reversed(work))
        self.count += len(work)
        if waiting:
            self._others[conn] = waiting

    # -- out ---------------------------------------------------------------------------------------

    def next(self) -> Work | None:
        """The work whose turn it is; None if there is none, or no time left in this tick."""
        if not self.count or self.is_spent:
            return None
        self._begin()
        is_other = bool(self._others) and (self._takes_other or not self._newcomers)
        self._takes_other = not is_other
        chosen = self._others if is_other else self._newcomers
        conn = next(iter(chosen))
        waiting = chosen.pop(conn)
        work = waiting.popleft()
        self.count -= 1
        if waiting:
            self._others[conn] = waiting
        return work


def _ignore(work: Work, seconds: float) -> None:
    """Nobody is interested."""
