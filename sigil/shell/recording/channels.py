"""The channels of a recording, and the JSON of those that are for plots.

Theory: a turn is for whoever has sigil. Foxglove, Rerun and PlotJuggler plot numbers in JSON over
time, so what one wants to see at a glance is there as well: the figures of the server once a
second, who is behind, and each end of a connection with its reason.

Rules: the schemas are JSON Schema and name every field. The figures are read off the value, by
whoever writes the file. It does not know when.
"""

import json
from typing import NamedTuple

from ...core.server.state import Server
from ...core.server.stats import stats
from ...core.views.figures import LAGGARDS_MAX, laggards_of
from .batch import CLOSES, GAPS, LAG, STATS, TURNS


class ChannelInfo(NamedTuple):
    """A channel: its number, topic and encoding, and the types of its fields by name, for JSON."""

    number: int
    topic: str
    encoding: str
    fields: dict[str, str]


_NUMBER, _INTEGER, _TEXT = "number", "integer", "string"
CHANNELS = (
    ChannelInfo(TURNS, "/sigil/turns", "msgpack", {}),
    ChannelInfo(GAPS, "/sigil/gaps", "msgpack", {}),
    ChannelInfo(
        STATS,
        "/sigil/stats",
        "json",
        {
            "uptime_seconds": _NUMBER,
            "clients": _INTEGER,
            "accepted": _INTEGER,
            "rejected": _INTEGER,
            "requests": _INTEGER,
            "bytes_in": _INTEGER,
            "bytes_out": _INTEGER,
            "outbox_bytes": _INTEGER,
            "stale_responses": _INTEGER,
            "closed": _INTEGER,
        },
    ),
    ChannelInfo(
        LAG,
        "/sigil/lag",
        "json",
        {
            "published": _INTEGER,
            "kept": _INTEGER,
            "laggards": _INTEGER,
            "behind": _INTEGER,
            "buffered": _INTEGER,
        },
    ),
    ChannelInfo(
        CLOSES,
        "/sigil/closes",
        "json",
        {
            "slot": _INTEGER,
            "generation": _INTEGER,
            "reason": _TEXT,
            "number": _INTEGER,
            "turn": _INTEGER,
        },
    ),
)


def schema_of(channel: ChannelInfo) -> bytes:
    """The JSON Schema of what is on a channel; empty if it is no JSON."""
    if not channel.fields:
        return b""
    properties = {name: {"type": kind} for name, kind in channel.fields.items()}
    return json.dumps({"type": "object", "properties": properties}).encode()


def stats_json(server: Server) -> bytes:
    """The figures of a server, as `/sigil/stats` has them."""
    row = stats(server)._asdict()
    row["closed"] = sum(row["closed"].values())
    return json.dumps({name: row[name] for name in CHANNELS[STATS - 1].fields}).encode()


def lag_json(server: Server) -> bytes:
    """Who is behind, as `/sigil/lag` has it: how many messages were published and are kept, how
    many subscribers are behind, and how far the one that is furthest is, in messages and in bytes.
    """
    ring, furthest = server.broadcast.ring, laggards_of(server, LAGGARDS_MAX)
    row = {
        "published": ring.head_number,
        "kept": ring.head_number - ring.tail_number,
        "laggards": len(server.broadcast.laggards),
        "behind": max([one.behind for one in furthest], default=0),
        "buffered": max([one.buffered for one in furthest], default=0),
    }
    return json.dumps(row).encode()
