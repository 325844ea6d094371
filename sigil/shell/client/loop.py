"""The client's loop: events go to the core, effects are performed, and the program is called.

Theory: as in the server's shell, the agent is a value that only this loop replaces. What happens on
sockets, in other threads and in the program becomes events; a run applies all that there are, and
performs what follows, until nothing does.

Rules: a client belongs to the thread that ticks it. What the program asks for on that thread is
done at once, also from a callback; what comes from elsewhere, or interrupts a step, is posted.
User code runs between steps only. What came in time is read before time is judged. It does not know
what a response is made into: `receiver` does.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from ...core.client.agent import Agent, make_agent
from ...core.client.effects import (
    ClientEffect,
    GiveBody,
    GiveEnd,
    GiveFailure,
    GiveHead,
    HandOver,
    PullBody,
    TransferBlocked,
    TransferData,
    TransferDrained,
    TransferDue,
    TransferEnded,
)
from ...core.client.events import (
    ClientClosed,
    ClientEvent,
    RequestAbandoned,
    RequestMade,
    ResponseWanted,
)
from ...core.client.failures import FailureKind, failure_of
from ...core.client.fold import advance, lacking_len, next_deadline, wants_piece
from ...core.client.limits import ClientLimits
from ...core.client.proxies import NO_PROXIES, Proxies
from ...core.client.requests import OutgoingRequest
from ...core.effects import ERROR_LOG
from ...core.events import InputRead, TimeRead
from ..loop.clock import read_clock
from ..loop.mailbox import Mailbox
from ..loop.poller import Poller, ready_for
from ..program.logs import call_logged
from .alarms import Alarm, Alarms
from .bodies import Body
from .body_reads import BodyReads
from .pulling import pull_piece
from .receiver import Receiver, Wish
from .resolver import Lookup, Resolver, look_up
from .sockets import SocketEffect, Sockets
from .takeover import Line, Protocols, TransferEffect
from .transport import Attempt, Transport

_LOG = logging.getLogger(ERROR_LOG)
SEED_LEN = 32
FORKED = "a client is not used in a forked child: make another one there"
PULL_ROUNDS = 16
"""How often each body that is sent may be asked for a piece in one run, before what has come in
meanwhile is looked at.
"""


class ClientLoop:
    """What ticks a client."""

    def __init__(
        self,
        limits: ClientLimits,
        user_agent: str,
        proxies: Proxies = NO_PROXIES,
        lookup: Lookup = look_up,
    ) -> None:
        self.limits = limits
        reading = read_clock()
        self.agent: Agent = make_agent(limits, user_agent, proxies, reading.now, reading.unix_time)
        self._poller = Poller()
        self._mailbox: Mailbox[ClientEvent | Callable[[], object]] = Mailbox(self._discard)
        try:
            self._mailbox.open(self._poller)
        except BaseException:
            self._poller.close()
            raise
        resolver = Resolver(
            limits.max_resolver_threads,
            self._mailbox.put,
            lookup,
            limits.max_abandoned_resolver_threads,
        )
        self.sockets = Sockets(self._poller, resolver)
        self._receivers: dict[int, Receiver] = {}
        self._protocols = Protocols(self)
        self._events: list[ClientEvent] = []
        self._effects: deque[ClientEffect] = deque()
        self._pulls: list[PullBody] = []
        self._reads = BodyReads(limits)
        self._alarms = Alarms()
        self._numbers = count()  # threads that ask at once must not get the same number
        self._thread = threading.get_ident()
        self._pid = os.getpid()
        self._is_stepping = False
        """The core is at work, or the loop on its tables: what comes now is posted."""
        self._is_running = self._is_ticking = self._is_watched = False
        self._known_deadline: float | None = None
        self.is_closed = False
        self.after_run: Callable[[], object] | None = None
        """Called when something was done outside of a tick; for a host loop."""
        self.before_close: Callable[[], object] | None = None
        """Called when its descriptor is about to be closed; for a host loop that waits for it."""

    # -- what the program wants --------------------------------------------------------------------

    def submit(self, outgoing: OutgoingRequest, body: Body, wish: Wish) -> Receiver:
        """Make a request; its receiver has the `Deferred`."""
        if os.getpid() != self._pid:
            raise RuntimeError(FORKED)
        number = next(self._numbers)
        receiver = Receiver(number, outgoing, body, wish, self.limits, self)
        self._receivers[number] = receiver
        receiver.deferred.on_cancel(
            lambda: self.abandon(number, FailureKind.CANCELLED, "nobody waits for it any more")
        )
        self.report(RequestMade(number, outgoing, os.urandom(SEED_LEN)))
        return receiver

    def abandon(self, request: int, kind: FailureKind, what: str) -> None:
        """Nobody wants the response to a request any more."""
        self.report(RequestAbandoned(request, kind, what))

    def want(self, request: int, is_wanted: bool) -> None:
        """Read more of the response to a request, or no more for now."""
        self.report(ResponseWanted(request, is_wanted))

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call a function on the thread that ticks, in its next tick."""
        self._mailbox.put(function)

    @property
    def is_elsewhere(self) -> bool:
        """True in a thread that is not the one that ticks."""
        return threading.get_ident() != self._thread

    def call_at(self, at: float, function: Callable[[], object]) -> Alarm:
        """Call a function at a time of `time.monotonic()`, on the thread that ticks."""
        alarm = self._alarms.set(at, function)
        if not self._is_running:
            self._after_change()
        return alarm

    def report(self, event: ClientEvent) -> None:
        """Tell the core an event: now, or in the next tick if this is another thread or interrupts
        the loop.
        """
        if self._is_stepping or threading.get_ident() != self._thread:
            self._mailbox.put(event)
            return
        if self._is_running:
            self._events.append(event)
        else:  # what is timed from now on is timed from now, however long ago the last tick was
            self._is_stepping = True
            self._events += (read_clock(), event)
            self._is_stepping = False
            self._run()
            self._after_change()

    def _after_change(self) -> None:
        """Let whoever waits for this client look again, if that is sooner than was known."""
        if self.after_run is not None:
            self.after_run()
        elif self._is_watched and not self._is_ticking:
            at, known = self._next_at(), self._known_deadline
            if self._pulls or (at is not None and (known is None or at < known)):
                self._known_deadline = at
                self._mailbox.wake()

    # -- ticking -----------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The time of `time.monotonic()`, as it was read last."""
        return self.agent.now

    def clock(self) -> float:
        """The time of `time.monotonic()` now."""
        return read_clock().now

    def fileno(self) -> int:
        """The descriptor that is readable while a tick has something to do."""
        self._is_watched = True
        descriptor = self._poller.fileno()
        if descriptor is None:
            raise OSError("this system has no descriptor for a set of descriptors")
        return descriptor

    def next_deadline(self) -> float | None:
        """When a tick is needed though nothing is ready; None if never."""
        at = self.agent.now if self._pulls or self._events else self._next_at()
        self._known_deadline = at
        return at

    def _next_at(self) -> float | None:
        """When the core, or an alarm, has something to do."""
        return self._alarms.or_sooner(next_deadline(self.agent))

    def wake(self) -> None:
        """End the wait of a tick, from whatever thread."""
        self._mailbox.wake()

    def tick(self, timeout: float | None = 0.0) -> bool:
        """Wait up to `timeout` seconds (None: as long as it takes) for something to do, and do it.
        True if there was anything.
        """
        if self.is_closed:
            return False
        if self._is_ticking or self._is_running:
            raise RuntimeError("a client is not ticked from its own callbacks")
        if os.getpid() != self._pid:
            raise RuntimeError(FORKED)
        self._thread = threading.get_ident()
        self._is_ticking = True
        try:
            return self._tick(timeout)
        finally:
            self._is_ticking = self._is_stepping = False

    def _tick(self, timeout: float | None) -> bool:
        has_work = bool(self._pulls or self._events or self._effects or len(self._mailbox))
        ready = self._poller.wait(0.0 if has_work else self._bounded(timeout))
        reading = read_clock()
        at = self._next_at()
        is_due = at is not None and at <= reading.now
        if is_due:
            ready = self._poller.wait(0.0)  # all that came before the clock was read
        if not (ready or is_due or has_work):
            return False
        self._collect(ready, reading)
        if is_due:
            self._events.append(InputRead())
        self._run()
        if is_due:
            for function in self._alarms.take_due(reading.now):
                call_logged(function, "an alarm of a client raised")
        return True

    def wait(self) -> None:
        """Do something, and wait for it if need be. For whoever has nothing else to do."""
        if self.is_closed:
            raise RuntimeError("the client is closed")
        self.tick(None)

    def _bounded(self, timeout: float | None) -> float | None:
        at = self._next_at()
        if at is None or timeout == 0.0:
            return timeout
        left = max(0.0, at - read_clock().now)
        return left if timeout is None else min(timeout, left)

    def _collect(self, ready: list[tuple[object, int]], reading: TimeRead) -> None:
        """Take what has happened by the time of this reading, and call what was to be called."""
        functions: list[Callable[[], object]] = []
        self._is_stepping = True  # what interrupts this is posted, so that no event is lost
        try:
            self._events.append(reading)
            self._reads.begin_tick()
            for owner, mask in ready:
                self._on_ready(owner, mask)
            for item in self._mailbox.take():
                if callable(item):
                    functions.append(item)
                else:
                    self._events.append(item)
        finally:
            self._is_stepping = False
        for function in functions:
            call_logged(function, "a function of call_soon raised")

    def _on_ready(self, owner: object, mask: int) -> None:
        """A descriptor is ready."""
        if isinstance(owner, Transport):
            ready = ready_for(mask, owner.interest)
            if ready:
                self._events += owner.ready(ready, self._read_len(owner))
            else:
                owner.unwatch()
        elif owner is self._mailbox:
            self._mailbox.drain_wakeup()
        elif isinstance(owner, Attempt):
            self._events.append(self.sockets.end_of_attempt(owner))

    def _read_len(self, transport: Transport) -> int:
        """How many bytes are read of a connection now: more in the middle of something long."""
        if transport.is_long:
            number = transport.connection
            lacking = lacking_len(self.agent, number) or self._protocols.lacking_len(number)
            if lacking > self.limits.max_read_len:
                return self._reads.read_len(lacking)
            transport.is_long = False
        return self.limits.max_read_len

    def _run(self) -> None:
        """Apply all events, and perform what follows from them, until nothing does."""
        self._is_running = True
        rounds = PULL_ROUNDS
        try:
            while True:
                while self._effects:
                    self._perform(self._effects.popleft())
                if self._events:
                    self._step()
                elif self._pulls and rounds:
                    rounds -= 1
                    pulls, self._pulls = self._pulls, []
                    for pull in pulls:
                        self._pull(pull)
                else:
                    break
        finally:
            self._is_running = False
        if self.is_closed:
            self._shut()
        elif self._pulls and not self._is_ticking:
            self._mailbox.wake()

    def _step(self) -> None:
        """Apply the events; an interrupt leaves them for the next run, and nothing is lost."""
        self._is_stepping = True
        try:
            agent, effects = advance(self.agent, self._events)
        except Exception:
            self._events = []
            raise
        finally:
            self._is_stepping = False
        self.agent, self._events = agent, []
        self._effects.extend(effects)

    # -- effects -----------------------------------------------------------------------------------

    def _perform(self, effect: ClientEffect) -> None:
        """Perform one effect."""
        if isinstance(effect, SocketEffect):
            event = self.sockets.perform(effect)
            if event is not None:
                self._events.append(event)
        else:
            PERFORMERS[type(effect)](self, effect)

    def _pull_later(self, effect: PullBody) -> None:
        if effect.is_first:  # what was asked for on another connection is not sent on this one
            self._pulls = [pull for pull in self._pulls if pull.request != effect.request]
        self._pulls.append(effect)

    def _pull(self, pull: PullBody) -> None:
        """Ask the program for the next piece of a body, if it is still wanted."""
        receiver = self._receivers.get(pull.request)
        if receiver is not None and wants_piece(self.agent, pull.request):
            pull_piece(self, receiver, pull)

    # -- what the program gets ---------------------------------------------------------------------

    def _give_head(self, effect: GiveHead) -> None:
        receiver = self._receivers.get(effect.request)
        if receiver is not None:
            receiver.tls = self.sockets.tls_of(effect.connection)
            receiver.head(effect)

    def _give_body(self, effect: GiveBody) -> None:
        receiver = self._receivers.get(effect.request)
        if receiver is not None:
            receiver.pieces(effect.pieces)

    def _give_end(self, effect: GiveEnd) -> None:
        receiver = self._receivers.pop(effect.request, None)
        if receiver is not None:
            receiver.end()

    def _give_failure(self, effect: GiveFailure) -> None:
        receiver = self._receivers.pop(effect.request, None)
        if receiver is not None:
            receiver.fail(effect.failure)

    def _hand_over(self, effect: HandOver) -> None:
        receiver = self._receivers.pop(effect.request)
        protocol = receiver.wish.protocol
        assert protocol is not None
        line = Line(self, effect.connection, self.sockets.tls_of(effect.connection))
        receiver.deferred.complete(protocol)
        self._protocols.begin(protocol, line, effect.head, effect.data, self.now)

    def _transfer(self, effect: TransferEffect) -> None:
        self._protocols.transfer(effect, self.now)

    # -- the end -----------------------------------------------------------------------------------

    def close(self, what: str = "the client was closed") -> None:
        """End all that is under way, and close everything; twice is once."""
        if self.is_closed:
            return
        self.is_closed = True
        if os.getpid() != self._pid:
            self._shut()
            return
        self._thread = threading.get_ident()
        self._events += [item for item in self._mailbox.take() if not callable(item)]
        self._events.append(ClientClosed(what))
        if not self._is_running:  # else from a callback, behind which everything is closed
            self._run()

    def _shut(self) -> None:
        """Close everything; in a forked child but these descriptors, which the parent uses."""
        if self.before_close is not None:
            self.before_close()
        self.sockets.close(os.getpid() == self._pid)
        self._mailbox.close()
        with suppress(OSError):
            self._poller.close()

    def _discard(self, item: ClientEvent | Callable[[], object]) -> None:
        """Something was posted to a client that is closed: a request that waits fails."""
        if isinstance(item, RequestMade):
            receiver = self._receivers.pop(item.request, None)
            if receiver is not None:
                asked, kind = item.outgoing, FailureKind.CLIENT_CLOSED
                receiver.fail(failure_of(kind, asked.method, asked.uri, "the client is closed"))


PERFORMERS: dict[type, Callable[..., None]] = {
    PullBody: ClientLoop._pull_later,
    GiveHead: ClientLoop._give_head,
    GiveBody: ClientLoop._give_body,
    GiveEnd: ClientLoop._give_end,
    GiveFailure: ClientLoop._give_failure,
    HandOver: ClientLoop._hand_over,
    TransferData: ClientLoop._transfer,
    TransferBlocked: ClientLoop._transfer,
    TransferDrained: ClientLoop._transfer,
    TransferDue: ClientLoop._transfer,
    TransferEnded: ClientLoop._transfer,
}
"""What performs an effect, for every kind."""
