"""The client as a fold: an event makes another agent of an agent, and orders effects.

Theory: `step` is the whole client: what it knows is in the agent, what it is told is an event, what
it does is in the effects. Whoever has a list of events has the run; whoever joins this fold to that
of the server by two lists of bytes has both ends in a notebook cell.

Rules: `advance(agent, events)` is the fold of `step` over the events. Nothing is due before
`InputRead`. An event for what is gone changes nothing. It performs nothing.
"""

from collections.abc import Sequence
from math import inf
from typing import assert_never

from ..events import InputRead, TimeRead
from .agent import Agent, Call, CallState, Draft
from .connecting import (
    begin_attempts,
    on_connect_failed,
    on_connected,
    on_handshake_done,
    on_handshake_failed,
    on_resolve_failed,
    on_resolved,
    open_connection,
    receive_from_proxy,
)
from .connection import PULLING, Connection, Phase, paused, with_deadline
from .effects import (
    ClientEffect,
    SendData,
    SetReading,
    TransferBlocked,
    TransferData,
    TransferDrained,
    TransferDue,
)
from .endings import abandon_call, end_transfer, fail_connection, give_failure, replace_stale
from .events import (
    ClientClosed,
    ClientEvent,
    CloseOrdered,
    Connected,
    ConnectFailed,
    ConnectionBroken,
    ConnectionStale,
    CookiesChanged,
    DataOrdered,
    DataReceived,
    DeadlineOrdered,
    EndReceived,
    HandshakeDone,
    HandshakeFailed,
    PieceMade,
    ProxiesChanged,
    ReadingOrdered,
    RequestAbandoned,
    RequestMade,
    Resolved,
    ResolveFailed,
    ResponseWanted,
    SendBlocked,
    SendDrained,
)
from .exchange import (
    on_piece_made,
    on_send_blocked,
    on_send_drained,
    receive,
    receive_end,
    receive_unwanted,
    start_request,
)
from .failures import FailureKind, failure_of
from .pooling import close_connection, enqueue
from .requests import OutgoingRequest
from .timers import next_look, take_due
from .waiting import after, deadline_of_flow, overdue


def step(agent: Agent, event: ClientEvent) -> tuple[Agent, tuple[ClientEffect, ...]]:
    """The agent after one event, and the effects that it orders."""
    after_event, effects = advance(agent, (event,))
    return after_event, tuple(effects)


def advance(agent: Agent, events: Sequence[ClientEvent]) -> tuple[Agent, list[ClientEffect]]:
    """The agent after these events, and the effects of all of them in order."""
    draft = Draft(agent)
    for event in events:
        _apply(draft, event)
        while draft.assigned:
            _begin(draft, draft.assigned.pop(0))
    return draft.finish(), draft.effects


def next_deadline(agent: Agent) -> float | None:
    """When the client has to be told the time next; None if it is waiting for nothing."""
    at = next_look(agent.timers)
    return None if at == inf else at


def wants_piece(agent: Agent, request: int) -> bool:
    """True if a piece of the body of this request would be sent if it were there."""
    call = agent.calls.get(request)
    connection = None if call is None else agent.connections.get(call.connection)
    return connection is not None and connection.flow.sending in PULLING


def lacking_len(agent: Agent, number: int) -> int:
    """Bytes that are still to come of the body, or the chunk of one, that is being read on a
    connection, and may be read at once; 0 if there is none.
    """
    connection = agent.connections.get(number)
    if connection is None or connection.phase is not Phase.ACTIVE:
        return 0
    flow, call = connection.flow, agent.calls.get(connection.request)
    if flow.reader is None or flow.buffer or flow.is_unwanted or call is None:
        return 0
    is_streamed = call.outgoing.options.is_streamed
    lacking = flow.reader.remaining
    return min(lacking, agent.limits.max_unread_len) if is_streamed else lacking


def _begin(draft: Draft, number: int) -> None:
    """Let a connection begin with the request that it was given."""
    connection = draft.find_connection(number)
    call = None if connection is None else draft.find_call(connection.request)
    if connection is None or call is None:
        return
    if connection.phase is Phase.ACTIVE:
        start_request(draft, connection, call)
    else:
        open_connection(draft, connection)


def _apply(draft: Draft, event: ClientEvent) -> None:
    """Apply one event."""
    match event:
        case TimeRead():
            draft.now, draft.unix_time = event.now, event.unix_time
        case InputRead():
            _look_at_due(draft)
        case RequestMade():
            _on_request(draft, event.request, event.outgoing, event.seed)
        case RequestAbandoned() | PieceMade() | ResponseWanted():
            call = draft.find_call(event.request)
            if call is not None:
                _apply_to_call(draft, call, event)
        case ProxiesChanged():
            draft.proxies = event.proxies
        case CookiesChanged():
            draft.jar = event.jar
        case ClientClosed():
            _close(draft, event.what)
        case _:
            connection = draft.find_connection(event.connection)
            if connection is not None:
                _apply_to_connection(draft, connection, event)


def _on_request(draft: Draft, number: int, outgoing: OutgoingRequest, seed: bytes) -> None:
    """The program has made a request."""
    whole_at = after(draft.now, outgoing.options.timeouts.whole)
    call = Call(number, outgoing, seed, CallState.ACTIVE, -1, 0, (), whole_at)
    if draft.is_closed:
        what = "the client is closed"
        failure = failure_of(FailureKind.CLIENT_CLOSED, outgoing.method, outgoing.uri, what)
        give_failure(draft, call, failure)
        return
    enqueue(draft, call)
    draft.look_at_call(call)


def _apply_to_call(
    draft: Draft, call: Call, event: RequestAbandoned | PieceMade | ResponseWanted
) -> None:
    """Apply an event that concerns a request under way."""
    match event:
        case RequestAbandoned():
            abandon_call(draft, call, event.kind, event.what)
        case PieceMade():
            on_piece_made(draft, call, event.data)
        case ResponseWanted():
            connection = draft.find_connection(call.connection)
            if connection is not None and connection.is_paused is event.is_wanted:
                flow, timeouts = connection.flow, call.outgoing.options.timeouts
                is_paused = not event.is_wanted
                deadline = deadline_of_flow(flow, is_paused, timeouts, draft.now)
                draft.put(paused(connection, is_paused, deadline))
                draft.order(SetReading(connection.number, event.is_wanted))
        case _:
            assert_never(event)


def _apply_to_connection(
    draft: Draft,
    connection: Connection,
    event: Resolved
    | ResolveFailed
    | Connected
    | ConnectFailed
    | HandshakeDone
    | HandshakeFailed
    | DataReceived
    | EndReceived
    | ConnectionBroken
    | ConnectionStale
    | SendBlocked
    | SendDrained
    | DataOrdered
    | ReadingOrdered
    | DeadlineOrdered
    | CloseOrdered,
) -> None:
    """Apply an event that concerns a connection."""
    is_taken = connection.phase is Phase.TAKEN_OVER
    match event:
        case DataReceived():
            _on_data(draft, connection, event.data)
        case EndReceived():
            _on_end(draft, connection, event.is_truncated)
        case ConnectionBroken():
            _on_broken(draft, connection, event.error)
        case ConnectionStale():
            replace_stale(draft, connection)
        case SendBlocked() if is_taken:
            draft.order(TransferBlocked(connection.number))
        case SendBlocked():
            on_send_blocked(draft, connection)
        case SendDrained() if is_taken:
            draft.order(TransferDrained(connection.number))
        case SendDrained():
            on_send_drained(draft, connection)
        case Resolved():
            on_resolved(draft, connection, event.addresses)
        case ResolveFailed():
            on_resolve_failed(draft, connection, event.error)
        case Connected():
            if on_connected(draft, connection, event.attempt):
                _begin_ready(draft, connection)
        case ConnectFailed():
            on_connect_failed(draft, connection, event.attempt, event.error)
        case HandshakeDone():
            if on_handshake_done(draft, connection):
                _begin_ready(draft, connection)
        case HandshakeFailed():
            on_handshake_failed(draft, connection, event.error, event.is_certificate)
        case DataOrdered() | ReadingOrdered() | DeadlineOrdered() | CloseOrdered():
            if is_taken:
                _obey(draft, connection, event)
        case _:
            assert_never(event)


def _begin_ready(draft: Draft, connection: Connection) -> None:
    """A connection is there: send the request that it was made for."""
    call = draft.find_call(connection.request)
    if call is None:
        close_connection(draft, connection)
    else:
        start_request(draft, connection, call)


def _obey(
    draft: Draft,
    connection: Connection,
    order: DataOrdered | ReadingOrdered | DeadlineOrdered | CloseOrdered,
) -> None:
    """Do what the protocol that has a connection wants."""
    match order:
        case DataOrdered():
            draft.order(SendData(connection.number, order.segments))
        case ReadingOrdered():
            if connection.is_paused is order.is_wanted:
                draft.put(paused(connection, not order.is_wanted, connection.deadline))
                draft.order(SetReading(connection.number, order.is_wanted))
        case DeadlineOrdered():
            draft.put(with_deadline(connection, order.at))
        case CloseOrdered():
            end_transfer(draft, connection, None)
        case _:
            assert_never(order)


# -- what comes from the other end -----------------------------------------------------------------


def _on_data(draft: Draft, connection: Connection, data: bytes) -> None:
    """Bytes were received."""
    match connection.phase:
        case Phase.ACTIVE:
            if connection.flow.is_unwanted:
                receive_unwanted(draft, connection, data)
            else:
                receive(draft, connection, data)
        case Phase.TAKEN_OVER:
            draft.order(TransferData(connection.number, data))
        case Phase.TUNNELING:
            if receive_from_proxy(draft, connection, data):
                _begin_ready(draft, connection)
        case Phase.IDLE:
            close_connection(draft, connection)  # nothing was asked for
        case _:
            what = "the server sent something before it was asked"
            fail_connection(draft, connection, FailureKind.PROTOCOL, what)


def _on_end(draft: Draft, connection: Connection, is_truncated: bool) -> None:
    """The other end sends no more."""
    match connection.phase:
        case Phase.ACTIVE:
            receive_end(draft, connection, is_truncated)
        case Phase.TAKEN_OVER if not is_truncated:
            end_transfer(draft, connection, None)
        case Phase.IDLE:
            close_connection(draft, connection)
        case Phase.TUNNELING | Phase.SECURING_PROXY:
            what = "the proxy closed the connection without a tunnel"
            fail_connection(draft, connection, FailureKind.PROXY, what)
        case _:
            fail_connection(draft, connection, FailureKind.CLOSED, "the connection was closed")


def _on_broken(draft: Draft, connection: Connection, error: str) -> None:
    """A connection broke."""
    is_unwanted = connection.phase is Phase.ACTIVE and connection.flow.is_unwanted
    if connection.phase is Phase.IDLE or is_unwanted:
        close_connection(draft, connection)
    elif connection.phase in (Phase.TUNNELING, Phase.SECURING_PROXY):
        what = f"the connection to the proxy broke: {error}"
        fail_connection(draft, connection, FailureKind.PROXY, what)
    else:
        fail_connection(draft, connection, FailureKind.CLOSED, f"the connection broke: {error}")


# -- time ------------------------------------------------------------------------------------------


def _look_at_due(draft: Draft) -> None:
    """Look at whatever the timers have for now."""
    draft.timers, keys = take_due(draft.timers, draft.now)
    for key in keys:
        number, is_call = divmod(key, 2)
        if is_call:
            call = draft.find_call(number)
            if call is not None:
                _look_at_call(draft, call)
        else:
            connection = draft.find_connection(number)
            if connection is not None:
                _look_at_connection(draft, connection)
        while draft.assigned:
            _begin(draft, draft.assigned.pop(0))


def _look_at_call(draft: Draft, call: Call) -> None:
    """A call may be overdue, or due for its next attempt."""
    if call.whole_at <= draft.now:
        timeout = call.outgoing.options.timeouts.whole
        what = f"it was not over within {timeout:g} seconds"
        abandon_call(draft, call, FailureKind.WHOLE_TIMEOUT, what)
    elif call.state is CallState.PAUSING and call.resumes_at <= draft.now:
        draft.waiting_count -= 1
        enqueue(draft, call)
        draft.look_at_call(draft.find_call(call.number) or call)
    elif call.state is CallState.PAUSING or call.whole_at != inf:
        draft.look_at_call(call)


def _look_at_connection(draft: Draft, connection: Connection) -> None:
    """A connection may be overdue, or due for its next attempt to connect."""
    if connection.deadline > draft.now:
        race = connection.race
        if connection.phase is Phase.CONNECTING and race is not None and race.next_at <= draft.now:
            begin_attempts(draft, connection)
            return
        if connection.looked_at <= draft.now:
            draft.put(connection.replace(looked_at=inf))
        return
    match connection.phase:
        case Phase.IDLE:
            close_connection(draft, connection)
        case Phase.TAKEN_OVER:
            draft.put(with_deadline(connection.replace(looked_at=inf), inf))
            draft.order(TransferDue(connection.number))
        case Phase.ACTIVE if connection.flow.is_unwanted:
            close_connection(draft, connection)
        case _:
            kind, what = overdue(connection)
            fail_connection(draft, connection, kind, what)


def _close(draft: Draft, what: str) -> None:
    """The program closes its client."""
    draft.is_closed = True
    for call in draft.calls():
        latest = draft.find_call(call.number)
        if latest is not None:
            abandon_call(draft, latest, FailureKind.CLIENT_CLOSED, what)
    for connection in draft.connections():
        if connection.phase is Phase.TAKEN_OVER:
            end_transfer(draft, connection, None)
        else:
            close_connection(draft, connection)
