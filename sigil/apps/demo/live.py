"""What the demonstration publishes, and its loop.

Theory: a program with a loop of its own reads the clock once in each iteration and does what is
due. Here that is a sample of the machine each second, a snapshot of the server's own ring eight
times a second, and, while there are slow readers, ballast: messages without content, so many that a
slow reader falls off the ring within seconds, or is moved on, or is sent only the newest. All of it
is broadcast, on a topic for each; a new client is sent the recent past by itself first, and
receives every change after it.

Rules: nothing is published without subscribers, and who subscribes is read off the server's value,
not recorded a second time. Of a snapshot only what has changed since the last one is published, so
that snapshots of the ring do not fill the ring. Evictions and their reasons are remembered for a
while; how far a client lagged is known from the last snapshot, an eighth of a second before at
most.

It does not know HTTP (`handler`), nor how long a slow reader may stay (`slow_readers`), nor how
anything is drawn (`demo.html`).
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sigil import (
    Callbacks,
    CloseReason,
    Conn,
    HttpServer,
    Limits,
    Peer,
    Request,
    close_reason_sentence,
    make_http_server,
)
from sigil.apps.demo.handler import (
    BALLAST,
    LOAD,
    NEWEST,
    RING,
    SLOW_TOPICS,
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
from sigil.apps.demo.slow_readers import MAX_FAST_SECONDS, MAX_SLOW_SECONDS, SlowReaders
from sigil.apps.hosts import HostGuard
from sigil.core.views.figures import RingFigures, ring_figures

LIMITS = Limits(outgoing_buffer_sz=32 * 2**20)
"""A small ring, so that there is something to see: ballast fills it within seconds."""
SNAPSHOT_SECONDS, BALLAST_SECONDS = 1 / 8, 1 / 32
"""Between two snapshots of the ring, and between two batches of ballast."""
BALLAST_COUNT, BALLAST_LEN = 6, 16 * 2**10
"""Messages in a batch, and bytes in each: 3 MiB a second, many times what a slow reader takes,
and easy to send.
"""
MAX_EVICTIONS = 8
"""Evictions that are remembered for new clients."""

EVICTION_REASONS = frozenset(
    (
        CloseReason.WS_CLIENT_TOO_SLOW,
        CloseReason.TOO_SLOW,
        CloseReason.WRITE_STALL,
        CloseReason.WS_PONG_TIMEOUT,
        CloseReason.EVICTED,
    )
)
"""Reasons for which the server closes a connection for the sake of the others."""


class Lag(NamedTuple):
    """How far a client lagged: messages, and bytes of the ring, in which every encoding of a
    message counts.
    """

    messages: int
    ring_bytes: int


class Eviction(NamedTuple):
    """A client that was evicted, when (in seconds since 1970) and why.

    `lag` is from the last snapshot; None if the client was not lagging in it.
    """

    at_seconds: float
    peer: str
    reason: str
    sentence: str
    lag: Lag | None


class Task(NamedTuple):
    """Something to publish at an interval, while one of `topics` has subscribers."""

    interval_seconds: float
    topics: tuple[str, ...]
    publish: Callable[[HttpServer], None]


def message_of(kind: str, value: object) -> str:
    """One message: a JSON object with its kind as the only key."""
    return json_object({kind: json_text(value)})


def snapshot_of(figures: RingFigures, slow: int) -> Figures:
    """The ring's figures in values that JSON has, with `slow`, the number of slow readers."""
    return {name: plain(value) for name, value in figures._asdict().items()} | {"slow": slow}


def changes(before: Figures, after: Figures) -> Figures:
    """The figures of the second snapshot that differ from the first."""
    return {
        name: value for name, value in after.items() if name not in before or before[name] != value
    }


class Live:
    """The publishing side of the demonstration.

    `callbacks` are for the server, which is then given to `attach`; `run_due` is called once in
    each iteration of the loop. `clock` is a monotonic clock in seconds.
    """

    def __init__(self, recorder: Recorder, clock: Clock = time.monotonic) -> None:
        self.recorder = recorder
        self.evictions: deque[Eviction] = deque(maxlen=MAX_EVICTIONS)
        self.began_seconds = time.time()
        """Tells a page whether the server was restarted."""
        self._clock = clock
        self._tasks = (
            Task(SNAPSHOT_SECONDS, (RING, *SLOW_TOPICS), self._publish_ring),
            Task(BALLAST_SECONDS, (BALLAST,), self._publish_ballast),
            Task(BALLAST_SECONDS, (NEWEST,), self._publish_newest),
        )
        self._due: dict[Task, float] = {}
        self._published_count = 0
        """Samples that were published."""
        self._snapshot: Figures = {}
        """The last snapshot of the ring that was published."""
        self._lags: Mapping[Conn, Lag] = {}
        self._peers: dict[Conn, str] = {}
        self._slow = SlowReaders()
        self._ballast_counts = Counter[str]()
        """Messages of ballast by their topic."""
        self._server: HttpServer

    @property
    def callbacks(self) -> Callbacks:
        """The server's callbacks, by which clients are followed."""
        return Callbacks(open=self._on_open, close=self._on_close, ws_open=self._on_ws_open)

    def attach(self, server: HttpServer) -> None:
        """Show this server; it needs the handler and the callbacks, so it is made after this."""
        self.recorder.figures = lambda: server.stats()._asdict()
        self._server = server

    def admit(self, peer: Peer) -> bool:
        """True if one more slow reader, from this peer, is admitted."""
        return self._slow.admit(self._server, peer)

    # -- clients -----------------------------------------------------------------------------------

    def _on_open(self, server: HttpServer, conn: Conn) -> None:
        """Remember the address of a client, which is no longer known when it is gone."""
        peer = server.peer(conn)
        self._peers[conn] = "" if peer is None else str(peer)

    def _on_ws_open(self, server: HttpServer, conn: Conn, request: Request) -> None:
        """Send a new client the recent past, up to the point where the broadcasts go on."""
        if not self._snapshot:
            self._snapshot = self._take_snapshot(server)
        server.send(conn, json_object({"hello": self._hello()}))

    def _hello(self) -> str:
        """The recent past and the constants of this server, as a JSON object."""
        texts = tuple(self.recorder.texts)
        published = texts[: len(texts) - len(self._unpublished())]
        values: dict[str, object] = {
            "began_seconds": self.began_seconds,
            "about": about(),
            "ring": self._snapshot,
            "evictions": self.evictions,
            "snapshot_seconds": SNAPSHOT_SECONDS,
            "max_slow_seconds": MAX_SLOW_SECONDS,
            "max_fast_seconds": MAX_FAST_SECONDS,
            "ballast_bytes_per_second": BALLAST_COUNT * BALLAST_LEN / BALLAST_SECONDS,
        }
        members = {name: json_text(value) for name, value in values.items()}
        return json_object({**members, "samples": json_array(published)})

    def _on_close(self, server: HttpServer, conn: Conn, reason: CloseReason) -> None:
        """Publish an eviction."""
        peer = self._peers.pop(conn, "")
        if reason not in EVICTION_REASONS:
            return
        sentence, lag = close_reason_sentence(reason), self._lags.get(conn)
        eviction = Eviction(time.time(), peer, reason.name, sentence, lag)
        self.evictions.append(eviction)
        server.broadcast(message_of("eviction", eviction), topic=RING)

    # -- publishing --------------------------------------------------------------------------------

    def _unpublished(self) -> tuple[str, ...]:
        """Samples that were not published yet: a request may have caused one to be taken."""
        texts = tuple(self.recorder.texts)
        return texts[max(0, len(texts) - (self.recorder.count - self._published_count)) :]

    def _publish_load(self, server: HttpServer) -> None:
        """Publish new samples, each once."""
        for text in self._unpublished():
            server.broadcast(json_object({"load": text}), topic=LOAD)
        self._published_count = self.recorder.count

    def _publish_ring(self, server: HttpServer) -> None:
        """Publish what has changed in the ring.

        A message is sent even if nothing has, for clients that measure when it arrives.
        """
        snapshot = self._take_snapshot(server)
        server.broadcast(message_of("ring", changes(self._snapshot, snapshot)), topic=RING)
        self._snapshot = snapshot

    def _take_snapshot(self, server: HttpServer) -> Figures:
        """The ring's figures now; how far each client lags is remembered."""
        figures = ring_figures(server.state)
        self._lags = {
            laggard.conn: Lag(laggard.behind, figures.head_offset - laggard.offset)
            for laggard in figures.laggards
        }
        return snapshot_of(figures, sum(map(server.subscriber_count, SLOW_TOPICS)))

    def _publish_ballast(self, server: HttpServer) -> None:
        """Publish ballast of which every message counts."""
        for _ in range(BALLAST_COUNT):
            server.broadcast(self._ballast(BALLAST), topic=BALLAST)

    def _publish_newest(self, server: HttpServer) -> None:
        """Publish ballast of which the newest message counts."""
        for _ in range(BALLAST_COUNT):
            server.broadcast(self._ballast(NEWEST), topic=NEWEST, latest=True)

    def _ballast(self, topic: str) -> str:
        """A long message that has the time, and which one it is, and nothing else."""
        self._ballast_counts[topic] += 1
        text = f"{time.time():.3f} ballast {self._ballast_counts[topic]} "
        return text.ljust(BALLAST_LEN, ".")

    # -- the schedule ------------------------------------------------------------------------------

    def run_due(self, server: HttpServer) -> None:
        """Publish what is due, and end the visits of slow readers that are overdue."""
        now = self._clock()
        for conn, sentence in self._slow.overdue(server, now):
            server.send(conn, sentence)
            server.close(conn)
        self.recorder.refresh()
        self._publish_load(server)
        for task in self._tasks:
            if not any(server.subscriber_count(topic) for topic in task.topics):
                self._due.pop(task, None)
            elif now >= self._due.get(task, now):
                # At regular times while the loop keeps up; times that were missed are not made up.
                self._due[task] = max(self._due.get(task, now) + task.interval_seconds, now)
                task.publish(server)

    def seconds_until_due(self) -> float:
        """The time until `run_due` has something to publish; 0 if it has now."""
        until_sample = self.recorder.seconds_until_due()
        due = min(self._due.values(), default=None)
        if due is None:
            return until_sample
        return max(0.0, min(until_sample, due - self._clock()))


def make_live(
    host: str, port: int, limits: Limits = LIMITS, guard: HostGuard | None = None
) -> tuple[HttpServer, Live]:
    """A server of the demonstration, which does not listen yet, and its `Live`: for `drive`. With a
    `guard` it answers only to the names that this knows.
    """
    live = Live(Recorder())
    app = make_demo(live.recorder, live.admit)
    server = make_http_server(
        app if guard is None else guard.guarding(app),
        host=host,
        port=port,
        limits=limits,
        callbacks=live.callbacks,
    )
    live.attach(server)
    return server, live


def _timeout_seconds(server: HttpServer, live: Live) -> float:
    """How long a tick may wait: until something is to be published, or the server's deadline."""
    deadline, until_due = server.next_deadline(), live.seconds_until_due()
    if deadline is None:
        return until_due
    return max(0.0, min(until_due, deadline - time.monotonic()))


def drive(server: HttpServer, live: Live) -> None:
    """The loop of this program, until the server has stopped; SIGINT and SIGTERM stop it."""
    with server.stop_on_signals():
        while server.running:
            server.tick(timeout=_timeout_seconds(server, live))
            live.run_due(server)
