"""The stage: a message or a body that is being put together, piece by piece, before anybody is to
be sent it.

Theory: whoever builds a large message from many small pieces wants to append and nothing else, and
to look once, at the end, whether all of it went in. So a stage is a value with what was appended,
and a flag that says that something was not. It has the length of the ring that published messages
go to (`Limits.outgoing_buffer_sz`), and is no part of it: what is staged is bytes of its own until
it is sent. So nothing in the ring is moved to make room for it, and nothing there is overwritten by
it.

Rules: appending never fails. What does not fit is not staged at all, and neither is anything after
it: the stage has failed, and stays so until it is taken or emptied. What is exactly as long as the
stage fits. Taking always leaves an empty stage. It does not know what is staged, nor where it goes.
"""

from typing import NamedTuple

from .http.response import BytesLike
from .rope import Rope, rope_append, rope_join


class Stage(NamedTuple):
    """What is staged: `body_length` bytes, of `max_bytes` at most, in pieces that get shorter; and
    whether something was not.
    """

    size: int
    rope: Rope
    length: int
    has_failed: bool


def make_stage(size: int) -> Stage:
    """An empty stage for up to `max_bytes` bytes."""
    return Stage(size, (), 0, False)


def append_format(stage: Stage, fmt: str, args: tuple[object, ...]) -> Stage:
    """The stage with `fmt % args` at its end, in UTF-8; nothing is formatted for one that has
    failed.

    TypeError or ValueError if the format does not suit its arguments: then nothing is appended.
    """
    return stage if stage.has_failed else append_bytes(stage, (fmt % args).encode())


def append_bytes(stage: Stage, data: BytesLike) -> Stage:
    """The stage with these bytes at its end; what can change is copied. TypeError for what is not
    bytes.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"what is staged is bytes, not {type(data).__name__}")
    size, rope, length, has_failed = stage
    count = memoryview(data).nbytes
    if has_failed:
        return stage
    if length + count > size:
        return Stage(size, rope, length, True)
    return Stage(size, rope_append(rope, bytes(data)), length + count, False) if count else stage


def truncate(stage: Stage, length: int) -> Stage:
    """The stage with its first `body_length` bytes only; one that has failed stays so. ValueError
    if it has not so many.
    """
    if not 0 <= length <= stage.length:
        raise ValueError(f"{length} bytes cannot be kept of the {stage.length} that are staged")
    kept, left = stage.rope[:0], length
    for piece in stage.rope:
        kept += (piece[:left],) if left else ()
        left -= min(left, len(piece))
    return Stage(stage.size, kept, length, stage.has_failed)


def unstage(stage: Stage) -> Stage:
    """The stage with nothing on it, failures included."""
    return make_stage(stage.size)


def take(stage: Stage) -> tuple[Stage, bytes | None]:
    """An empty stage, and what was staged; None if something that should have been is not."""
    return make_stage(stage.size), None if stage.has_failed else rope_join(stage.rope)
