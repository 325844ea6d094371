"""What the demonstration tells without being asked, and the loop that tells it.

Theory: a program with a loop of its own looks at the clock once in each turn and says what is due.  Here that is a
sample of the machine each second, a picture of the server's own ring eight times a second, and, while somebody asks to
be too slow, ballast: messages with nothing in them, so many that a reader of a few KiB a second falls off the ring
within seconds.  All of it goes out by `broadcast`, on a topic for each; who comes is sent the recent past by itself
first, and after that hears every change.

Rules: nothing is said that nobody hears, and who hears is read off the server's value, not kept in a second place.  Of
a picture only what has changed since the last one is told, so that pictures of the ring do not fill the ring.  How many
may read slowly is bounded.  Who was dropped, and why, is kept for a while; how far behind it was is what the last
picture saw, an eighth of a second before at most.

It does not know HTTP (`demo` does), nor how any of it is drawn.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sigil import Callbacks, CloseReason, Conn, HttpServer, Limits, Request, make_http_server
from sigil.core.figures import LaggardFigures, RingFigures, listeners, ring_figures
from sigil.core.reasons import MEANINGS
from sigil.core.records import Server
from sigil.core.table import find
from sigil.shell.demo import BALLAST, LOAD, RING, Clock, Figures, Recorder, Sample, about, make_demo, plain

LIMITS = Limits(outgoing_buffer_sz=4 * 2**20)
"""A small ring, in which there is something to be seen: it is filled within seconds while there is ballast."""
PICTURE_SECONDS, BALLAST_SECONDS = 1 / 8, 1 / 16
"""Between two pictures, and between two heaps of ballast."""
BALLAST_COUNT, BALLAST_LEN = 4, 8 * 2**10
"""Messages in a heap, and bytes in each: 512 KiB a second, many times what a slow reader takes, and easy to send."""
SLOW_MOST = 8
"""Who may read slowly at a time: each costs as much of the network as ballast is said."""
EVICTIONS_MOST = 8

DROPPED = frozenset((CloseReason.WS_CLIENT_TOO_SLOW, CloseReason.TOO_SLOW, CloseReason.WRITE_STALL,
                     CloseReason.WS_PONG_TIMEOUT, CloseReason.EVICTED))
"""Ends that are the server's decision, for the sake of the others."""


class Eviction(NamedTuple):
    """A client that was dropped, when (in seconds since 1970) and why.

    `behind` (messages) and `owed` (bytes) are what the last picture saw of it; None if it was in none.
    """

    at_seconds: float
    peer: str
    reason: str
    sentence: str
    behind: int | None
    owed: int | None


class Beat(NamedTuple):
    """Something that is said again and again while one of `topics` is heard."""

    interval_seconds: float
    topics: tuple[str, ...]
    say: Callable[[HttpServer], None]


def message_of(kind: str, value: object) -> str:
    """One message: an object with its kind as the only key."""
    return json.dumps({kind: value}, separators=(",", ":"))


def picture_of(figures: RingFigures, slow: int) -> Figures:
    """The ring's figures as JSON can say them, and how many hear ballast."""
    return {name: plain(value) for name, value in figures._asdict().items()} | {"slow": slow}


def changes(before: Figures, after: Figures) -> Figures:
    """What is new in the second picture."""
    return {name: value for name, value in after.items() if name not in before or before[name] != value}


class Live:
    """The program's side of the conversation; `callbacks` is what its server must call."""

    def __init__(self, recorder: Recorder, clock: Clock = time.monotonic) -> None:
        self.recorder = recorder
        self.evictions: deque[Eviction] = deque(maxlen=EVICTIONS_MOST)
        self._clock = clock
        self._beats = (Beat(PICTURE_SECONDS, (RING, BALLAST), self._show_ring),
                       Beat(BALLAST_SECONDS, (BALLAST,), self._heap_ballast))
        self._due: dict[Beat, float] = {}
        self._told = 0
        self._shown: Figures = {}
        self._behind: Mapping[Conn, LaggardFigures] = {}
        self._peers: dict[Conn, str] = {}
        self._admitted = 0
        self._ballast = 0
        self._state: Callable[[], Server]

    @property
    def callbacks(self) -> Callbacks:
        """To hear who comes and who goes."""
        return Callbacks(open=self._remember, close=self._note_end, ws_open=self._welcome)

    def watch(self, server: HttpServer) -> None:
        """This is the server that is shown.  It needs the handler and the callbacks, so it is made after this."""
        self.recorder.figures = lambda: server.stats()._asdict()
        self._state = lambda: server.state

    def admit(self) -> bool:
        """Whether one more may read slowly.

        Who was let in in this turn may not be seen in the server's value yet; or is already, and is counted twice.
        """
        if listeners(self._state(), BALLAST) + self._admitted >= SLOW_MOST:
            return False
        self._admitted += 1
        return True

    # -- who comes and goes -------------------------------------------------------------------------------------------

    def _remember(self, server: HttpServer, conn: Conn) -> None:
        client = find(server.state.slots, conn)
        self._peers[conn] = "" if client is None else str(client.peer)

    def _welcome(self, server: HttpServer, conn: Conn, request: Request) -> None:
        """The recent past for a newcomer, up to where what is told to everybody goes on."""
        if not self._shown:
            self._shown = self._look(server)
        samples = tuple(self.recorder.samples)
        server.send(conn, message_of("hello", {
            "about": about(), "samples": plain(samples[:len(samples) - len(self._untold())]), "ring": self._shown,
            "evictions": plain(tuple(self.evictions)), "picture_seconds": PICTURE_SECONDS,
            "ballast_bytes_per_second": BALLAST_COUNT * BALLAST_LEN / BALLAST_SECONDS}))

    def _note_end(self, server: HttpServer, conn: Conn, reason: CloseReason) -> None:
        """Tell everybody of one who was dropped."""
        peer, seen = self._peers.pop(conn, ""), self._behind.get(conn)
        if reason not in DROPPED:
            return
        behind, owed = (None, None) if seen is None else (seen.behind, seen.owed)
        eviction = Eviction(time.time(), peer, reason.name, MEANINGS[reason].sentence, behind, owed)
        self.evictions.append(eviction)
        server.broadcast(message_of("eviction", plain(eviction)), topic=RING)

    # -- what is said -------------------------------------------------------------------------------------------------

    def _untold(self) -> tuple[Sample, ...]:
        """Samples that nobody was told of yet: a request may have had one taken."""
        samples = tuple(self.recorder.samples)
        return samples[max(0, len(samples) - (self.recorder.count - self._told)):]

    def _tell_load(self, server: HttpServer) -> None:
        """Every sample, once."""
        for sample in self._untold():
            server.broadcast(message_of("load", plain(sample)), topic=LOAD)
        self._told = self.recorder.count

    def _show_ring(self, server: HttpServer) -> None:
        """What has changed in the ring; that nothing has is told as well, for who measures when it is told."""
        picture = self._look(server)
        server.broadcast(message_of("ring", changes(self._shown, picture)), topic=RING)
        self._shown = picture

    def _look(self, server: HttpServer) -> Figures:
        figures = ring_figures(server.state)
        self._behind = {laggard.conn: laggard for laggard in figures.laggards}
        return picture_of(figures, listeners(server.state, BALLAST))

    def _heap_ballast(self, server: HttpServer) -> None:
        """Messages that are long and say when they were said, and nothing else."""
        for _ in range(BALLAST_COUNT):
            self._ballast += 1
            server.broadcast(f"{time.time():.3f} ballast {self._ballast} ".ljust(BALLAST_LEN, "."), topic=BALLAST)

    # -- when ---------------------------------------------------------------------------------------------------------

    def turn(self, server: HttpServer) -> None:
        """Say what is due."""
        self._admitted = 0
        self.recorder.refresh()
        self._tell_load(server)
        now = self._clock()
        for beat in self._beats:
            if not any(listeners(server.state, topic) for topic in beat.topics):
                self._due.pop(beat, None)
            elif now >= self._due.get(beat, now):
                # In step as long as it is kept up with; what was missed is not made up for.
                self._due[beat] = max(self._due.get(beat, now) + beat.interval_seconds, now)
                beat.say(server)

    def seconds_until_due(self) -> float:
        """How long until there is something to say; 0 if it is time."""
        due = min(self._due.values(), default=None)
        patience = self.recorder.seconds_until_due()
        return patience if due is None else max(0.0, min(patience, due - self._clock()))


def make_live(host: str, port: int, limits: Limits = LIMITS) -> tuple[HttpServer, Live]:
    """A server that shows itself, which does not listen yet, and what tells of it: for `drive`."""
    live = Live(Recorder())
    server = make_http_server(make_demo(live.recorder, live.admit), host=host, port=port, limits=limits,
                              callbacks=live.callbacks)
    live.watch(server)
    return server, live


def _patience_seconds(server: HttpServer, live: Live) -> float:
    """How long the loop may wait: until something is to be said, or the server has something to do at a given time."""
    deadline, until_due = server.next_deadline(), live.seconds_until_due()
    return until_due if deadline is None else max(0.0, min(until_due, deadline - time.monotonic()))


def drive(server: HttpServer, live: Live) -> None:
    """The loop of this program, until the server has stopped."""
    while server.running:
        server.tick(timeout=_patience_seconds(server, live))
        live.turn(server)
