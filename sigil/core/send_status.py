"""The parts of it."""

from enum import IntEnum


class SendStatus(IntEnum):
    """What became of a message the program said; the numbers are those of the Evo runtime."""

    BACKPRESSURE = 0
    """It waits behind what the client has not taken yet."""
    SUCCESS = 1
    """It is on its way."""
    DROPPED = 2
    """It will not be sent: the client is gone or going, or is so far behind that no more is kept
    for it.
    """
