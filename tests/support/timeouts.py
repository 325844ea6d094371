"""Limits whose timeouts are all the same, for tests in which time passes.

Theory: a test of deadlines must not depend on which of them happens to be the shortest.  Rules: no
sizes, no clocks.  It does not know who times out.
"""

from sigil.core.limits import Limits

SECOND = Limits(
    tls_handshake_timeout=1.0,
    header_timeout=1.0,
    body_timeout=1.0,
    response_timeout=1.0,
    sse_keep_alive_interval=1.0,
    idle_timeout=1.0,
    stall_timeout=1.0,
    rate_grace=1.0,
    ws_ping_interval=1.0,
    ws_pong_timeout=1.0,
    ws_close_timeout=1.0,
    linger_timeout=1.0,
)
"""Everything is waited for a second at most."""
