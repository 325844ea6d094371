"""What the demonstration tells without being asked, and the loop that tells it.

Theory: a program with a loop of its own looks at the clock once in each turn and says what is due.
Here that is a sample of the machine each second, a picture of the server's own ring eight times a
second, and, while somebody asks to be too slow, ballast: messages with nothing in them, so many
that a reader of a few KiB a second falls off the ring within seconds. All of it goes out by
`broadcast`, on a topic for each; who comes is sent the recent past by itself first, and after that
hears every change.

Rules: nothing is said that nobody hears, and who hears is read off the server's value, not kept in
a second place. Of a picture only what has changed since the last one is told, so that pictures of
the ring do not fill the ring. Who was dropped, and why, is kept for a while; how far behind it was
is what the last picture saw, an eighth of a second before at most.

It does not know HTTP (`demo` does), nor who may be slow and for how long (`demo_slow`), nor how any
of it is drawn.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sigil import Callbacks, CloseReason, Conn, HttpServer, Limits, Peer, Request, make_http_server
from sigil.apps.demo.handler import (
    BALLAST,
    LOAD,
    RING,
    Clock,
    Figures,
    Recorder,
    about,
    json_array,
    json_object,
    json_text,
    make_demo,
    plain,
)
from sigil.apps.demo.slow_readers import FAST_SECONDS_MOST, SLOW_SECONDS_MOST, SlowReaders
from sigil.core.close_reasons import CLOSE_INFO
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from sigil.core.views.figures import RingFigures, ring_figures, subscriber_count

LIMITS = Limits(outgoing_buffer_sz=4 * 2**20)
"""A small ring, in which there is something to be seen: it is filled within seconds while there is
ballast.
"""
PICTURE_SECONDS, BALLAST_SECONDS = 1 / 8, 1 / 16
"""Between two pictures, and between two heaps of ballast."""
BALLAST_COUNT, BALLAST_LEN = 4, 8 * 2**10
"""Messages in a heap, and bytes in each: 512 KiB a second, many times what a slow reader takes, and
easy to send.
"""
EVICTIONS_MOST = 8

DROPPED = frozenset(
    (
        CloseReason.WS_CLIENT_TOO_SLOW,
        CloseReason.TOO_SLOW,
        CloseReason.WRITE_STALL,
        CloseReason.WS_PONG_TIMEOUT,
        CloseReason.EVICTED,
    )
)
"""Ends that are the server's decision, for the sake of the others."""


class Lag(NamedTuple):
    """How far behind somebody was: messages, and bytes of the ring, in which every encoding of a
    message counts.
    """

    messages: int
    ring_bytes: int


class Eviction(NamedTuple):
    """A client that was dropped, when (in seconds since 1970) and why; `add_laggard` is what the
    last picture saw of it.

    None for that if it was in none.
    """

    at_seconds: float
    peer: str
    reason: str
    sentence: str
    lag: Lag | None


class Beat(NamedTuple):
    """Something that is said again and again while one of `topics` is heard."""

    interval_seconds: float
    topics: tuple[str, ...]
    say: Callable[[HttpServer], None]


def message_of(kind: str, value: object) -> str:
    """One message: an object with its kind as the only key."""
    return json_object({kind: json_text(value)})


def picture_of(figures: RingFigures, slow: int) -> Figures:
    """The ring's figures as JSON can say them, and how many hear ballast."""
    return {name: plain(value) for name, value in figures._asdict().items()} | {"slow": slow}


def changes(before: Figures, after: Figures) -> Figures:
    """What is new in the second picture."""
    return {
        name: value for name, value in after.items() if name not in before or before[name] != value
    }


class Live:
    """The program's side of the conversation; `callbacks` is what its server must call."""

    def __init__(self, recorder: Recorder, clock: Clock = time.monotonic) -> None:
        self.recorder = recorder
        self.evictions: deque[Eviction] = deque(maxlen=EVICTIONS_MOST)
        self.began_seconds = time.time()
        """By this a page tells this server from another one that came after it."""
        self._clock = clock
        self._beats = (
            Beat(PICTURE_SECONDS, (RING, BALLAST), self._show_ring),
            Beat(BALLAST_SECONDS, (BALLAST,), self._heap_ballast),
        )
        self._due: dict[Beat, float] = {}
        self._told = 0
        self._shown: Figures = {}
        self._lags: Mapping[Conn, Lag] = {}
        self._peers: dict[Conn, str] = {}
        self._slow = SlowReaders()
        self._ballast = 0
        self._state: Callable[[], Server]

    @property
    def callbacks(self) -> Callbacks:
        """To hear who comes and who goes."""
        return Callbacks(open=self._remember, close=self._note_end, ws_open=self._welcome)

    def watch(self, server: HttpServer) -> None:
        """This is the server that is shown. It needs the handler and the callbacks, so it is made
        after this.
        """
        self.recorder.figures = lambda: server.stats()._asdict()
        self._state = lambda: server.state

    def admit(self, peer: Peer) -> bool:
        """Whether one more may read slowly, this one."""
        return self._slow.admit(self._state(), peer)

    # -- who comes and goes ------------------------------------------------------------------------

    def _remember(self, server: HttpServer, conn: Conn) -> None:
        client = find_client(server.state.slots, conn)
        self._peers[conn] = "" if client is None else str(client.peer)

    def _welcome(self, server: HttpServer, conn: Conn, request: Request) -> None:
        """The recent past for a newcomer, up to where what is told to everybody goes on."""
        if not self._shown:
            self._shown = self._look(server)
        texts = tuple(self.recorder.texts)
        server.send(
            conn,
            json_object(
                {
                    "hello": json_object(
                        {
                            "began_seconds": json_text(self.began_seconds),
                            "about": json_text(about()),
                            "samples": json_array(texts[: len(texts) - len(self._untold())]),
                            "ring": json_text(self._shown),
                            "evictions": json_text(self.evictions),
                            "picture_seconds": json_text(PICTURE_SECONDS),
                            "slow_seconds_most": json_text(SLOW_SECONDS_MOST),
                            "fast_seconds_most": json_text(FAST_SECONDS_MOST),
                            "ballast_bytes_per_second": json_text(
                                BALLAST_COUNT * BALLAST_LEN / BALLAST_SECONDS
                            ),
                        }
                    )
                }
            ),
        )

    def _note_end(self, server: HttpServer, conn: Conn, reason: CloseReason) -> None:
        """Tell everybody of one who was dropped."""
        peer = self._peers.pop(conn, "")
        if reason not in DROPPED:
            return
        eviction = Eviction(
            time.time(), peer, reason.name, CLOSE_INFO[reason].sentence, self._lags.get(conn)
        )
        self.evictions.append(eviction)
        server.broadcast(message_of("eviction", eviction), topic=RING)

    # -- what is said ------------------------------------------------------------------------------

    def _untold(self) -> tuple[str, ...]:
        """Samples that nobody was told of yet: a request may have had one taken."""
        texts = tuple(self.recorder.texts)
        return texts[max(0, len(texts) - (self.recorder.count - self._told)) :]

    def _tell_load(self, server: HttpServer) -> None:
        """Every sample, once."""
        for text in self._untold():
            server.broadcast(json_object({"load": text}), topic=LOAD)
        self._told = self.recorder.count

    def _show_ring(self, server: HttpServer) -> None:
        """What has changed in the ring; that nothing has is told as well, for who measures when it
        is told.
        """
        picture = self._look(server)
        server.broadcast(message_of("ring", changes(self._shown, picture)), topic=RING)
        self._shown = picture

    def _look(self, server: HttpServer) -> Figures:
        figures = ring_figures(server.state)
        self._lags = {
            laggard.conn: Lag(laggard.behind, figures.head_offset - laggard.offset)
            for laggard in figures.laggards
        }
        return picture_of(figures, subscriber_count(server.state, BALLAST))

    def _heap_ballast(self, server: HttpServer) -> None:
        """Messages that are long and say when they were said, and nothing else."""
        for _ in range(BALLAST_COUNT):
            self._ballast += 1
            server.broadcast(
                f"{time.time():.3f} ballast {self._ballast} ".ljust(BALLAST_LEN, "."), topic=BALLAST
            )

    # -- when --------------------------------------------------------------------------------------

    def turn(self, server: HttpServer) -> None:
        """Say what is due."""
        now = self._clock()
        for conn, sentence in self._slow.overdue(server.state, now):
            server.send(conn, sentence)
            server.close(conn)
        self.recorder.refresh()
        self._tell_load(server)
        for beat in self._beats:
            if not any(subscriber_count(server.state, topic) for topic in beat.topics):
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
    server = make_http_server(
        make_demo(live.recorder, live.admit),
        host=host,
        port=port,
        limits=limits,
        callbacks=live.callbacks,
    )
    live.watch(server)
    return server, live


def _patience_seconds(server: HttpServer, live: Live) -> float:
    """How long the loop may wait: until something is to be said, or the server has something to do
    at a given time.
    """
    deadline, until_due = server.next_deadline(), live.seconds_until_due()
    return until_due if deadline is None else max(0.0, min(until_due, deadline - time.monotonic()))


def drive(server: HttpServer, live: Live) -> None:
    """The loop of this program, until the server has stopped."""
    while server.running:
        server.tick(timeout=_patience_seconds(server, live))
        live.turn(server)
