"""What the body of a response may be: the closed sum that framing and sending look at.

Theory: a body says what is sent and not how. What has a state of its own, an iterator or the
program's objects, is only carried here; whoever sends it keeps it elsewhere.

Rules: records, without a check: `Response` makes them from what people write, and refuses what is
wrong; `validate` looks once more before anything is sent. It does not know statuses nor fields.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from typing import Any, Final, TypeAlias, final

from ..topics import Topic
from ..value import Value


@final
class Unfold(Value):
    """A pure stream: `step(state)` returns a chunk and the next state, or None at the end; the
    first state is `seed`.

    Unlike an iterator it can be sent to many clients, and sent again.
    """

    __match_args__ = ("step", "seed")
    __slots__ = __match_args__

    def __init__(self, step: Callable[[Any], tuple[Any, Any] | None], seed: Any) -> None:
        self.step: Final = step
        self.seed: Final = seed


Chunks: TypeAlias = "Iterable[Any] | AsyncIterable[Any] | Unfold"


@final
class StreamedBody(Value):
    """A body that is produced while it is sent. The shell owns the iterator; the core only asks for
    the next chunk.
    """

    __match_args__ = ("chunks", "is_sse")
    __slots__ = __match_args__

    def __init__(self, chunks: Chunks, is_sse: bool = False) -> None:
        self.chunks: Final = chunks
        self.is_sse: Final = is_sse
        """True if the chunks are events of an event stream, not bytes."""

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(self.chunks, Generator | AsyncGenerator):
            name = type(self.chunks).__name__.replace("_", " ")
            raise TypeError(
                f"a streamed body cannot be pickled nor copied: its chunks are a {name}, which goes"
                " on in its own frame; Unfold is a stream that is a value"
            )
        return StreamedBody, (self.chunks, self.is_sse)


@final
class Upgrade(Value):
    """No body: the connection becomes a WebSocket with `subprotocol`, subscribed to `topics`, and
    is first sent the last `history` messages, or what was published behind the position `after`
    (empty: from now on), and is told its position with each message. None leaves that to the query,
    False is no, whatever the query says. `slow` is what becomes of it if what it needs is not kept
    any more: "drop" or "skip". With `takes_pieces` long messages come in pieces; without, a message
    is no longer than `max_message_len`, if that is less than the limit.

    `callbacks`, `context` and `refused` are the program's own objects, and stay with whoever calls
    it: the core is given none.
    """

    __match_args__ = (
        "subprotocol", "topics", "history", "after", "slow", "callbacks", "context", "refused",
        "takes_pieces", "max_message_len",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        subprotocol: str | None,
        topics: tuple[Topic, ...],
        history: int,
        after: str | bool | None = None,
        slow: str = "drop",
        callbacks: Any = None,
        context: object = None,
        refused: Any = None,
        takes_pieces: bool = False,
        max_message_len: int | None = None,
    ) -> None:
        self.subprotocol: Final = subprotocol
        self.topics: Final = topics
        self.history: Final = history
        self.after: Final = after
        self.slow: Final = slow
        self.callbacks: Final = callbacks
        self.context: Final = context
        self.refused: Final = refused
        self.takes_pieces: Final = takes_pieces
        self.max_message_len: Final = max_message_len


def without_objects(
    upgrade: Upgrade, subprotocol: str | None, takes_pieces: bool, max_message_len: int | None
) -> Upgrade:
    """The body without the program's own objects, with this subprotocol, of a program that takes
    long messages in pieces, or none beyond this length: what is left is a value.
    """
    return Upgrade(
        subprotocol, upgrade.topics, upgrade.history, upgrade.after, upgrade.slow,
        takes_pieces=takes_pieces, max_message_len=max_message_len,
    )  # fmt: skip


@final
class EventStream(Value):
    """A body of what is broadcast, for a client that is subscribed to `topics` and is first sent
    the last `history` messages, or what was published behind the position `after`, and which waits
    `retry_ms` milliseconds before it reconnects, if that is given. `slow` is what becomes of it if
    what it needs is not kept any more: "drop" or "skip".
    """

    __match_args__ = ("topics", "history", "after", "retry_ms", "slow")
    __slots__ = __match_args__

    def __init__(
        self,
        topics: tuple[Topic, ...],
        history: int,
        after: str | None = None,
        retry_ms: int | None = None,
        slow: str = "drop",
    ) -> None:
        self.topics: Final = topics
        self.history: Final = history
        self.after: Final = after
        self.retry_ms: Final = retry_ms
        self.slow: Final = slow


@final
class FileSpan(Value):
    """Bytes of a file: `length` of them, from `offset` on."""

    __match_args__ = ("offset", "length")
    __slots__ = __match_args__

    def __init__(self, offset: int, length: int) -> None:
        self.offset: Final = offset
        self.length: Final = length


FilePart: TypeAlias = "builtins.bytes | FileSpan"


@final
class FileBody(Value):
    """A body that is a file: the bytes of its `parts` in order, some of them framing between those
    of the file. The shell has the file; the core only says how much of it is sent when.

    Without `parts` nobody has chosen any yet: `file` is a path, or an open file, and what is sent
    of it depends on the request.
    """

    __match_args__ = ("file", "parts")
    __slots__ = __match_args__

    def __init__(self, file: Any, parts: tuple[FilePart, ...] | None = None) -> None:
        self.file: Final = file
        self.parts: Final = parts

    def __reduce__(self) -> tuple[Any, ...]:
        if hasattr(self.file, "fileno"):
            raise TypeError(
                "a file that is being sent cannot be pickled nor copied: it is open in this"
                " process; a path is a value"
            )
        return FileBody, (self.file, self.parts)


def file_body_len(body: FileBody) -> int:
    """The bytes of all parts of a file."""
    parts = body.parts or ()
    return sum([part.length if isinstance(part, FileSpan) else len(part) for part in parts])


@final
class Poll(Value):
    """A body of what is broadcast on `topics` behind the position `after`, as lines of JSON: as
    soon as there is something, or after `timeout` seconds. One that is new begins with the last
    `history` messages.
    """

    __match_args__ = ("topics", "after", "timeout", "history")
    __slots__ = __match_args__

    def __init__(
        self, topics: tuple[Topic, ...], after: str | None, timeout: float, history: int = 0
    ) -> None:
        self.topics: Final = topics
        self.after: Final = after
        self.timeout: Final = timeout
        self.history: Final = history


Body: TypeAlias = "builtins.bytes | StreamedBody | FileBody | Upgrade | EventStream | Poll"
"""The closed sum of bodies: `encode.encode_response` matches on each of them."""
