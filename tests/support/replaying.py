"""Recordings, run again."""

from sigil.core.server import advance
from sigil.core.server.state import Server
from sigil.core.trace.summary import summaries_of
from sigil.shell.recording.reader import RecordingParts


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
