"""A message in pieces: its frames come one after the other, and each in any number of reads (RFC
6455 sections 5.4 and 8.1).

Theory: what has come of a message is a value, and one more piece makes the next value, or the
message itself. Text is checked as it comes, so it is refused at the first byte that cannot become
UTF-8; a compressed message is not looked into, and comes out compressed.

Rules: pieces are unmasked. They are a rope, joined once. A peer may cut a message into as many
frames as it likes, but not into too many small ones. It does not know frames: `messages` reads
them.
"""

from codecs import utf_8_decode
from typing import Final, TypeAlias, final

from ..close_reasons import CloseReason
from ..parse_result import Malformed, malformed
from ..rope import Rope, rope_append, rope_join
from ..value import Value
from .compression import inflate
from .frames import OPCODES, RSV1, FrameRules, Opcode

Message: TypeAlias = str | bytes
"""A message as user code sees it: text or binary."""


@final
class CompressedMessage(Value):
    """A text or binary message, still compressed (RFC 7692 section 6)."""

    __match_args__ = ("opcode", "payload")
    __slots__ = __match_args__

    def __init__(self, opcode: Opcode, payload: bytes) -> None:
        self.opcode: Final = opcode
        self.payload: Final = payload

    def __len__(self) -> int:
        """Bytes of it as it came."""
        return len(self.payload)


@final
class Fragment(Value):
    """A piece of a long message, of a program that takes these as they come.

    `data` is a str if the message is a text, cut between characters, or bytes. `remaining` is how
    many bytes are still to come of the frames that have begun, as they come: compressed, if they
    are. The last piece, and it alone, `is_final`; it may be empty.
    """

    __match_args__ = ("data", "is_first", "is_final", "remaining")
    __slots__ = __match_args__

    def __init__(self, data: str | bytes, is_first: bool, is_final: bool, remaining: int) -> None:
        self.data: Final = data
        self.is_first: Final = is_first
        self.is_final: Final = is_final
        self.remaining: Final = remaining

    def __len__(self) -> int:
        """Bytes of it, or characters."""
        return len(self.data)

    @property
    def is_binary(self) -> bool:
        """True for a piece of a binary message."""
        return isinstance(self.data, bytes)


@final
class CompressedFragment(Value):
    """A piece of a message that is still compressed, or the whole of it, to be inflated piece by
    piece.
    """

    __match_args__ = ("opcode", "payload", "is_first", "is_final", "remaining")
    __slots__ = __match_args__

    def __init__(
        self, opcode: Opcode, payload: bytes, is_first: bool, is_final: bool, remaining: int
    ) -> None:
        self.opcode: Final = opcode
        self.payload: Final = payload
        self.is_first: Final = is_first
        self.is_final: Final = is_final
        self.remaining: Final = remaining

    def __len__(self) -> int:
        """Bytes of it as it came."""
        return len(self.payload)


AnyMessage: TypeAlias = Message | CompressedMessage | Fragment | CompressedFragment
"""A message, or a piece of one, as it waits for the program."""


@final
class FragmentedMessage(Value):
    """A message whose last frame has not come (RFC 6455 section 5.4).

    `rope` has its payload so far, `announced_len` the bytes that the headers of its frames so far
    announced, `partial_char` the bytes at the end of a text that only begin a character, at most 3,
    `continuations` is the number of its frames but the first, and `taken` how many bytes have come
    out in pieces, and are not in the rope.
    """

    __match_args__ = (
        "opcode", "is_compressed", "rope", "announced_len", "partial_char", "continuations",
        "taken",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        opcode: Opcode,
        is_compressed: bool,
        rope: Rope,
        announced_len: int,
        partial_char: bytes,
        continuations: int = 0,
        taken: int = 0,
    ) -> None:
        self.opcode: Final = opcode
        self.is_compressed: Final = is_compressed
        self.rope: Final = rope
        self.announced_len: Final = announced_len
        self.partial_char: Final = partial_char
        self.continuations: Final = continuations
        self.taken: Final = taken


TEXT: Final = Opcode.TEXT
"""The member itself, for the paths of every message: finding it on its class takes ten times as
long.
"""

NEW_MESSAGES: Final = {
    first: FragmentedMessage(OPCODES[first & 0x0F], first >= RSV1, (), 0, b"", -1)
    for first in (Opcode.TEXT, Opcode.BINARY, RSV1 | Opcode.TEXT, RSV1 | Opcode.BINARY)
}
"""A message before its first frame, by the first byte of that, without FIN."""


def with_piece(
    message: FragmentedMessage,
    announced_len: int,
    frame_count: int,
    piece: bytes,
    is_last: bool,
    rules: FrameRules,
) -> FragmentedMessage | Message | CompressedMessage | Malformed:
    """The message with one more piece of its payload, and with as many bytes announced in as many
    frames more; the whole of it if that is the last piece; or what is wrong with it.
    """
    announced_len += message.announced_len
    continuations = message.continuations + frame_count
    if (continuations - rules.max_small_fragments) * rules.min_fragment_len > announced_len:
        return _TOO_MANY_FRAGMENTS
    opcode, is_compressed, rope = message.opcode, message.is_compressed, message.rope
    partial_char = message.partial_char
    if is_last:
        return _complete(opcode, is_compressed, (*rope, piece) if piece else rope)
    # text of nothing but ASCII is UTF-8 wherever it is cut
    if opcode is TEXT and not is_compressed and (partial_char or not piece.isascii()):
        checked = check_utf8(partial_char, piece, False)
        if isinstance(checked, Malformed):
            return checked
        partial_char = checked
    if piece:  # a peer may send empty frames without end: they leave no trace
        rope = rope_append(rope, piece)
    return FragmentedMessage(
        opcode, is_compressed, rope, announced_len, partial_char, continuations, message.taken
    )


def _complete(
    opcode: Opcode, is_compressed: bool, rope: Rope
) -> Message | CompressedMessage | Malformed:
    """The item that a complete message is; 1007 for a text that is not UTF-8."""
    payload = rope_join(rope)
    if is_compressed:
        return CompressedMessage(opcode, payload)
    if opcode is not TEXT:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return BAD_TEXT


# -- pieces of long messages -----------------------------------------------------------------------


def cut_piece(message: FragmentedMessage) -> tuple[FragmentedMessage, AnyMessage]:
    """The message without what has come of it, and that as a piece; of a text, the beginning of a
    character stays.
    """
    whole, kept = rope_join(message.rope), message.partial_char
    piece = whole[: len(whole) - len(kept)]
    after = FragmentedMessage(
        message.opcode, message.is_compressed, (kept,) if kept else (), message.announced_len,
        kept, message.continuations, message.taken + len(piece),
    )  # fmt: skip
    return after, _as_piece(message, piece, False, message.announced_len - after.taken)


def last_piece(message: FragmentedMessage) -> AnyMessage | Malformed:
    """The last piece of a message that has come to its end, or the whole of it if it is the first;
    1007 for a text that is not UTF-8.
    """
    if message.partial_char:
        return BAD_TEXT
    if message.taken or message.is_compressed:
        return _as_piece(message, rope_join(message.rope), True, 0)
    return _complete(message.opcode, False, message.rope)


def _as_piece(
    message: FragmentedMessage, piece: bytes, is_final: bool, remaining: int
) -> Fragment | CompressedFragment:
    """These bytes as the next piece of a message; those of a text are whole characters."""
    is_first = not message.taken
    if message.is_compressed:
        return CompressedFragment(message.opcode, piece, is_first, is_final, remaining)
    data = piece.decode() if message.opcode is TEXT else piece
    return Fragment(data, is_first, is_final, remaining)


# -- what is checked -------------------------------------------------------------------------------


def check_utf8(partial_char: bytes, piece: bytes, is_last: bool) -> bytes | Malformed:
    """The bytes at the end of a text that only begin a character, at most 3; 1007 if it is not
    UTF-8.

    The text is `partial_char`, left over from the piece before, and `piece`. It is refused as soon
    as no continuation could make it UTF-8, and after the last piece nothing may be left over.
    """
    text = partial_char + piece if partial_char else piece
    try:
        rest = text[utf_8_decode(text, "strict", is_last)[1] :]
    except UnicodeDecodeError:
        return BAD_TEXT
    # Python's decoder waits for the third byte of a surrogate before it refuses, for the sake of
    # error handlers that accept surrogates.
    if rest[:1] == b"\xed" and rest[1:] >= b"\xa0":
        return BAD_TEXT
    return rest


_TOO_MANY_FRAGMENTS: Final = malformed(
    "a message has too many small fragments", CloseReason.WS_OVERHEAD
)
BAD_TEXT: Final = malformed("a text message is not UTF-8", CloseReason.WS_BAD_UTF8)


def decompress(compressed: CompressedMessage, max_len: int) -> Message | Malformed:
    """The message that was compressed: 1007 if it is no deflate or no text, 1009 above `max_len`
    bytes.
    """
    payload = inflate(compressed.payload, max_len)
    if isinstance(payload, Malformed) or compressed.opcode is not Opcode.TEXT:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return BAD_TEXT
