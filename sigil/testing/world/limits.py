"""The limits of a world, drawn at random.

Theory: a bound that is never reached proves nothing, so the limits of a world are small.

Rules: timeouts are so long that they are not reached, or, for a loop that is held up, so short that
they are. That a handler blocks is not logged: it does so by the thousand. It does not know the
world.
"""

from random import Random
from typing import Any

from ...core.limits import Limits

LONG_SECONDS = 100.0
"""Longer than a world lasts."""


def draw_limits(rng: Random, is_held_up: bool = False) -> Limits:
    """Limits so small that they are reached, with timeouts so long that they are not; or, for a
    loop that is held up, so short that they are.
    """
    limits = Limits(
        max_outbox_len=rng.choice((60, 300, 2_000)),
        max_ws_outbox_len=rng.choice((60, 300, 2_000)),
        outgoing_buffer_sz=rng.choice((100, 400, 3_000)),
        max_ws_send_frame_cnt=rng.choice((3, 20, 200)),
        history_messages=rng.choice((0, 0, 2, 5)),
        max_rounds_per_tick=rng.choice((1, 2, 32)),
        max_reads_per_tick=rng.choice((1, 3, 256)),
        max_read_len=rng.choice((60, 200, 65_536)),
        max_accepts_per_tick=rng.choice((1, 64)),
        max_queued_requests=rng.choice((1, 4, 64)),
        ws_ping_interval=rng.choice((LONG_SECONDS, LONG_SECONDS, 0.5)),
        header_timeout=LONG_SECONDS,
        slow_handler=LONG_SECONDS,
        max_retained_topics=rng.choice((1, 100)),
        max_ws_connection_cnt=rng.choice((2, 1_024, 1_024, 1_024)),
    )
    if not is_held_up:
        return limits
    return limits._replace(
        **SHORT_TIMEOUTS,
        ws_ping_interval=rng.choice((0.2, 0.5, 1.0)),
        min_read_rate=rng.choice((1, 240)),
    )


SHORT_TIMEOUTS: dict[str, Any] = dict.fromkeys(
    (
        "header_timeout",
        "idle_timeout",
        "stall_timeout",
        "rate_grace",
        "ws_pong_timeout",
        "ws_close_timeout",
        "linger_timeout",
    ),
    1.0,
)
