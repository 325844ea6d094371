"""How long a connection may wait, in each phase, and for what.

Theory: a deadline follows from what a connection is doing and when it began to. It is worked out
with each step, and kept in the record; `timers` know only when to look.

Rules: what waits for the program has no deadline but that of the whole request. It does not know
what happens when one has passed: `endings` does.
"""

from math import inf
from typing import Final

from .connection import BLOCKED, Connection, Flow, Phase, Sending
from .failures import FailureKind
from .limits import Timeouts

_PHASES: Final = {
    Phase.RESOLVING: (FailureKind.CONNECT_TIMEOUT, "the host was not resolved in time"),
    Phase.CONNECTING: (FailureKind.CONNECT_TIMEOUT, "no connection was made in time"),
    Phase.SECURING_PROXY: (
        FailureKind.CONNECT_TIMEOUT,
        "the TLS handshake with the proxy did not end in time",
    ),
    Phase.TUNNELING: (FailureKind.CONNECT_TIMEOUT, "the proxy made no tunnel in time"),
    Phase.SECURING: (FailureKind.CONNECT_TIMEOUT, "the TLS handshake did not end in time"),
}


def after(now: float, seconds: float | None) -> float:
    """The time so many seconds from now; `inf` for None."""
    return inf if seconds is None else now + seconds


def deadline_of_flow(flow: Flow, is_paused: bool, timeouts: Timeouts, now: float) -> float:
    """When a request under way must be a step further, if it has made one now."""
    if flow.sending in BLOCKED:
        return after(now, timeouts.send)
    if is_paused:
        return inf
    if flow.has_answered:
        return after(now, timeouts.between_bytes)
    if flow.sending is Sending.PULLING:
        return inf
    return after(now, timeouts.first_byte)


def overdue(connection: Connection) -> tuple[FailureKind, str]:
    """What an overdue connection is failed with: a kind, and what has happened."""
    found = _PHASES.get(connection.phase)
    if found is not None:
        return found
    flow = connection.flow
    if flow.sending in BLOCKED:
        return FailureKind.WRITE_TIMEOUT, "the server took no more of the request"
    if not flow.has_answered:
        return FailureKind.READ_TIMEOUT, "the server did not begin to answer in time"
    return FailureKind.READ_TIMEOUT, "the response did not go on in time"
