"""The recorder: a function around the core that writes down what it is given.

Theory: the engine is handed the core as a function, so recording is handing it another one, which
calls the core and adds the turn to a batch. Nothing else in the loop knows about it, and who
records nothing pays nothing. The value before a turn is the one behind the turn before, unless
somebody has put another in its place, which is seen by its identity; then there is a gap of no
turns.

Rules: what goes wrong here is logged once, and the turn is lost: whoever is served does not notice.
It may be begun and ended by any thread, while another one serves. It does not know what becomes of
the batches.
"""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from time import time_ns

from ...core.close_reasons import CloseReason
from ...core.connection.context import Parse
from ...core.effects import ERROR_LOG, CallClose, Effect
from ...core.events import Event
from ...core.server.state import Server
from ...core.trace.events import events_fields
from ...core.trace.redactor import Redactor
from ...core.trace.summary import summaries_of
from ..loop.engine import Advance
from ..program.logs import write_text
from ..program.tracebacks import error_text
from .batch import CLOSES, TURNS, Batch
from .own_lock import OwnLock
from .packages import packer

_ERRORS = logging.getLogger(ERROR_LOG)

CHUNK_LEN = 2**20
"""A batch of so many bytes is written: what a thread compresses in a few milliseconds."""
FLUSH_NS = 1_000_000_000
"""A batch is written when it has been growing for so long."""


class TurnRecorder:
    """Adds turns to batches, and gives each that is full to `take`."""

    def __init__(
        self,
        take: Callable[[Batch], None],
        redactor: Redactor | None = None,
        look: Callable[[Sequence[Event], Sequence[Effect]], None] | None = None,
        batch_len: int = CHUNK_LEN,
        note_raised: Callable[[], None] | None = None,
    ) -> None:
        self._take = take
        self._redactor = redactor
        self._look = look
        """Is shown each turn that was added."""
        self.note_raised = note_raised
        """Is told that user code has raised, where no turn says so."""
        self._batch_len = batch_len
        self._pack = packer()
        self.lock = OwnLock()
        self._batch: Batch | None = None
        self._last: Server | None = None
        self._lost = 0
        """Turns that could not be written down since the last one that was."""
        self._count = 0
        self._has_failed = False
        self.has_ended = False

    def around(self, core: Advance) -> Advance:
        """The core, as a function that also adds each turn."""

        def advance_recorded(
            server: Server, events: Sequence[Event], parse: Parse
        ) -> tuple[Server, list[Effect]]:
            after, effects = core(server, events, parse)
            self.add(server, events, after, effects)
            return after, effects

        return advance_recorded

    def add(
        self, before: Server, events: Sequence[Event], after: Server, effects: list[Effect]
    ) -> None:
        """Add a turn."""
        with self.lock:
            if self.has_ended:
                return
            try:
                self._add(before, events, after, effects)
                is_added = True
            except Exception as error:
                is_added = False
                self._lost += 1
                self._last = None
                self._fail(error)
        if self._look is not None and is_added:
            self._look(events, effects)

    def _fail(self, error: Exception) -> None:
        """Log the first turn that could not be written down."""
        if not self._has_failed:
            self._has_failed = True
            text = "a turn could not be recorded, and perhaps others: it is missing"
            write_text(_ERRORS, logging.ERROR, error_text(text, error))

    def _add(
        self, before: Server, events: Sequence[Event], after: Server, effects: list[Effect]
    ) -> None:
        """Add a turn to the batch that grows, or to a new one."""
        batch, now = self._batch, time_ns()
        if batch is None or before is not self._last:
            batch = self._begin(before)
        redactor = self._redactor
        if redactor is not None:
            events = redactor.events(before, events)
        data = self._pack((events_fields(events), summaries_of(effects, redactor is None)))
        self._count += 1
        batch.add(TURNS, self._count, now, data)
        batch.count += 1
        batch.last = self._last = after
        if effects and CallClose in map(type, effects):
            self._add_closes(batch, now, effects)
        if batch.size >= self._batch_len or now - batch.begun >= FLUSH_NS:
            self._hand_over()

    def _begin(self, before: Server) -> Batch:
        """A new batch, which begins with this server."""
        is_joined = before is self._last
        if self._batch is not None:
            self._hand_over()
        self._batch = Batch(before, is_joined, self._lost)
        self._lost = 0
        return self._batch

    def _add_closes(self, batch: Batch, now: int, effects: Iterable[Effect]) -> None:
        """Add the ends of connections, for whoever plots them."""
        for effect in effects:
            if type(effect) is CallClose:
                reason = CloseReason(effect.reason)
                ended = {"slot": effect.conn.slot, "generation": effect.conn.generation}
                row = {**ended, "reason": reason.name, "number": int(reason), "turn": self._count}
                batch.add(CLOSES, self._count, now, json.dumps(row).encode())

    def _hand_over(self) -> None:
        """Give the batch away; the next turn begins another."""
        batch, self._batch = self._batch, None
        if batch is not None and batch.count:
            self._take(batch)

    def flush(self) -> None:
        """Give away a batch that has been growing long enough, though there was no further turn."""
        with self.lock:
            if self._batch is not None and time_ns() - self._batch.begun >= FLUSH_NS:
                self._hand_over()

    def hand_over(self) -> None:
        """Give away what there is, and go on."""
        with self.lock:
            self._hand_over()

    def end(self) -> None:
        """Give away what there is, and add nothing more."""
        with self.lock:
            self._hand_over()
            self.has_ended = True
