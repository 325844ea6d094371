"""Ropes: bytes that are gathered from many small reads, without copying all of them each time.

Theory: to append each piece to one growing `bytes` copies everything for every piece, and to hold
every piece by itself costs an object for every byte that a slow client sends. A rope joins a new
piece only with those before it that are small and not much larger; all of it is joined once, at the
end.

Rules: each piece has at least `WHOLE_LEN` bytes, or is at least twice as long as the one behind it.
So a rope of n bytes has at most n / WHOLE_LEN + log2(WHOLE_LEN) + 1 pieces, and before the end no
byte is copied more often than log2(WHOLE_LEN) + 1 times, those of a large piece hardly ever. Ropes
are values: nothing is changed in place. It does not know what the bytes are: bodies, messages and
stages are held in ropes.
"""

from typing import Final, TypeAlias

WHOLE_LEN: Final = 16_384
"""A piece of so many bytes is kept as it is: to copy it costs more than to hold one object more."""

Rope: TypeAlias = tuple[bytes, ...]
"""The pieces in order; the empty tuple is the empty rope."""


def rope_append(rope: Rope, piece: bytes) -> Rope:
    """The rope with one more piece, which is not empty, at its end."""
    while rope and len(rope[-1]) < min(2 * len(piece), WHOLE_LEN):
        piece = rope[-1] + piece
        rope = rope[:-1]
    return (*rope, piece)


def rope_len(rope: Rope) -> int:
    """The bytes of a rope."""
    return sum([len(piece) for piece in rope])


def rope_join(rope: Rope) -> bytes:
    """The bytes of a rope; those of a rope with one piece are that piece, not a copy."""
    return rope[0] if len(rope) == 1 else b"".join(rope)
