"""A stage: a message or a body that is put together piece by piece before it is sent.

Theory: whoever builds a large message from many small pieces wants to append and nothing else, and
to check once, at the end, whether all of it fitted. So a stage is a value with what was appended,
and a flag that is set when something was not. It may become as long as the ring of the broadcast
(`Limits.outgoing_buffer_sz`), and is no part of it: what is staged is bytes of its own until it is
sent, so nothing in the ring is moved or overwritten to make room for it.

Rules: appending never raises for lack of room. What does not fit is not staged at all, and neither
is anything after it: the stage has failed, and stays so until it is taken or emptied. What is
exactly as long as the stage fits. Taking always leaves an empty stage. It does not know what is
staged, nor who will be sent it.
"""

from typing import Final, final

from .http.response import BytesLike
from .rope import Rope, rope_append, rope_join
from .value import Value


@final
class Stage(Value):
    """What is staged: `length` bytes, of `max_bytes` at most, as a rope. `has_failed` is true if
    something did not fit.
    """

    __match_args__ = ("max_bytes", "rope", "length", "has_failed")
    __slots__ = __match_args__

    def __init__(self, max_bytes: int, rope: Rope, length: int, has_failed: bool) -> None:
        self.max_bytes: Final = max_bytes
        self.rope: Final = rope
        self.length: Final = length
        self.has_failed: Final = has_failed


def make_stage(max_bytes: int) -> Stage:
    """An empty stage for up to `max_bytes` bytes."""
    return Stage(max_bytes, (), 0, False)


def append_format(stage: Stage, fmt: str, args: tuple[object, ...]) -> Stage:
    """The stage with `fmt % args` in UTF-8 at its end; one that has failed as it is, without
    formatting anything.

    TypeError or ValueError if the format does not suit its arguments: then nothing is appended.
    """
    if not isinstance(fmt, str):
        raise TypeError(f"a format is a str, not {type(fmt).__name__}")
    return stage if stage.has_failed else append_bytes(stage, (fmt % args).encode())


def append_bytes(stage: Stage, data: BytesLike) -> Stage:
    """The stage with these bytes at its end, copied if they can change; TypeError for what is not
    bytes.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"what is staged is bytes, not {type(data).__name__}")
    count = memoryview(data).nbytes
    length = stage.length + count
    if stage.has_failed or count == 0:
        return stage
    if length > stage.max_bytes:
        return Stage(stage.max_bytes, stage.rope, stage.length, True)
    return Stage(stage.max_bytes, rope_append(stage.rope, bytes(data)), length, False)


def truncate(stage: Stage, length: int) -> Stage:
    """The stage with its first `length` bytes only; one that has failed stays so. ValueError if it
    has fewer, or for a negative length.
    """
    if not isinstance(length, int):
        raise TypeError(f"a length is a whole number, not {type(length).__name__}")
    if not 0 <= length <= stage.length:
        raise ValueError(f"{length} bytes cannot be kept of the {stage.length} that are staged")
    rope: Rope = ()
    missing = length
    for piece in stage.rope:
        if missing == 0:
            break
        rope += (piece[:missing],)
        missing -= min(missing, len(piece))
    return Stage(stage.max_bytes, rope, length, stage.has_failed)


def unstage(stage: Stage) -> Stage:
    """The stage emptied: without bytes, and not failed."""
    return make_stage(stage.max_bytes)


def take(stage: Stage) -> tuple[Stage, bytes | None]:
    """The stage emptied, and what was staged; None in place of that if the stage had failed."""
    return make_stage(stage.max_bytes), None if stage.has_failed else rope_join(stage.rope)
