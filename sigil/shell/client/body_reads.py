"""How much is read at once of a connection that is in the middle of a body.

Theory: each read costs as much as a small response, whatever it brings. So what is known to be the
middle of something, a body, a chunk of one, or the payload of a frame, is read in a few large
pieces, as the server reads requests.

Rules: all of it together is bounded in one tick; whoever finds no room is read as everybody is.
Once something large comes, the allocator is told to keep blocks of that size. It does not know
sockets.
"""

from ...core.client.limits import ClientLimits
from ..loop.body_turns import keep_blocks


class BodyReads:
    """What is left in a tick for reads that are longer than others."""

    __slots__ = ("_keeps_blocks", "_limits", "_room")

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._room = 0
        self._keeps_blocks = False

    def begin_tick(self) -> None:
        """A tick begins."""
        self._room = self._limits.max_body_read_len_per_tick

    def read_len(self, lacking_len: int) -> int:
        """How many bytes are read at once of a connection that lacks so many."""
        max_len = self._limits.max_read_len
        if not self._keeps_blocks:
            self._keeps_blocks = True
            keep_blocks(self._limits.max_response_len)
        length = max(max_len, min(lacking_len, self._room))
        self._room -= min(length, self._room)
        return length
