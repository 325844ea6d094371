"""The program behind a server: its handler, and what becomes of results and exceptions.

Theory: user code may do anything, so it is called in one place, and whatever it does comes back as
an event: a response, or an error with the traceback for the log.

Rules: nothing it raises leaves but what is meant to end the program (KeyboardInterrupt,
SystemExit), and even then the client is answered first. `sources` holds the streams of bodies,
`callbacks` calls the callbacks; each performs its own effects. It does not know sockets.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeAlias

from ...core.conn import Conn, Ticket
from ...core.connection.client_status import is_outstanding
from ...core.effects import (
    CloseBody,
    Deliver,
    DeliverCompressed,
    Effect,
    Handle,
    HandlePieces,
    Pull,
    SendFile,
)
from ...core.events import Event, HandlerReturned, Postponed
from ...core.http.bodies import EventStream, FileBody, Poll, StreamedBody, Upgrade
from ...core.http.request import Request
from ...core.http.response import Response
from ...core.http.validate import type_name
from ...core.server.slots import find_client
from ...core.server.state import Server
from .body_sources import NEEDS_LOOP, BodySources, LateChunk, Spawn
from .callback_table import CallbackTable
from .callbacks import CallbackRunner
from .connection_programs import NOTHING, call_refused
from .deferred import Deferred
from .discarding import discard
from .futures import PoolFuture, is_future, promise_of
from .handler_errors import HandlerError, failed, handler_error, internal_error
from .host import Host
from .jobs import Job, LateResult, Returned
from .lifespan import Lifespan
from .piece_handlers import PieceHandlers, asks_above
from .run_queue import RunQueue, Work
from .slow_calls import SlowCalls
from .tracebacks import EXIT_EXCEPTIONS, is_cancellation
from .upgrades import Unmade, Upgrades

HandlerResult: TypeAlias = Response | Deferred | PoolFuture | None
"""What a handler returns: a response, one that comes later, or None for a 404."""

Handler: TypeAlias = (
    Callable[[Request], HandlerResult] | Callable[[Request], Awaitable[Response | None]]
)
"""A function of a request; it may be `async def` where the server runs coroutines."""


ROUND_SHARE = 8
"""Handlers make no more in one round than this part of `Limits.max_outbound_len`: until the core
has what they made, it cannot say that this is enough.
"""


def _begins_stream(event: Event | None) -> bool:
    """True for the event of a response behind which nothing can be sent for as long as it lasts."""
    if type(event) is not HandlerReturned:
        return False
    return isinstance(event.responses[0].body, StreamedBody | FileBody | EventStream | Poll)


def _read_len(event: Event | None) -> int:
    """Bytes of the body of a response that was read from a file."""
    if type(event) is not HandlerReturned:
        return 0
    body = event.responses[0].body
    return len(body) if isinstance(body, bytes) else 0


class Application:
    """All user code of one server: a handler, callbacks, and the streams of response bodies."""

    def __init__(
        self,
        server: Host,
        handler: Handler,
        callbacks: CallbackTable,
        events: list[Event],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._guard = server._engine.guard
        self._handler = handler
        limits = server._engine.snapshot.limits
        self.run_queue = RunQueue(limits.max_user_seconds_per_tick, clock, limits.slow_handler)
        """User code that waits for its turn."""
        self.callbacks = CallbackRunner(server, callbacks, events, self.run_queue)
        self.slow_calls = SlowCalls(server, handler, self.callbacks.callbacks_of, clock)
        self.run_queue.on_slow = self.slow_calls.report
        self.upgrades = Upgrades(callbacks, self._guard)
        self._pieces = PieceHandlers(handler, server._post, self._guard, events, self._to_event)
        self.sources = BodySources(server._post, events, self._guard, self.run_queue)
        self.lifespan = Lifespan(server, handler, self._guard)
        self._events = events
        """Where events go that come before the one a method returns."""
        self._round: Server | None = None
        self._made: object = None
        """The last body that was made: given once more, it takes no more memory."""
        self._made_len = 0
        """Bytes of the bodies that handlers have made since the core had the value `_round`."""
        self._pending: dict[int, dict[int, Deferred]] = {}
        """The results that handlers have promised, by the generation of the connection, which no
        other has, and the number of the request.
        """
        self._methods = self.methods()

    def methods(self) -> dict[type[Effect], Callable[[Any], Event | None]]:
        """What performs each kind of effect that concerns user code."""
        return {
            Handle: self.handle_request,
            **self._pieces.methods(),
            Pull: self.sources.pull,
            SendFile: self.sources.send_file,
            CloseBody: self.close_body,
            **self.callbacks.methods(),
        }

    @property
    def asks_above(self) -> int:
        """Above how many bytes of a body the handler wants to be asked how it takes it."""
        return asks_above(self._handler)

    @property
    def awaits_anything(self) -> bool:
        """True if a response, a chunk of one, or the program's end was promised and is to come."""
        return bool(self._pending) or self.sources.awaits_chunk or self.lifespan.is_ending

    def set_spawn(self, spawn: Spawn | None) -> None:
        """Set how coroutines of user code are run from now on; None: they are refused."""
        self.sources.spawn = self.callbacks.spawn = self.lifespan.spawn = spawn

    def perform_work(self, work: Work) -> Event | None:
        """Do work that has waited for its turn, if anybody still waits for it."""
        if isinstance(work, Job):
            return self.callbacks.perform(work)
        if isinstance(work, LateResult):
            return self.take_result(work)
        if isinstance(work, Handle | HandlePieces) and not self._is_awaited(work.ticket):
            return None
        if isinstance(work, Deliver | DeliverCompressed):
            return self.callbacks.deliver_late(work)
        return self._methods[type(work)](work)

    def perform_all_work(self) -> None:
        """Do all work that waits, when there are no more ticks to do it in."""
        while True:
            self.run_queue.begin_tick()
            work = self.run_queue.next()
            if work is None:
                return
            self.perform_work(work)

    def _is_awaited(self, ticket: Ticket) -> bool:
        """True if the response to this request can still be sent."""
        client = find_client(self._server._engine.state.slots, ticket.conn)
        return client is not None and is_outstanding(client, ticket.number)

    # -- requests ----------------------------------------------------------------------------------

    def handle_request(self, effect: Handle) -> Event | None:
        """Call the handler with each request, as long as user code has time; whatever it does is an
        event.
        """
        guard = self._guard
        was_busy, guard.is_busy = guard.is_busy, False
        try:
            return self._handle_requests(effect)
        finally:
            guard.is_busy = was_busy

    def _handle_requests(self, effect: Handle) -> Event | None:
        handler, requests, ticket = self._handler, effect.requests, effect.ticket
        conn, number, room = ticket.conn, ticket.number, self._room()
        if room <= 0 and self._made_len:
            return Postponed(ticket, requests)
        queue, slow_calls, left = self.run_queue, self.slow_calls, len(requests)
        responses: list[Response] = []
        response: Any
        for request in requests:
            if left < len(requests) and queue.clock() >= queue.until:
                rest = Ticket(conn, number + len(responses))
                queue.put_first(conn, Handle(rest, requests[-left:]))
                break
            left -= 1
            slow_calls.request = request
            try:
                response = handler(request)
            except EXIT_EXCEPTIONS:
                # the loop is being left: the clients are answered first
                self._report_responses(Ticket(conn, number), responses)
                self._report_interrupt(effect, number + len(responses))
                raise
            except BaseException as error:
                response = handler_error(request, error)
            if type(response) is Response and type(response.body) is bytes:
                responses.append(response)
                length = len(response.body)
                if length:
                    room -= length
                    if response.body is not self._made:
                        self._made, self._made_len = response.body, self._made_len + length
                    if room < 0:
                        return self._postpone_rest(effect, number, responses)
                continue
            self._report_responses(Ticket(conn, number), responses)
            number += len(responses) + 1
            responses = []
            if type(response) is Deferred:
                self._await(Ticket(conn, number - 1), request, response)
                continue
            event = self._to_event(Ticket(conn, number - 1), request, response)
            if event is not None:
                self._events.append(event)
            length = _read_len(event)
            room, self._made_len = room - length, self._made_len + length
            if room < 0 or _begins_stream(event):
                return self._postpone_rest(effect, number, responses)
        if not responses:
            return None
        if number != ticket.number:
            ticket = Ticket(conn, number)
        return HandlerReturned(ticket, tuple(responses))

    def _room(self) -> int:
        """How many bytes of bodies the handler may make for one client now: as many as are held for
        it, and as are left of what may be made for all in this round; one response may be more.
        """
        state = self._server._engine.snapshot
        if state is not self._round:
            self._round, self._made, self._made_len = state, None, 0
        limits = state.limits
        return min(limits.max_outbox_len, limits.max_outbound_len // ROUND_SHARE - self._made_len)

    def _postpone_rest(
        self, effect: Handle, number: int, responses: list[Response]
    ) -> Event | None:
        """The responses to the requests from `number` on, while those behind them are postponed; if
        there are none of either, there is no such event.
        """
        conn, rest = effect.ticket.conn, number + len(responses)
        requests = effect.requests[rest - effect.ticket.number :]
        returned = HandlerReturned(Ticket(conn, number), tuple(responses)) if responses else None
        if not requests:
            return returned
        self._report_responses(Ticket(conn, number), responses)
        return Postponed(Ticket(conn, rest), requests)

    def _report_responses(self, ticket: Ticket, responses: list[Response]) -> None:
        """Report the responses so far, if there are any."""
        if responses:
            self._events.append(HandlerReturned(ticket, tuple(responses)))

    def _report_interrupt(self, effect: Handle, number: int) -> None:
        """Report that the request with this number, and those behind it, will not be handled."""
        conn, first = effect.ticket.conn, effect.ticket.number
        for request in effect.requests[number - first :]:
            self._events.append(internal_error(Ticket(conn, number), request, "interrupted"))
            number += 1

    def _to_event(self, ticket: Ticket, request: Request, result: object) -> Event | None:
        """The event of a result that is not a response with a body of bytes; None if the response
        comes later.
        """
        try:
            return self._match_result(ticket, request, result)
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:  # an object may raise even when its class is asked for
            kind = type_name(result)
            text = f"the handler returned an object of type {kind} that cannot be looked at"
            return internal_error(ticket, request, text, error)

    def _match_result(self, ticket: Ticket, request: Request, result: object) -> Event | None:
        """The event of a result, which is looked at by its class."""
        match result:
            case HandlerError():
                return failed(ticket, result)
            case Response() if issubclass(type(result), Response):
                return self._start_body(ticket, request, result)
            case None:
                return HandlerReturned(ticket, (Response.error(404),))
            case Deferred():
                self._await(ticket, request, result)
                return None
            case Awaitable() if self.sources.spawn is not None:
                deferred = Deferred()
                deferred.on_cancel(self.sources.spawn(result, deferred))
                self._await(ticket, request, deferred)
                return None
            case _ if is_future(result):
                self._await(ticket, request, promise_of(result))
                return None
            case Generator():
                return self._pieces.run_returned(ticket, request, result)
            case BaseException():
                return failed(ticket, handler_error(request, result))
            case Coroutine():
                result.close()
                return internal_error(ticket, request, f"the handler is asynchronous, {NEEDS_LOOP}")
            case _:
                return internal_error(
                    ticket, request, f"the handler returned {type_name(result)}, not a Response"
                )

    def _await(self, ticket: Ticket, request: Request, promised: Deferred) -> None:
        """Have a promised result posted when it comes."""
        post = self._server._post
        self._pending.setdefault(ticket.conn.generation, {})[ticket.number] = promised
        promised.when_resolved(lambda late: post(LateResult(ticket, request, late)))

    def _start_body(self, ticket: Ticket, request: Request, response: Response) -> Event:
        """The event of a response; what is no value stays here, under the number of its request:
        the iterator of a stream, what belongs to a WebSocket.
        """
        body = response.body
        if isinstance(body, Upgrade | EventStream):
            return self._give(ticket, request, response, body)
        if isinstance(body, FileBody):
            limits = self._server._engine.snapshot.limits
            return self.sources.start_file(ticket, request, response, limits)
        if not isinstance(body, StreamedBody):
            return HandlerReturned(ticket, (response,))
        failure = self.sources.start(ticket, body)
        if failure is not None:
            return failure
        without_chunks = response.replace(body=StreamedBody((), body.is_sse))
        return HandlerReturned(ticket, (without_chunks,))

    def _give(
        self, ticket: Ticket, request: Request, response: Response, body: Upgrade | EventStream
    ) -> Event:
        """The event of a response that is to open a WebSocket or an event stream, for which the
        request is held, and whatever else was given with it.
        """
        own = NOTHING
        if isinstance(body, Upgrade):
            prepared = self.upgrades.prepare(request, response, body)
            if isinstance(prepared, Unmade):
                return internal_error(ticket, request, prepared.text, prepared.error)
            response, own = prepared
        self.callbacks.programs.give(ticket, request, own)
        return HandlerReturned(ticket, (response,))

    # -- results that come later -------------------------------------------------------------------

    def take_late(self, late: LateResult | LateChunk | Returned) -> Event | None:
        """The event of what came after user code had returned; for a connection that is gone there
        is one too, as the core counts it.
        """
        if isinstance(late, LateChunk):
            return self.sources.take_late(late)
        if isinstance(late, Returned):
            return self.callbacks.resume(late)
        deferred = self._pending.get(late.ticket.conn.generation, {}).get(late.ticket.number)
        if deferred is None or not deferred.is_mapped:
            return self.take_result(late)
        if self.run_queue.defers(late):
            return None
        event = self.take_result(late)
        self.run_queue.end(late)
        return event

    def take_result(self, late: LateResult) -> Event | None:
        """The event of a result that came later, and of what is made of it."""
        ticket, request, result = late.ticket, late.request, late.result
        deferred = self._forget_pending(ticket)
        is_cancelled = deferred is None
        if is_cancelled or find_client(self._server._engine.state.slots, ticket.conn) is None:
            with self._guard.user_code():
                discard(late, self.sources.spawn)
            if is_cancelled and is_cancellation(result):
                return None
            return HandlerReturned(ticket, (Response.error(404),))
        if deferred is not None and deferred.is_mapped:
            try:
                with self._guard.user_code():
                    result = deferred.apply(result)
            except EXIT_EXCEPTIONS:
                self._events.append(internal_error(ticket, request, "interrupted"))
                raise
        if type(result) is Response and type(result.body) is bytes:
            return HandlerReturned(ticket, (result,))
        return self._to_event(ticket, request, result)

    # -- work that nobody waits for ----------------------------------------------------------------

    def _forget_pending(self, ticket: Ticket) -> Deferred | None:
        """The promised result for a request, which is not awaited any more."""
        generation = ticket.conn.generation
        pending = self._pending.get(generation)
        if pending is None:
            return None
        deferred = pending.pop(ticket.number, None)
        if not pending:
            del self._pending[generation]
        return deferred

    def close_body(self, effect: CloseBody) -> None:
        """Close a stream that will not be pulled again, or cancel a response that is not awaited
        any more; what was given with one is dropped.
        """
        refused = self.callbacks.programs.forget(effect.ticket)
        if refused is not None:
            with self._guard.user_code():
                call_refused(refused)
        deferred = self._forget_pending(effect.ticket)
        if deferred is not None:
            with self._guard.user_code():
                deferred.cancel()
        self._pieces.end(effect.ticket)
        self.sources.close_body(effect)

    def end_connection(self, conn: Conn) -> None:
        """Cancel and close all that works for a connection, which has ended."""
        for deferred in self._pending.pop(conn.generation, {}).values():
            with self._guard.user_code():
                deferred.cancel()
        self._pieces.end_connection(conn)
        self.sources.close_bodies(conn)
