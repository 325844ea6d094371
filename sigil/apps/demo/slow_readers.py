"""Who may read slowly in the demonstration, and for how long.

Theory: ballast is said while anybody hears it, and costs the network as much for each who does.
Whoever is as slow as the page falls off the ring within seconds and so makes room; but nobody can
be made to be slow, and who reads fast would stay, keep the ballast going and leave no place for
others. So a visit has an end: a minute after it began, and sooner for one that is not behind,
because there is nothing to be seen of it.

Rules: so many at a time, and half of them at most from one host, so that no host keeps out all
others; behind a proxy everybody is one host, and half the places are left to them. What a slow
reader has on its way in the buffers of both kernels is several MiB, so keeping up is only believed
after the time that takes. Who is told to end is told once.

It does not know what a request is, nor how anybody is told.
"""

from collections import Counter
from typing import NamedTuple

from sigil import Conn, Peer
from sigil.apps.demo.handler import BALLAST
from sigil.core.server.state import Server
from sigil.core.views.figures import subscribers

SLOW_MOST = 8
"""Who may read slowly at a time: each costs as much of the network as ballast is said."""
SLOW_MOST_PER_HOST = SLOW_MOST // 2
SLOW_SECONDS_MOST, FAST_SECONDS_MOST = 60.0, 30.0
"""How long anybody may, and how long at a stretch without being behind."""

TOO_LONG = f"this is the end: nobody reads slowly for more than {SLOW_SECONDS_MOST:g} s"
TOO_FAST = (
    f"this is the end: whoever is not behind for {FAST_SECONDS_MOST:g} s does not read slowly"
)


class Visit(NamedTuple):
    """One who reads slowly: since when, when it was last seen behind (in seconds, as `timed_out`
    was told them).
    """

    began_seconds: float
    behind_seconds: float
    is_over: bool


class SlowReaders:
    """Who reads slowly: `admit` at the door, `timed_out` in every turn of the loop."""

    def __init__(self) -> None:
        self._visits: dict[Conn, Visit] = {}
        self._admitted: Counter[str] = Counter()

    def admit(self, state: Server, peer: Peer) -> bool:
        """Whether one more may read slowly, from this peer.

        Who was let in in this turn may not be seen in the server's value yet; or is already, and is
        counted twice.
        """
        hosts = self._admitted + Counter(
            listener.peer.host for listener in subscribers(state, BALLAST)
        )
        if hosts.total() >= SLOW_MOST or hosts[peer.host] >= SLOW_MOST_PER_HOST:
            return False
        self._admitted[peer.host] += 1
        return True

    def overdue(self, state: Server, now: float) -> list[tuple[Conn, str]]:
        """Whose visit ends now, and the sentence that says why; to be asked once in each turn."""
        self._admitted.clear()
        visits = {
            listener.conn: self._visit(listener.conn, listener.is_behind, now)
            for listener in subscribers(state, BALLAST)
        }
        ends = [(conn, _sentence_for(visit, now)) for conn, visit in visits.items()]
        over = [(conn, sentence) for conn, sentence in ends if sentence]
        self._visits = visits | {conn: visits[conn]._replace(is_over=True) for conn, _ in over}
        return over

    def _visit(self, conn: Conn, is_behind: bool, now: float) -> Visit:
        visit = self._visits.get(conn, Visit(now, now, False))
        return visit._replace(behind_seconds=now) if is_behind else visit


def _sentence_for(visit: Visit, now: float) -> str:
    """Why a visit ends now; nothing for one that goes on, or has been ended."""
    if visit.is_over:
        return ""
    if now - visit.began_seconds >= SLOW_SECONDS_MOST:
        return TOO_LONG
    return TOO_FAST if now - visit.behind_seconds >= FAST_SECONDS_MOST else ""
