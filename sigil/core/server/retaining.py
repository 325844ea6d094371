"""What is published to be retained is retained, and what is dropped for it is logged.

Theory: a message is retained when it is published, not when it is sent, so that `retained` tells at
once what was published last, and also while there is no subscriber at all.

Rules: whatever is dropped for want of room is counted and logged: at once if nothing was for
`LOG_SECONDS`, and else together with what is dropped behind that, so that a program with one topic
too many does not fill its log. It does not know the ring.
"""

from collections.abc import Iterable
from typing import Final

from ..broadcast.entry import Published
from ..broadcast.retained import Retained, retain, retained_len
from ..effects import SERVER_LOG, Effect, Log, LogLevel
from ..limits import Limits
from ..websocket.frames import frame_len
from .state import Server, with_broadcast

LOG_SECONDS: Final = 60.0
"""How long nothing is logged about messages that are dropped, when something was."""


def retain_published(
    server: Server, published: Iterable[tuple[int, Published]]
) -> tuple[Server, list[Effect]]:
    """The server with those of these entries retained, each with its number, that are published for
    that; and the line about what was dropped, if it is time for one.
    """
    retained, limits, dropped = server.broadcast.retained, server.limits, 0
    for number, entry in published:
        if entry.options.retain:
            before = retained.dropped
            retained = retain(retained, number, entry.topic, entry.frame, limits)
            dropped += retained.dropped - before
    if retained is server.broadcast.retained:
        return server, []
    retained, effects = _logged(retained, server.now, limits) if dropped else (retained, [])
    totals = server.totals
    if dropped:
        totals = totals.replace(retained_dropped=totals.retained_dropped + dropped)
    broadcast = server.broadcast.replace(retained=retained)
    return with_broadcast(server, broadcast, totals), effects


def _logged(retained: Retained, now: float, limits: Limits) -> tuple[Retained, list[Effect]]:
    """The retained messages, with the line about those that were dropped if it is time for one."""
    if retained.logged_at is not None and now < retained.logged_at + LOG_SECONDS:
        return retained, []
    text = (
        f"retained messages dropped, those that were published first: {retained.dropped}; "
        f"Limits.max_retained_topics is {limits.max_retained_topics}, "
        f"max_retained_len {limits.max_retained_len}"
    )
    line = Log(SERVER_LOG, LogLevel.WARNING, text)
    return retained.replace(dropped=0, logged_at=now), [line]


def is_too_long_to_retain(payload_len: int, topic: str | None, limits: Limits) -> bool:
    """True for a message that is longer by itself than all retained messages may be together."""
    return retained_len(frame_len(payload_len), topic) > limits.max_retained_len
