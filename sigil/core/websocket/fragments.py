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


AnyMessage: TypeAlias = Message | CompressedMessage
"""A message as it waits for the program."""


@final
class FragmentedMessage(Value):
    """A message whose last frame has not come (RFC 6455 section 5.4).

    `rope` has its payload so far, `announced_len` the bytes that the headers of its frames so far
    announced, `partial_char` the bytes at the end of a text that only begin a character, at most 3,
    `continuations` is the number of its frames but the first.
    """

    __match_args__ = (
        "opcode", "is_compressed", "rope", "announced_len", "partial_char", "continuations",
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
    ) -> None:
        self.opcode: Final = opcode
        self.is_compressed: Final = is_compressed
        self.rope: Final = rope
        self.announced_len: Final = announced_len
        self.partial_char: Final = partial_char
        self.continuations: Final = continuations


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
        opcode, is_compressed, rope, announced_len, partial_char, continuations
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
        return _BAD_TEXT


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
        return _BAD_TEXT
    # Python's decoder waits for the third byte of a surrogate before it refuses, for the sake of
    # error handlers that accept surrogates.
    if rest[:1] == b"\xed" and rest[1:] >= b"\xa0":
        return _BAD_TEXT
    return rest


_TOO_MANY_FRAGMENTS: Final = malformed(
    "a message has too many small fragments", CloseReason.WS_OVERHEAD
)
_BAD_TEXT: Final = malformed("a text message is not UTF-8", CloseReason.WS_BAD_UTF8)


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
        return _BAD_TEXT
