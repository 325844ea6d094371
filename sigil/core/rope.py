"""The parts of it."""

from typing import TypeAlias

Rope: TypeAlias = tuple[bytes, ...]


def rope_append(rope: Rope, piece: bytes) -> Rope:
    """The rope with one more piece at its end, joined with those before it that are not at least
    twice its size.
    """
    while rope and len(rope[-1]) < 2 * len(piece):
        piece = rope[-1] + piece
        rope = rope[:-1]
    return (*rope, piece)


def rope_join(rope: Rope) -> bytes:
    """The bytes of a rope; a rope of one piece is that piece, not a copy."""
    return rope[0] if len(rope) == 1 else b"".join(rope)
