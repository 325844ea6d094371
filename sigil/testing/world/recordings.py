"""The recording of a world: what its server was given, turn by turn, in memory.

Theory: a world that broke a rule is looked at as any server is that was recorded: its states are
indexed, compared and searched, and its turns computed again.

Rules: nothing is written. The effects are in short, as they are in a file. It does not know what
was broken.
"""

from ...core.trace.summary import summaries_of
from ...core.trace.turn import Turn
from ...shell.recording.recording import Recording
from .traced_server import TracedServer


def recording_of(server: TracedServer) -> Recording:
    """The recording of what a server in a world was given; RuntimeError if nothing was kept."""
    if server.turns is None:
        raise RuntimeError("this world is not recorded: make it with is_recorded=True")
    turns = [
        Turn(number, events, summaries_of(effects))
        for number, (events, effects) in enumerate(server.turns, 1)
    ]
    return Recording(server.first, turns)
