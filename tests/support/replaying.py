"""Recordings, run again, and written to the end of what there is."""

from threading import Event

from sigil.core.server import advance
from sigil.core.server.state import Server
from sigil.core.trace.summary import summaries_of
from sigil.shell.recording.reader import RecordingParts
from sigil.shell.recording.turn_recorder import TurnRecorder


def replayed(parts: RecordingParts) -> Server:
    """The last server of a recording, after all its turns had the effects that were recorded."""
    server = parts.first
    has_checksums = not parts.about.redaction
    for turn in parts.turns:
        if turn.gap is not None:
            server = turn.gap.state
        server, effects = advance(server, turn.events)
        assert summaries_of(effects, has_checksums) == turn.effects, f"turn {turn.number}"
    return server


def wait_until_written(recorder: TurnRecorder) -> None:
    """Return when the thread that writes has written all there is, or has tried to."""
    recorder.hand_over()
    writer = recorder._take.__self__  # type: ignore[attr-defined]  # a method of the writer
    for _ in range(6_000):
        if writer._pending_len == 0:
            return
        Event().wait(0.01)
    raise AssertionError("nothing is written")
