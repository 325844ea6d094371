"""The descriptors that this process may open, and how many of them are left.

Theory: each connection takes a descriptor, and a process has a number of them, the soft limit, that
whoever started it has chosen, often without a thought: 1024. A server that does not know it takes
more connections than it can, and finds out when nobody can come in any more.

Rules: where there is no such limit, or nobody can tell, the answer is None. Only the command raises
the limit: what a library is used in may depend on it (`select` cannot watch a descriptor above
1023). It does not know what descriptors are for.
"""

import logging
import os
from contextlib import suppress
from typing import Final

from ...core.effects import SERVER_LOG
from ...core.limits import Limits
from ..program.logs import write_log

_LOG = logging.getLogger(SERVER_LOG)

FOLDERS = ("/proc/self/fd", "/dev/fd")
"""Where Linux, and where BSD and macOS, list the descriptors of a process."""
SOFT_MAX = 2**20
"""No more is asked for: some programs close every descriptor that they might have."""


def soft_limit() -> int | None:
    """How many descriptors this process may have open; None if that is not bounded."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def descriptors_left() -> int | None:
    """How many descriptors this process may open beside those that it has; None if that is not
    bounded.
    """
    limit = soft_limit()
    return None if limit is None else max(0, limit - _open_count())


def limits_for_process(given: Limits) -> Limits:
    """The limits, with no more connections than this process has descriptors for; the log has it if
    that is fewer.
    """
    left = descriptors_left()
    limits = given if left is None else within_descriptors(given, left)
    if limits is not given:
        # whoever has chosen the numbers is told that they cannot be had
        level = logging.INFO if has_default_counts(given) else logging.WARNING
        text = (
            "%d descriptors are left to this process: at most %d connections and %d WebSockets "
            "are open at once, not %d and %d (raise the soft limit, `ulimit -n`)"
        )
        counts = limits.max_connection_cnt, limits.max_ws_connection_cnt
        wanted = given.max_connection_cnt, given.max_ws_connection_cnt
        write_log(_LOG, level, text, left, *counts, *wanted)
    return limits


def _open_count() -> int:
    """How many descriptors are open; 0 where nobody can tell."""
    for folder in FOLDERS:
        with suppress(OSError):
            return len(os.listdir(folder)) - 1  # one of them lists the others
    return 0


def raise_soft_limit() -> None:
    """Raise the soft limit to the hard one, as far as the system lets us."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    aim = SOFT_MAX if hard == resource.RLIM_INFINITY else min(hard, SOFT_MAX)
    if soft == resource.RLIM_INFINITY or soft >= aim:
        return
    with suppress(OSError, ValueError):  # a bound that getrlimit does not tell
        resource.setrlimit(resource.RLIMIT_NOFILE, (aim, hard))


# -- how many connections there may be ------------------------------------------------------------

RESERVED_DESCRIPTORS: Final = 32
"""Descriptors that are left for what the program opens itself."""


def has_default_counts(limits: Limits) -> bool:
    """True if nobody has chosen how many connections there may be."""
    default = Limits()
    return (limits.max_connection_cnt, limits.max_ws_connection_cnt) == (
        default.max_connection_cnt,
        default.max_ws_connection_cnt,
    )


def within_descriptors(limits: Limits, count: int) -> Limits:
    """The limits with no more connections than `count` descriptors are enough for, beside a reserve
    for those that are accepted in one tick and for the program: a quarter at most.

    Both kinds of connection give way in proportion.
    """
    reserve = min(limits.max_accepts_per_tick + RESERVED_DESCRIPTORS, count // 4)
    room, websockets = count - reserve, limits.max_ws_connection_cnt
    wanted = limits.max_connection_cnt + websockets
    if wanted <= room:
        return limits
    share = room * websockets // wanted
    return limits._replace(
        max_connection_cnt=max(1, room - share), max_ws_connection_cnt=min(websockets, share)
    )
