"""The body of a streamed response, chunk by chunk (RFC 9112 sections 6.3 and 7.1).

Theory: a body whose length nobody knows when the head is sent needs another mark for its end. There
are three, and which of them it is was decided with the head (`encode`); here it is kept while the
body is sent.

Rules: a declared length is met exactly, or the stream has failed: what would break the framing is
returned as a sentence, never sent. An empty chunk would end a chunked body, so none is passed in.
It does not know where the chunks come from.
"""

from enum import IntEnum
from typing import Final, assert_never, final

from ..value import Value

COPY_MAX: Final = 16_384
"""Bodies of up to so many bytes are copied behind their head, which is cheaper than to send a
second segment.
"""

LAST_CHUNK: Final = b"0\r\n\r\n"


class Framing(IntEnum):
    """How the end of a streamed body is marked."""

    CHUNKED = 0
    CONTENT_LENGTH = 1
    UNTIL_CLOSE = 2


@final
class StreamState(Value):
    """A streamed body under way.

    `remaining` counts down the declared length in bytes, if there is one. `closes` is true if the
    connection ends with the body, `is_pulled` if a chunk was asked for and has not come, so that it
    is never asked for twice, `is_sse` if the body is an event stream, `is_file` if it is a file.
    """

    __match_args__ = ("framing", "remaining", "closes", "is_pulled", "is_sse", "is_file")
    __slots__ = __match_args__

    def __init__(
        self,
        framing: Framing,
        remaining: int,
        closes: bool,
        is_pulled: bool,
        is_sse: bool,
        is_file: bool = False,
    ) -> None:
        self.framing: Final = framing
        self.remaining: Final = remaining
        self.closes: Final = closes
        self.is_pulled: Final = is_pulled
        self.is_sse: Final = is_sse
        self.is_file: Final = is_file


def after_chunk(stream: StreamState, length: int, is_pulled: bool) -> StreamState:
    """The body after a chunk of `length` bytes; `is_pulled` if the next one is asked for."""
    remaining = stream.remaining - length
    return StreamState(
        stream.framing, remaining, stream.closes, is_pulled, stream.is_sse, stream.is_file
    )


def encode_chunk(stream: StreamState, data: bytes) -> tuple[bytes, ...] | str:
    """The segments for one chunk of a streamed body, which is not empty; or a sentence that says
    why it cannot be part of the body.
    """
    match stream.framing:
        case Framing.CHUNKED:
            size_line = b"%x\r\n" % len(data)
            if len(data) <= COPY_MAX:
                return (b"".join((size_line, data, b"\r\n")),)
            return (size_line, data, b"\r\n")
        case Framing.CONTENT_LENGTH:
            if len(data) > stream.remaining:
                return "the stream yields more bytes than the Content-Length it was given"
            return (data,)
        case Framing.UNTIL_CLOSE:
            return (data,)
        case _:
            assert_never(stream.framing)


def encode_last_chunk(stream: StreamState) -> tuple[bytes, ...] | str:
    """The segments that end a streamed body (RFC 9112 section 7.1); or a sentence that says why it
    must not end here.
    """
    match stream.framing:
        case Framing.CHUNKED:
            return (LAST_CHUNK,)
        case Framing.CONTENT_LENGTH:
            if stream.remaining:
                return (
                    f"the stream ended {stream.remaining} bytes short of the Content-Length "
                    "it was given"
                )
            return ()
        case Framing.UNTIL_CLOSE:
            return ()
        case _:
            assert_never(stream.framing)
