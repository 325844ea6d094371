"""What the parsers return instead of raising: `Malformed` and `NeedMore`.

Theory: bad input is an everyday case, so it is an ordinary result. A `Malformed` holds the reason,
which decides status, close code and log line, and one sentence in plain words, which its sender
gets to read.

Rules: both are false, so that `if not result` means that nothing was parsed. Sentences say what was
wrong with what was received, never what is inside the server. It does not know which parser
returns them.
"""

from typing import Final, final

from .close_reasons import CLOSE_INFO, CloseReason
from .value import Value


@final
class Malformed(Value):
    """What was received is malformed: `reason` is why, `message` the sentence that its sender gets.
    False, as the #f of the Scheme system is.

    `is_head` is true if the request was a HEAD, whose response has no body, not even that of an
    error.
    """

    __match_args__ = ("reason", "message", "is_head")
    __slots__ = __match_args__

    def __init__(self, reason: CloseReason, message: str, is_head: bool = False) -> None:
        self.reason: Final = reason
        self.message: Final = message
        self.is_head: Final = is_head

    def __bool__(self) -> bool:
        return False

    @property
    def status(self) -> int:
        """The HTTP status of the response; 0 if there is none."""
        return CLOSE_INFO[self.reason].status


def malformed(message: str, reason: CloseReason = CloseReason.BAD_REQUEST) -> Malformed:
    """A `Malformed` with this sentence and this reason (400 by default)."""
    return Malformed(reason, message)


def without_body_for_head(data: bytes, error: Malformed) -> Malformed:
    """The error for a request that begins with `data`, marked if that is a HEAD, to which an error
    is sent without a body (RFC 9110 section 9.3.2).
    """
    return error.replace(is_head=True) if data.startswith(b"HEAD ") else error


@final
class NeedMore(Value):
    """What was received is not complete: parse again when there is more. `scan` is the number of
    bytes that need not be searched again. False.
    """

    __match_args__ = ("scan",)
    __slots__ = __match_args__

    def __init__(self, scan: int) -> None:
        self.scan: Final = scan

    def __bool__(self) -> bool:
        return False
