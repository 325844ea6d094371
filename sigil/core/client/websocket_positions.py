"""What a sigil server says of its stream over a WebSocket, besides messages: positions, gaps and
heartbeats.

Theory: a server that is asked for positions sends, between the messages, texts of its own that
begin with NUL. So a reader that remembers one thing, the position that belongs to the next message,
makes facts of messages: a message with the position behind it, a position alone, a gap, or how long
nothing may come. docs/reference/client.md has the rules for every client.

Rules: texts of a server's own that are unknown or broken are nothing; what comes behind the
position of the next message is that message, whatever it begins with, and so is what is compressed,
since a server's own texts never are. Only a server that was asked
is read so: over any other WebSocket a message is a message. It does not know connections.
"""

import json
import re
from collections.abc import Sequence
from typing import Final, TypeAlias, final
from urllib.parse import urlencode

from ..value import Value
from ..websocket.fragments import CompressedMessage, Message

MISSED_HEARTBEATS: Final = 2
"""So many heartbeats may fail to come before the connection is lost."""

HEARTBEATS: Final = "sigil-heartbeats"

_CONTROL: Final = re.compile("\0(heartbeat|position|next|gap):(.*)", re.DOTALL)
_DIGITS: Final = re.compile(r"[0-9]{1,15}")


@final
class Delivery(Value):
    """A message, and where in the server's stream it is received up to with it; None if the message
    has no position.
    """

    __match_args__ = ("message", "position")
    __slots__ = __match_args__

    def __init__(self, message: Message | CompressedMessage, position: str | None) -> None:
        self.message: Final = message
        self.position: Final = position


@final
class Located(Value):
    """The position is this one, without a message."""

    __match_args__ = ("position",)
    __slots__ = __match_args__

    def __init__(self, position: str) -> None:
        self.position: Final = position


@final
class Gap(Value):
    """Messages behind the position `after` are missing, and it goes on behind `position`; `missed`
    of them, of all topics, or None where the server cannot know.
    """

    __match_args__ = ("after", "position", "missed")
    __slots__ = __match_args__

    def __init__(self, after: str, position: str, missed: int | None) -> None:
        self.after: Final = after
        self.position: Final = position
        self.missed: Final = missed


@final
class Silence(Value):
    """The server says that something comes every so often: after `seconds` without anything the
    connection is lost.
    """

    __match_args__ = ("seconds",)
    __slots__ = __match_args__

    def __init__(self, seconds: float) -> None:
        self.seconds: Final = seconds


Fact: TypeAlias = Delivery | Located | Gap | Silence


def read_message(
    position: str | None, message: Message | CompressedMessage
) -> tuple[str | None, Fact | None]:
    """The position that belongs to the message behind this one, and the fact that this message is;
    None for nothing. `position` is the one that belongs to this message.

    `read_message(None, "\\0next:7-3") == ("7-3", None)`, and `read_message("7-3", "a")` is then
    `(None, Delivery("a", "7-3"))`.
    """
    if position is None and isinstance(message, str) and message[:1] == "\0":
        return _read_control(message)
    return None, Delivery(message, position)


def _read_control(message: str) -> tuple[str | None, Fact | None]:
    """What a text of the server's own says."""
    match = _CONTROL.fullmatch(message)
    if match is None:
        return None, None
    name, text = match[1], match[2]
    if name == "next":
        return text, None
    if name == "position":
        return None, Located(text)
    if name == "gap":
        return None, _read_gap(text)
    if _DIGITS.fullmatch(text) is None:
        return None, None
    return None, Silence(MISSED_HEARTBEATS * int(text) / 1_000)


def _read_gap(text: str) -> Gap | None:
    """The gap that is written so, None if it is none."""
    try:
        gap = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(gap, dict):
        return None
    after, position, missed = gap.get("after", ""), gap.get("position"), gap.get("missed")
    if not isinstance(after, str) or not isinstance(position, str):
        return None
    return Gap(after, position, missed if type(missed) is int else None)


def stream_target(
    target: str,
    topics: Sequence[str] = (),
    history: int | None = None,
    after: str | None = None,
    has_heartbeats: bool = False,
) -> str:
    """The target of a request with what a sigil server is asked for in its query.

    `stream_target("/live?a=1", ["x y"], after="7-3") == "/live?a=1&topic=x+y&after=7-3"`. What is
    there already stays as it is spelled.
    """
    parameters = [("topic", topic) for topic in topics]
    if history is not None:
        parameters.append(("history", str(history)))
    if after is not None:
        parameters.append(("after", after))
    parts = [urlencode(parameters)] if parameters else []
    if has_heartbeats:
        parts.append(HEARTBEATS)
    if not parts:
        return target
    path, _, query = target.partition("?")
    return "?".join((path, "&".join([query, *parts] if query else parts)))
