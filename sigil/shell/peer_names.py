"""The names of hosts, looked up in threads, a few at a time.

Theory: the name of an address is asked of servers elsewhere, which may take half a minute to say
that there is none; and nothing that serves may wait for that. So a look-up is a thread that ends
with its answer, and who has looked is told by a `Deferred`.

Rules: nobody is looked up unless the program asks. No more than `LOOKUPS_MAX` are under way: who
asks beyond is told no name, at once. A thread that still waits holds up no end of the process. It
does not know connections.
"""

import socket
import threading
from collections.abc import Callable

LOOKUPS_MAX = 8
"""Look-ups that are under way at once, in one process."""

_slots = threading.BoundedSemaphore(LOOKUPS_MAX)


def look_up(host: str, port: int, report: Callable[[str], object]) -> None:
    """Have `report(name)` called with the name of an address, empty if it has none or too many are
    being looked up: by another thread, or by this one at once.
    """
    if not host or host.startswith(("/", "@")) or not _slots.acquire(blocking=False):
        report("")
        return

    def run() -> None:
        try:
            name = name_of(host, port)
        finally:
            _slots.release()
        report(name)

    try:
        threading.Thread(target=run, name="sigil name look-up", daemon=True).start()
    except RuntimeError:  # there are no more threads
        _slots.release()
        report("")


def name_of(host: str, port: int) -> str:
    """The name of an address, which may take long; empty if it has none."""
    try:
        return socket.getnameinfo((host, port), socket.NI_NAMEREQD | socket.NI_NUMERICSERV)[0]
    except (OSError, UnicodeError, OverflowError):
        return ""
