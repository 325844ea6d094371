"""What is on its way to a client, as a record.

Theory: nearly every client has nothing of it, and shares one record (`NOTHING_OUTGOING`), so that
this can be told by identity. What is here cannot be forgotten yet: responses that come too early,
what the kernel did not take, how the client reads.

Rules: a record is made anew with its constructor, here. It does not know what the bytes mean.
"""

from typing import Any, Final, final

from ..close_reasons import CloseReason
from ..effects import Interest
from ..events import Segment
from ..http.chunks import StreamState
from ..http.request import Request
from ..http.response import Response
from ..value import Value
from .control import NOTHING_ASKED, Control


@final
class ReadLag(Value):
    """Since when a client has been behind with reading, and how many bytes it had taken by then.

    Bytes are sent as if all of them would be taken. So it counts as caught up at `caught_up_at`
    only if that still holds when the tick has ended; or if it is behind again by then, and
    `caught_up_at_bytes` bytes were taken all the same. What it gained by reading faster than it
    must is kept no longer than it may pause: `lapsed` are the seconds beyond. At `looked_at` the
    kernel was asked last what it still holds, or it has to be asked for the first time a while
    after that: then it had `taken` as much, None if nobody has asked yet.
    """

    __match_args__ = (
        "since", "bytes_out", "caught_up_at", "caught_up_at_bytes", "lapsed", "looked_at", "taken",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        since: float,
        bytes_out: int,
        caught_up_at: float,
        caught_up_at_bytes: int,
        lapsed: float,
        looked_at: float,
        taken: int | None,
    ) -> None:
        self.since: Final = since
        self.bytes_out: Final = bytes_out
        self.caught_up_at: Final = caught_up_at
        self.caught_up_at_bytes: Final = caught_up_at_bytes
        self.lapsed: Final = lapsed
        self.looked_at: Final = looked_at
        self.taken: Final = taken


@final
class Outgoing(Value):
    """What is on its way to the client and cannot be forgotten yet."""

    __match_args__ = (
        "early_responses", "postponed", "streaming", "outbox", "is_full", "reason",
        "interest", "read_lag", "control",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        early_responses: tuple[tuple[int, Response], ...],
        postponed: tuple[tuple[int, Request], ...],
        streaming: StreamState | None,
        outbox: tuple[Segment, ...],
        is_full: bool,
        reason: CloseReason,
        interest: Interest,
        read_lag: ReadLag | None,
        control: Control | None = None,
    ) -> None:
        self.early_responses: Final = early_responses
        """Responses to later requests than the first outstanding one, each with its request's
        number.
        """
        self.postponed: Final = postponed
        """Outstanding requests with which the handler was not called, each with its number: they
        are handed out again when there is room for their responses.
        """
        self.streaming: Final = streaming
        """The response body that is being streamed, chunk by chunk."""
        self.outbox: Final = outbox
        """What the kernel did not take."""
        self.is_full: Final = is_full
        """So much was sent at once that the kernel may not have taken it: nothing is parsed until
        it reports that there is room.
        """
        self.reason: Final = reason
        """Why the connection lingers."""
        self.interest: Final = interest
        self.read_lag: Final = read_lag
        self.control: Final = control
        """What the program has asked of the connection, if it has asked for anything."""

    def __reduce__(self) -> str | tuple[Any, ...]:
        return "NOTHING_OUTGOING" if self is NOTHING_OUTGOING else (Outgoing, self._values())


NOTHING_OUTGOING: Final = Outgoing((), (), None, (), False, CloseReason.OK, Interest.READ, None)


# -- updates ---------------------------------------------------------------------------------------


def with_outbox(outgoing: Outgoing, outbox: tuple[Segment, ...], is_full: bool) -> Outgoing:
    """The outgoing data with another outbox, and whether the kernel is to report room first."""
    return Outgoing(
        outgoing.early_responses, outgoing.postponed, outgoing.streaming, outbox, is_full,
        outgoing.reason, outgoing.interest, outgoing.read_lag, outgoing.control,
    )  # fmt: skip


def with_streaming(outgoing: Outgoing, streaming: StreamState | None) -> Outgoing:
    """The outgoing data with another body that is streamed, or none."""
    return Outgoing(
        outgoing.early_responses, outgoing.postponed, streaming, outgoing.outbox, outgoing.is_full,
        outgoing.reason, outgoing.interest, outgoing.read_lag, outgoing.control,
    )  # fmt: skip


def with_watch(outgoing: Outgoing, interest: Interest, read_lag: ReadLag | None) -> Outgoing:
    """The outgoing data of a client that is watched for this, and that reads like this."""
    return Outgoing(
        outgoing.early_responses, outgoing.postponed, outgoing.streaming, outgoing.outbox,
        outgoing.is_full, outgoing.reason, interest, read_lag, outgoing.control,
    )  # fmt: skip


def ending(
    outgoing: Outgoing, outbox: tuple[Segment, ...], reason: CloseReason, control: Control | None
) -> Outgoing:
    """The outgoing data of a connection that ends for this reason behind this outbox, with what is
    left of what the program has asked of it (`control.at_end`).
    """
    return Outgoing(
        outgoing.early_responses, outgoing.postponed, None, outbox, False, reason,
        outgoing.interest, outgoing.read_lag, control,
    )  # fmt: skip


def with_control(outgoing: Outgoing, control: Control | None) -> Outgoing:
    """The outgoing data of a connection of which this is asked."""
    return outgoing.replace(control=control)


def asked_of(outgoing: Outgoing) -> Control:
    """What the program has asked of the connection."""
    return NOTHING_ASKED if outgoing.control is None else outgoing.control


def is_held(outgoing: Outgoing) -> bool:
    """True if nothing that comes is given to the program, because it wants that."""
    return outgoing.control is not None and outgoing.control.is_held


def is_lagging(outgoing: Outgoing) -> bool:
    """True if the client is behind with reading, or was until a moment ago."""
    return bool(outgoing.outbox) or outgoing.is_full or outgoing.read_lag is not None
