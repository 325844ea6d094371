"""What a transition of one connection may know of the server around it.

Theory: a transition is a function of one client, so what it needs from outside is handed to it, as
one read-only record. The record is made once for a run of events and anew when a budget changes
what may happen next.

Rules: while the server is paused no request may be handed to a handler, so the context of a paused
server has limits under which none is. Of `broadcast` a transition reads the ring and what is
pending, which no transition changes. This file does not know what the transitions do with it.
"""

from functools import partial

from ..connection.client import Context, Parse
from ..http.head import parse_headers_only
from .budgets import has_subscriber_slot
from .state import Server, ServerState

NO_REQUEST = -1
"""As the number of the last request of a connection: none may be handled."""


def make_context(server: Server, parse: Parse) -> Context:
    """The context of this server; `parse` parses the head of a request."""
    limits, is_draining = server.limits, server.running is not ServerState.SERVING
    if parse is parse_headers_only:
        parse = partial(parse_headers_only, limits=limits)
    has_slot = has_subscriber_slot(server.load, limits)
    last_request_number = limits.max_requests_per_connection - 1
    if server.load.paused_at is not None:
        limits, last_request_number = limits._replace(max_queued_requests=0), NO_REQUEST
    return Context(
        limits,
        server.now,
        server.tick_started_at,
        server.date,
        is_draining,
        server.logs_access,
        not (is_draining or server.logs_access),
        parse,
        last_request_number,
        has_slot,
        server.broadcast,
        bool(server.broadcast.pending),
    )
