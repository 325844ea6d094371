"""A connection that begins with TLS: until its handshake is over, and what becomes of it if that
fails.

Theory: a handshake is nothing but a wait: the shell does it, and reports one event at its end. So
here a connection is in a phase of its own meanwhile, with a deadline like any other
(`deadlines.Waiting.HANDSHAKE`), in which nothing is received and nothing may be sent.

Rules: what was settled belongs to the peer, so that every request has it. Whoever has sent an HTTP
request in the place of a handshake is told so in plain text; all others were told by TLS, and the
log has the reason. The same goes for TLS that fails later on. It does not know certificates.
"""

from typing import Final

from ..close_reasons import CLOSE_INFO, CloseReason
from ..effects import SERVER_LOG, Log, LogLevel
from ..parse_result import malformed
from ..securing import HandshakeFailed, Secured, StartTls
from .client import IDLE_HTTP, SECURING, Client, Phase, with_incoming, with_peer
from .context import Context, Outcome, Step
from .requests import fail_after_outstanding
from .responses import send_error_response
from .websocket_end import disconnect

TLS: Final = Phase.TLS
FATAL_ALERT: Final = b"\x15\x03\x03\x00\x02\x02\x50"
"""A record of TLS that ends a connection whose handshake has not begun (`internal_error`, RFC 8446
section 6): what can be said to whoever is rejected, since a response would be none to them.
"""
_METHOD_LEN_MAX: Final = 20


def start_tls(client: Client, data: bytes = b"") -> Step:
    """Wait for the handshake of a connection, to which `data` belongs."""
    return with_incoming(client, SECURING), [StartTls(client.conn, data)]


def on_secured(client: Client, event: Secured, context: Context) -> Outcome:
    """Wait for the first request, whose peer is one over TLS."""
    if client.incoming.phase is not TLS:
        return client, []
    return with_incoming(with_peer(client, client.peer.over(event.tls)), IDLE_HTTP), []


def on_handshake_failed(client: Client, event: HandshakeFailed, context: Context) -> Outcome:
    """End a connection without TLS: with a 400 if it is plain HTTP."""
    if client.incoming.phase is not TLS:
        return client, []
    if is_plain_http(event.first_bytes):
        return _refuse_plain_http(client, context)
    reason = CloseReason.TLS_HANDSHAKE_FAILED
    error = malformed(CLOSE_INFO[reason].sentence, reason)
    failed = fail_after_outstanding(client, error)
    after, effects = send_error_response(failed, error, context)
    return after, [_note(client, reason, event.problem), *effects]


def on_tls_failed(client: Client, problem: str) -> Outcome:
    """End a connection whose TLS has failed behind its handshake: nothing can be sent any more."""
    outcome, effects = disconnect(client, CloseReason.TLS_FAILED)
    return outcome, [_note(client, CloseReason.TLS_FAILED, problem), *effects]


def _note(client: Client, reason: CloseReason, problem: str) -> Log:
    """The line of the log that says what was wrong."""
    return Log(SERVER_LOG, LogLevel.INFO, f"{client.peer} closed, {reason.name}: {problem}")


def _refuse_plain_http(client: Client, context: Context) -> Step:
    """Answer plain HTTP with what this port expects."""
    reason = CloseReason.TLS_EXPECTED
    error = malformed(CLOSE_INFO[reason].sentence, reason)
    return send_error_response(fail_after_outstanding(client, error), error, context)


def is_plain_http(data: bytes) -> bool:
    """True if bytes are the beginning of a request in HTTP/1: a method, and a space unless there
    are no more bytes.
    """
    method, space, _ = data[: _METHOD_LEN_MAX + 1].partition(b" ")
    return bool(space or len(method) == len(data)) and method.isalpha() and method.isupper()
