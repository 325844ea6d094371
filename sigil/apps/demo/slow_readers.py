"""Admission of slow readers to the demonstration, and their time limits.

Theory: ballast is published while anybody subscribes to it, and each subscriber costs the network
the same. A reader as slow as the page falls off the ring within seconds and so makes room; but no
client can be forced to be slow, and one that reads fast would stay, keep the ballast going and
leave no room for others. So a visit is limited: to a minute, and to less for a client that does not
lag, because there is nothing to be seen of it.

Rules: there is a maximum of slow readers, and half of it for one host, so that no host can take all
places (a page has three); behind a proxy all clients are one host, and half the places are left to
them. A slow reader has several MiB in the buffers of both kernels, so it counts as keeping up only
after the time which those take. A visit is ended once.

It does not know what a request is, nor how a visit is ended.
"""

from collections import Counter
from typing import NamedTuple

from sigil import Conn, HttpServer, Peer
from sigil.apps.demo.handler import SLOW_TOPICS
from sigil.core.views.figures import SubscriberInfo, subscribers

MAX_SLOW = 12
"""Slow readers at a time; each costs the network all of the ballast."""
MAX_SLOW_PER_HOST = MAX_SLOW // 2
MAX_SLOW_SECONDS, MAX_FAST_SECONDS = 60.0, 30.0
"""How long a visit may take, and how long at a stretch without lagging."""

TOO_LONG = f"end of the stream: a slow reader is served for {MAX_SLOW_SECONDS:g} s at most"
TOO_FAST = f"end of the stream: this reader has not lagged for {MAX_FAST_SECONDS:g} s"


class Visit(NamedTuple):
    """One slow reader: when it came and when it last lagged, in seconds of the clock of
    `overdue`.
    """

    began_seconds: float
    lagged_seconds: float
    is_over: bool


class SlowReaders:
    """The slow readers: `admit` decides on a request, `overdue` is called in every tick."""

    def __init__(self) -> None:
        self._visits: dict[Conn, Visit] = {}
        self._admitted: Counter[str] = Counter()

    def admit(self, server: HttpServer, peer: Peer) -> bool:
        """True if one more slow reader, from this peer, is admitted; it is counted then.

        A client that was admitted in this tick may not be a subscriber in the server's value yet;
        or it is one already, and is counted twice.
        """
        hosts = self._admitted + Counter(subscriber.peer.host for subscriber in _slow(server))
        if hosts.total() >= MAX_SLOW or hosts[peer.host] >= MAX_SLOW_PER_HOST:
            return False
        self._admitted[peer.host] += 1
        return True

    def overdue(self, server: HttpServer, now: float) -> list[tuple[Conn, str]]:
        """The clients whose visit ends now, each with the reason; to be called once in each
        tick.
        """
        self._admitted.clear()
        visits = {
            subscriber.conn: self._visit(subscriber.conn, subscriber.is_behind, now)
            for subscriber in _slow(server)
        }
        reasons = [(conn, _reason_to_end(visit, now)) for conn, visit in visits.items()]
        overdue = [(conn, reason) for conn, reason in reasons if reason]
        for conn, _ in overdue:
            visits[conn] = visits[conn]._replace(is_over=True)
        self._visits = visits
        return overdue

    def _visit(self, conn: Conn, is_lagging: bool, now: float) -> Visit:
        """The visit of a client, brought up to date."""
        visit = self._visits.get(conn, Visit(now, now, False))
        return visit._replace(lagged_seconds=now) if is_lagging else visit


def _slow(server: HttpServer) -> list[SubscriberInfo]:
    """The slow readers there are, however they are served."""
    return [each for topic in SLOW_TOPICS for each in subscribers(server.state, topic)]


def _reason_to_end(visit: Visit, now: float) -> str:
    """Why a visit ends now; empty if it goes on, or has been ended already."""
    if visit.is_over:
        return ""
    if now - visit.began_seconds >= MAX_SLOW_SECONDS:
        return TOO_LONG
    if now - visit.lagged_seconds >= MAX_FAST_SECONDS:
        return TOO_FAST
    return ""
