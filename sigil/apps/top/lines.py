"""The lines that `sigil top` shows: figures as text, each line with a style.

Rules: two readings in, lines out, no wider than they are told. What came from the server is shown
only if it can be printed: a terminal obeys what cannot. It does not know the terminal.
"""

from typing import NamedTuple

from sigil.apps.top.figures import Reading, closes_of, durations_of, rate_of, value_of
from sigil.core.views.markup import printable, seconds_of, size_of

REASONS_MAX = 6
BAR_CELLS = 24
NARROW = 40


class TopLine(NamedTuple):
    """A line and how it looks: `title`, `quiet`, `good`, `warning` or nothing."""

    text: str
    style: str = ""


def lines_of(
    url: str, before: Reading | None, now: Reading, problem: str = "", width: int = 80
) -> list[TopLine]:
    """All lines about a server, of which there may be a reading before."""
    state = "serving" if value_of(now, "sigil_serving") else "draining"
    uptime = seconds_of(value_of(now, "sigil_uptime_seconds"))
    lines = [
        TopLine(f"sigil {now.version} ({now.core} core), {state} for {uptime}", "title"),
        TopLine(url, "quiet"),
        TopLine(problem, "warning"),
        *_traffic(before, now),
        TopLine(""),
        *_ring(now),
        TopLine(""),
        *_times(before, now),
        *_memory(now),
        *_closes(before, now),
    ]
    return [TopLine(printable(line.text, max(width, NARROW)), line.style) for line in lines]


def _rate(before: Reading | None, now: Reading, name: str) -> str:
    """A rate as text."""
    rate = rate_of(before, now, name)
    return "-" if rate is None else f"{rate:,.0f}/s"


def _size_rate(before: Reading | None, now: Reading, name: str) -> str:
    """A rate of bytes as text."""
    rate = rate_of(before, now, name)
    return "-" if rate is None else f"{size_of(rate)}/s"


def _traffic(before: Reading | None, now: Reading) -> list[TopLine]:
    clients, subscribers = value_of(now, "sigil_connections"), value_of(now, "sigil_subscribers")
    received = _size_rate(before, now, "sigil_received_bytes_total")
    sent = _size_rate(before, now, "sigil_sent_bytes_total")
    return [
        TopLine(f"clients   {clients:>10,.0f}   subscribers {subscribers:>10,.0f}"),
        TopLine(
            f"requests  {_rate(before, now, 'sigil_requests_total'):>10}"
            f"   messages    {_rate(before, now, 'sigil_published_messages_total'):>10}"
        ),
        TopLine(f"in        {received:>10}   out         {sent:>10}"),
    ]


def bar_of(share: float, cells: int = BAR_CELLS) -> str:
    """A bar for a share of the whole."""
    full = round(min(max(share, 0.0), 1.0) * cells)
    return "█" * full + "░" * (cells - full)


def _share(now: Reading, name: str, whole: str) -> float:
    """How much of the whole something is."""
    return value_of(now, name) / max(1.0, value_of(now, whole))


def _ring(now: Reading) -> list[TopLine]:
    in_bytes = _share(now, "sigil_ring_bytes", "sigil_ring_capacity_bytes")
    in_messages = _share(now, "sigil_ring_messages", "sigil_ring_capacity_messages")
    laggards = value_of(now, "sigil_ring_laggards")
    behind = value_of(now, "sigil_ring_behind_messages")
    at_head, cohorts = value_of(now, "sigil_ring_at_head"), value_of(now, "sigil_ring_cohorts")
    return [
        TopLine(
            f"ring      {bar_of(max(in_bytes, in_messages))} {in_bytes:.0%} of its bytes, "
            f"{in_messages:.0%} of its messages"
        ),
        TopLine(f"at head   {at_head:>10,.0f}   cohorts     {cohorts:>10,.0f}"),
        TopLine(
            f"behind    {laggards:>10,.0f}   the last by {behind:>10,.0f} messages",
            "warning" if laggards else "",
        ),
    ]


def _times(before: Reading | None, now: Reading) -> list[TopLine]:
    lines = []
    for title, name in (("lag", "sigil_loop_lag_seconds"), ("handlers", "sigil_handler_seconds")):
        found = durations_of(before, now, name)
        if found is not None:
            most = "more than 10 s" if found.most == float("inf") else f"{1_000 * found.most:g} ms"
            mean = f"{1_000 * found.mean:.2f} ms"
            lines.append(TopLine(f"{title:<9} {mean:>10}   99 % within {most:>10}"))
    return lines


def _memory(now: Reading) -> list[TopLine]:
    bound, held = value_of(now, "sigil_memory_bound_bytes"), "process_resident_memory_bytes"
    if held not in now.values or not bound:
        return []
    share = value_of(now, held) / bound
    text = f"{size_of(value_of(now, held))} of at most {size_of(bound)}"
    lines = [TopLine(f"memory    {bar_of(share)} {text}")]
    if value_of(now, "sigil_paused"):
        lines.append(TopLine("paused: handlers wait for clients to read", "warning"))
    return lines


def _closes(before: Reading | None, now: Reading) -> list[TopLine]:
    found = closes_of(before, now)
    if not found:
        return []
    lines = [TopLine(""), TopLine("ended", "quiet")]
    for reason, count, more in found[:REASONS_MAX]:
        new = f"   +{more:,.0f}" if more else ""
        style = "warning" if more and reason != "ok" else ""
        lines.append(TopLine(f"{reason.replace('_', ' '):<28} {count:>10,.0f}{new}", style))
    if len(found) > REASONS_MAX:
        lines.append(TopLine(f"and {len(found) - REASONS_MAX} reasons more", "quiet"))
    return lines
