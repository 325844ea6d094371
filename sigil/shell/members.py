"""Servers and clients that are ticked along with a server: its members.

Theory: a member is whatever has a descriptor that is readable while its tick has something to do,
and a deadline: another server, or a client. So a server can be the host loop of others as it is
part of one itself: it watches their descriptors, counts their deadlines, and ticks those that are
due, on its own thread, where it calls user code. Their callbacks may send, broadcast and close at
once, and what they say leaves in the same tick.

Rules: a member is attached once, and nobody is its own member, by way of others either. What the
tick of one raises is logged, and that member is left alone for `PAUSE_SECONDS`; nobody else
notices. The descriptor that is watched is a copy, so that a member may close its own at any time.
One that is not `running` any more is detached. When the server is stopped, so are the servers among
its members, and it ends behind them; clients go on until then, and stay attached for its next life.
It does not know what a member does.
"""

import logging
import os
from typing import Any, Protocol, TypeVar

from ..core.effects import ERROR_LOG, Interest
from ..core.limits import Limits
from .loop.engine import Engine
from .loop.poller import Poller
from .messaging import NO_THREAD
from .program.body_sources import Spawn
from .program.logs import write_text
from .program.tracebacks import EXIT_EXCEPTIONS, error_text
from .stopping import Stopping
from .watching import Watched

_LOG = logging.getLogger(ERROR_LOG)

PAUSE_SECONDS = 1.0
"""How long a member whose tick raised is left alone: one that always does is logged that often."""


class Member(Protocol):
    """What can be ticked along with a server.

    It may have `running` as well, which is False once it has ended, and `members` of its own.
    """

    def tick(self, timeout: float, /) -> bool:
        """Do what there is to do, waiting for it up to `timeout` seconds; True if there was any."""

    def fileno(self) -> int:
        """The descriptor that is readable while a tick has something to do."""

    def next_deadline(self) -> float | None:
        """When a tick is needed though nothing is ready, on `time.monotonic()`; None if never."""


MemberType = TypeVar("MemberType", bound=Member)


class Attached:
    """A member, and how it is watched."""

    __slots__ = ("descriptor", "is_ready", "member", "resumes_at")

    def __init__(self, member: Member) -> None:
        self.member = member
        self.descriptor = -1
        """The copy of its descriptor that is watched; -1 if none is."""
        self.is_ready = False
        """Its descriptor was readable in this tick."""
        self.resumes_at: float | None = None
        """When it is to be watched again; None while it is watched."""

    def watch(self, poller: Poller) -> None:
        """Watch its descriptor; OSError if that cannot be."""
        descriptor = os.dup(self.member.fileno())
        try:
            poller.watch(descriptor, Interest.READ, self)
        except BaseException:
            os.close(descriptor)
            raise
        self.descriptor, self.resumes_at = descriptor, None

    def forget(self, poller: Poller | None) -> None:
        """Watch its descriptor no more."""
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            if poller is not None:
                poller.forget(descriptor)
            os.close(descriptor)
        self.is_ready = False


class Hosting(Watched):
    """A server that ticks others along with itself."""

    __slots__ = ("_attached", "_waits_for_members")

    def __init__(self, limits: Limits, engine: Engine) -> None:
        super().__init__(limits, engine)
        self._attached: tuple[Attached, ...] = ()
        self._waits_for_members = True

    # -- for programs ------------------------------------------------------------------------------

    @property
    def members(self) -> tuple[Member, ...]:
        """The servers and clients that are ticked along with this server."""
        return tuple(attached.member for attached in self._attached)

    def attach(self, member: MemberType) -> MemberType:
        """Have another server, or a client, ticked along with this server from now on, and return
        it; twice is once. On the thread that ticks.

        A server that does not listen yet does so. It is stopped when this one is, with the same
        grace. TypeError for what cannot be ticked, ValueError for the server itself or one that it
        is attached to, OSError if it cannot listen or be watched, RuntimeError if something else
        serves it.
        """
        self._require_this_thread("attach")
        if any(attached.member is member for attached in self._attached):
            return member
        _check_member(self, member)
        if isinstance(member, Stopping):
            self._take_server(member)
        attached = Attached(member)
        if self._poller is None:
            attached.resumes_at = 0.0  # the first tick watches it
        else:
            attached.watch(self._poller)
        self._attached = (*self._attached, attached)
        self.wake()
        return member

    def detach(self, member: Member) -> None:
        """Leave a server or a client to itself: whoever has it ticks it from now on; twice is once.
        On the thread that ticks.
        """
        self._require_this_thread("detach")
        for attached in self._attached:
            if attached.member is member:
                self._remove(attached)

    def _require_this_thread(self, name: str) -> None:
        """RuntimeError while another thread serves."""
        if self._is_served_elsewhere():
            raise RuntimeError(
                f"{name}() was called while another thread serves: use "
                f"server.call_soon(server.{name}, member)"
            )

    def _take_server(self, member: Stopping) -> None:
        """Have another server listen, and belong to the thread that ticks this one."""
        member._require_unserved("attach")
        if not member.running:
            member.listen()
        if member._thread != self._thread:
            member._hand_over(NO_THREAD)
        if self._application.sources.spawn is not None:
            member._set_spawn(self._application.sources.spawn, self._is_in_asyncio)

    def _remove(self, attached: Attached) -> None:
        self._attached = tuple(other for other in self._attached if other is not attached)
        attached.forget(self._poller)
        if isinstance(attached.member, Stopping):
            attached.member._hand_over(NO_THREAD)
            if self._application.sources.spawn is not None:
                attached.member._set_spawn(None)

    # -- a tick ------------------------------------------------------------------------------------

    def _tick_members(self, now: float) -> bool:
        """Tick the members that are due, each as user code; True if one had anything to do. What
        they post is taken in this tick, so nobody is woken for it.
        """
        has_work = False
        self._mailbox.is_taken_soon = True
        try:
            for attached in self._attached:
                if attached in self._attached and self._is_due(attached, now):
                    has_work = self._attempt(attached, now, self._tick_member, attached) or has_work
                    if not getattr(attached.member, "running", True):
                        self._remove(attached)
        finally:
            self._mailbox.is_taken_soon = False
        return has_work

    def _is_due(self, attached: Attached, now: float) -> bool:
        """True if a member is ready, or its deadline is over."""
        if attached.is_ready:
            attached.is_ready = False
            return attached.resumes_at is None
        at = self._deadline_of(attached)
        return at is not None and at <= now

    def _deadline_of(self, attached: Attached) -> float | None:
        """When a member is to be ticked though nothing is ready; None if never."""
        if attached.resumes_at is not None:
            return attached.resumes_at
        if not getattr(attached.member, "running", True):
            return 0.0
        now = self._engine.run_queue.clock()
        at: float | None = self._attempt(attached, now, attached.member.next_deadline)
        return attached.resumes_at if at is None else at

    def _tick_member(self, attached: Attached) -> bool:
        """Tick a member, which is watched from now on."""
        if attached.resumes_at is not None:
            if not getattr(attached.member, "running", True):
                return False
            attached.watch(self._require_poller())
        return attached.member.tick(0.0)

    def _attempt(self, attached: Attached, now: float, call: Any, *args: object) -> Any:
        """What a call that concerns a member returns; None if it raises, which is logged, and then
        that member is left alone for a while.
        """
        try:
            with self._guard.user_code():
                return call(*args)
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            text = f"a member of the server raised: {type(attached.member).__name__}"
            write_text(_LOG, logging.ERROR, error_text(text, error))
            attached.forget(self._poller)
            attached.resumes_at = now + PAUSE_SECONDS
            return None

    def _deadline(self) -> float | None:
        """The next deadline, if no work is left."""
        deadline = super()._deadline()
        for attached in self._attached:
            at = self._deadline_of(attached)
            if at is not None and (deadline is None or at < deadline):
                deadline = at
        return deadline

    # -- the end -----------------------------------------------------------------------------------

    def _servers(self) -> tuple[Stopping, ...]:
        """The members that are servers."""
        members = [attached.member for attached in self._attached]
        return tuple(member for member in members if isinstance(member, Stopping))

    def stop(self, grace: float = 5.0) -> None:
        """Ask the server, and the servers that are attached to it, to end: no new connections, what
        is under way is answered for up to `grace` seconds.

        A second call, or a grace of 0, ends everything at once; `shutdown` of the handler is waited
        for until there is a call more. May be called from a handler, a
        signal handler or another thread; returns immediately. Whoever ticks goes on doing so until
        `running` is False. Before the first `listen` it takes effect then (a thread may be about to
        start); after the end it does nothing.
        """
        super().stop(grace)
        if not self._has_ended or self.running:
            for member in self._servers():
                member.stop(grace)

    def _stop_now(self) -> None:
        """Stop at once, and return when everything is closed.  Not from within a tick."""
        self._waits_for_members = False
        for member in self._servers():
            member._stop_now()
        super()._stop_now()

    def _awaits_members(self) -> bool:
        """True while a server that is attached has not ended."""
        return self._waits_for_members and any(member.running for member in self._servers())

    def _begin_members(self) -> None:
        """Watch all members from the next tick on: the server listens."""
        self._waits_for_members = True
        for attached in self._attached:
            attached.resumes_at = 0.0

    def _release_members(self) -> None:
        """Watch no member any more: the server has ended. Servers have ended too."""
        for attached in self._attached:
            attached.forget(self._poller)
            attached.resumes_at = 0.0
            if isinstance(attached.member, Stopping):
                self._remove(attached)

    # -- for hosts ---------------------------------------------------------------------------------

    def _hand_over(self, thread: int) -> None:
        """Only this thread may tick from now on (NO_THREAD: any, PENDING: one that has not begun);
        until it does, no call is done at once.
        """
        super()._hand_over(thread)
        for member in self._servers():
            member._hand_over(thread)

    def _set_spawn(self, spawn: Spawn | None, in_asyncio: bool = True) -> None:
        """Set how coroutines of user code are run from now on, of members too, and whether it is a
        loop of asyncio that runs them; None: they are refused. For hosts of the server.
        """
        self._application.set_spawn(spawn)
        self._is_in_asyncio = in_asyncio
        for member in self._servers():
            member._set_spawn(spawn, in_asyncio)


def _check_member(host: Hosting, member: object) -> None:
    """TypeError for what cannot be ticked; ValueError for what would be its own member."""
    for name in ("tick", "fileno", "next_deadline"):
        if not callable(getattr(member, name, None)):
            kind = type(member).__name__
            raise TypeError(f"a member is a server or a client, which has {name}(), not {kind}")
    seen: list[object] = [member]
    for other in seen:
        if other is host:
            raise ValueError("a server cannot be attached to itself, nor to one of its members")
        seen += [inner for inner in getattr(other, "members", ()) if inner not in seen]


http_server_attach = Hosting.attach
http_server_detach = Hosting.detach


def http_server_members(server: Hosting) -> tuple[Member, ...]:
    """The property `members` of a server."""
    return server.members
