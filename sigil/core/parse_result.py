"""A refusal as a value: what the parsers return instead of raising.

Theory: bad input is an everyday case, so it is an ordinary result. A refusal holds the reason,
which decides status and log line, and one sentence in plain words, which its sender gets to read.

Rules: sentences say what was wrong with what came, never what is inside the server. It does not
know who finds it.
"""

from typing import NamedTuple

from .close_reasons import CLOSE_INFO, CloseReason


class Malformed(NamedTuple):
    """A request that will not be handled: why, and the sentence its sender gets. Falsy, as the
    original's #f.

    `is_head` says that the request was a HEAD, whose answer has no body, not even that of an error.
    """

    reason: CloseReason
    message: str
    is_head: bool = False

    def __bool__(self) -> bool:
        return False

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return CLOSE_INFO[self.reason].status


def malformed(message: str, reason: CloseReason = CloseReason.BAD_REQUEST) -> Malformed:
    """A refusal in our words."""
    return Malformed(reason, message)


def without_body_for_head(data: bytes, error: Malformed) -> Malformed:
    """The refusal of a request that begins with `data`: to HEAD it is told without a body (RFC 9110
    section 9.3.2).
    """
    return error._replace(is_head=True) if data.startswith(b"HEAD ") else error


class NeedMore(NamedTuple):
    """What arrived so far is no complete head: continue at `scan` when there is more.  Falsy."""

    scan: int

    def __bool__(self) -> bool:
        return False
