"""How requests and connections end other than well: failed, tried again, given up.

Theory: what a connection ends with is the end of the request that it has, or a reason to try that
once more. Both are decided here, so that there is one place where it is said what a program reads.

Rules: a call ends once, with `GiveFailure` or `GiveEnd`. What failed on a connection that had been
used before, without a byte of an answer, is sent again at once if that is allowed: the server has
just closed it. It does not know why a connection ends: who calls it does.
"""

from .agent import Call, CallState, Draft, pausing
from .connection import Connection, Phase
from .effects import CloseConnection, GiveFailure, TransferEnded
from .failures import Failure, FailureKind, failure_of
from .pooling import close_connection, enqueue, finish_call, forget_connection
from .retries import may_retry, retry_delay


def fail_connection(draft: Draft, connection: Connection, kind: FailureKind, what: str) -> None:
    """A connection ends in failure, and with it what is under way on it."""
    if connection.phase is Phase.TAKEN_OVER:
        end_transfer(draft, connection, Failure(kind, f"{describe(connection)}: {what}"))
        return
    draft.order(CloseConnection(connection.number))
    call = draft.find_call(connection.request)
    if call is None or call.connection != connection.number:
        forget_connection(draft, connection)
        return
    has_answered = connection.flow.has_answered
    was_used = connection.phase is Phase.ACTIVE and connection.used > 0
    if was_used and kind is FailureKind.CLOSED and not has_answered:
        if call.outgoing.is_idempotent:
            # each such attempt ends a connection that was idle, so there are not many
            forget_connection(draft, connection)
            enqueue(draft, call)
            return
        what = f"{what}, as the request was sent, which may have been handled"
    if may_retry(call.outgoing, kind, call.attempts + 1, has_answered):
        pause_call(draft, call, retry_delay(call.attempts + 1, call.seed, draft.limits))
    else:
        fail_call(draft, call, kind, what)
    forget_connection(draft, connection)


def replace_stale(draft: Draft, connection: Connection) -> None:
    """A connection was not idle but over when it was to be used: its request, of which nothing was
    sent, gets another one.
    """
    call = draft.find_call(connection.request)
    close_connection(draft, connection)
    if call is not None and call.connection == connection.number:
        enqueue(draft, call)


def describe(connection: Connection) -> str:
    """Where a connection leads, in words."""
    route = connection.route
    place = f"{route.next_host}:{route.next_port}"
    return f"the connection to {place}"


def end_transfer(draft: Draft, connection: Connection, failure: Failure | None) -> None:
    """The connection of another protocol ends."""
    draft.order(TransferEnded(connection.number, failure))
    close_connection(draft, connection)


def pause_call(draft: Draft, call: Call, seconds: float) -> None:
    """Have a call tried again after so many seconds."""
    if draft.waiting_count >= draft.limits.max_waiting_requests:
        fail_call(draft, call, FailureKind.QUEUE_FULL, f"{draft.waiting_count} requests wait")
        return
    draft.waiting_count += 1
    paused = pausing(call, draft.now + seconds)
    draft.put_call(paused)
    draft.look_at_call(paused)


def fail_call(draft: Draft, call: Call, kind: FailureKind, what: str) -> None:
    """A call ends in failure."""
    outgoing = call.outgoing
    give_failure(draft, call, failure_of(kind, outgoing.method, outgoing.uri, what))


def give_failure(draft: Draft, call: Call, failure: Failure) -> None:
    """A call ends in this failure."""
    finish_call(draft, call)
    draft.order(GiveFailure(call.number, failure))


def abandon_call(draft: Draft, call: Call, kind: FailureKind, what: str) -> None:
    """A call ends because nobody can or will go on with it; its connection cannot be used again."""
    fail_call(draft, call, kind, what)
    connection = draft.find_connection(call.connection)
    is_ours = connection is not None and connection.request == call.number
    if connection is not None and is_ours and call.state is CallState.ACTIVE:
        close_connection(draft, connection)
