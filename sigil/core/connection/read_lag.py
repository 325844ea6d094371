"""How a client reads that is behind: since when, at what rate, and how that is found out.

Theory: what the kernel takes is not what the client has taken. For what is live the kernel holds
little (`Limits.tcp_notsent_lowat`), so that the one follows the other closely. For a response that
is sent as a whole it may hold much (`Limits.max_unsent_response_len`), since every report of room
costs more than the bytes; and then none comes for a minute though the client reads steadily. So
while a client of HTTP is behind, the kernel is asked every few seconds how much it still holds
(`ReadSendQueue`), and a client that has taken something since was not silent.

Rules: nobody who is asked about is dropped before the answer of that moment has come. The rate is
that of what was taken by the last answer, from the first one on. Where the kernel cannot be asked
the answer is that it holds nothing, and that counts as taken which the kernel took. This file does
not know what becomes of a client that is too slow (`timeouts`).
"""

from math import inf
from typing import Final

from ..limits import Limits
from .client import Client, Phase, settled
from .context import Context
from .outgoing import ReadLag, with_watch

LOOK_SECONDS: Final = 2.5
"""How often the kernel is asked what it still holds for a client that is behind, at most: often
enough for one that goes on reading to be known. It may be as late as the shortest timeout is long.
"""
_EVENT_STREAM: Final = Phase.EVENT_STREAM


def is_asked_about(client: Client) -> bool:
    """True for a client of which the kernel is asked how much of what it took is still to be sent:
    all but those who are sent what is live.
    """
    return client.websocket is None and client.incoming.phase is not _EVENT_STREAM


def look_interval(limits: Limits) -> float:
    """Seconds after which the kernel is asked again what it still holds for a client."""
    return min(LOOK_SECONDS, limits.stall_timeout / 4, limits.rate_grace / 4)


def look_deadline(client: Client, limits: Limits) -> float:
    """When the kernel is to be asked next about a client that is behind."""
    read_lag = client.outgoing.read_lag
    if read_lag is None or not is_asked_about(client):
        return inf
    return read_lag.looked_at + look_interval(limits)


def read_len(client: Client, read_lag: ReadLag) -> int:
    """Bytes that a client has taken since it fell behind, as far as is known."""
    taken = client.bytes_out if read_lag.taken is None else read_lag.taken
    return taken - read_lag.bytes_out


def read_rate_deadline(client: Client, limits: Limits) -> float:
    """When the client will have read too slowly, if it takes nothing more."""
    read_lag = client.outgoing.read_lag
    if read_lag is None:
        return inf
    seconds = read_len(client, read_lag) / limits.min_read_rate if limits.min_read_rate else inf
    return read_lag.since + limits.rate_grace + seconds - read_lag.lapsed


def after_look(client: Client, held_len: int, now: float) -> Client:
    """A client that is behind, after the kernel was found to hold so many bytes for it still."""
    outgoing = client.outgoing
    before = outgoing.read_lag
    if before is None:
        return client
    taken = client.bytes_out - held_len
    if before.taken is None and held_len:
        # what it took before this first answer is not known: it counts from here
        read_lag = before.replace(
            since=now, bytes_out=taken, lapsed=0.0, looked_at=now, taken=taken
        )
        has_read = True
    else:
        read_lag = before.replace(looked_at=now, taken=taken)
        has_read = before.taken is not None and taken > before.taken
    outgoing = with_watch(outgoing, outgoing.interest, read_lag)
    return settled(client, client.incoming, outgoing, now if has_read else client.waiting_since)


def read_lag_after(
    read_lag: ReadLag | None, is_behind: bool, bytes_out: int, context: Context
) -> ReadLag | None:
    """What is remembered of how the client reads, after an event that found it behind or not."""
    if read_lag is None:
        return _begin(context.now, bytes_out) if is_behind else None
    has_caught_up = read_lag.caught_up_at < context.tick_started_at
    if not is_behind:
        if read_lag.caught_up_at == inf:
            return read_lag.replace(caught_up_at=context.now, caught_up_at_bytes=bytes_out)
        return None if has_caught_up else read_lag
    # Behind again: that is a new lag if the old one was over, or if all of that was taken.
    took_all = read_lag.caught_up_at < inf and bytes_out >= read_lag.caught_up_at_bytes
    if has_caught_up or took_all:
        return _begin(context.now, bytes_out)
    return read_lag.replace(bytes_out=min(read_lag.bytes_out, bytes_out), caught_up_at=inf)


def _begin(now: float, bytes_out: int) -> ReadLag:
    """The lag of a client that falls behind now."""
    return ReadLag(now, bytes_out, inf, 0, 0.0, now, None)
