"""What `send` and `broadcast` return to the program.

Theory: a program that sends faster than a client reads must be able to know it, without asking, and
before anything is lost. So every send returns at once what became of the message.

Rules: the numbers are those of the Evo runtime, whose programs compare them; asked whether it is
true, a status says whether the message will arrive, though 0 is a number. It is that of the moment:
nothing is reported later. It does not know the queue: `send_queue` does.
"""

from enum import IntEnum


class SendStatus(IntEnum):
    """What became of a message that the program sent or broadcast; true unless it was dropped."""

    BACKPRESSURE = 0
    """It is queued behind bytes that the client has not taken yet."""
    SUCCESS = 1
    """It is sent, or will be when the tick ends."""
    DROPPED = 2
    """It will not be sent: the client is gone or closing, or has so much to take already that no
    more is queued for it.
    """

    def __bool__(self) -> bool:
        return self is not SendStatus.DROPPED
