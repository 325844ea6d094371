"""What is typed, or comes through a pipe, for a WebSocket: lines, of which some are commands.

Theory: a line is a message. What is no message, such as a ping, begins with a slash; a message that
does begins with two. Of a pipe every line is a message, since nobody is there to be asked.

Rules: a command that makes no sense is a `CommandProblem` with a sentence; nothing is sent then.
It does not know the WebSocket.
"""

from typing import NamedTuple, TypeAlias

HELP = """\
/ping [TEXT]           send a ping, and say how long the pong took
/close [CODE [REASON]] close the WebSocket, with 1000 if no code is given
/binary HEX            send a binary message, such as /binary 00 ff 2a
/help                  this
//TEXT                 send a text that begins with a slash
"""


class SendLine(NamedTuple):
    """Send a message."""

    message: str | bytes


class SendPing(NamedTuple):
    """Send a ping."""

    payload: bytes


class CloseNow(NamedTuple):
    """Close the WebSocket."""

    code: int
    reason: str


class ShowHelp(NamedTuple):
    """Print the commands."""

    text: str = HELP


class CommandProblem(NamedTuple):
    """What was typed makes no sense."""

    sentence: str


Input: TypeAlias = SendLine | SendPing | CloseNow | ShowHelp | CommandProblem

PING_MAX, REASON_MAX = 125, 123


def parse_line(line: str, has_commands: bool) -> Input:
    """What a line asks for.

    `parse_line("/close 1001 bye", True) == CloseNow(1001, "bye")`
    """
    if not has_commands or not line.startswith("/"):
        return SendLine(line)
    if line.startswith("//"):
        return SendLine(line[1:])
    name, _, rest = line[1:].partition(" ")
    if name == "ping":
        payload = rest.encode("utf-8", "surrogateescape")
        if len(payload) > PING_MAX:
            return CommandProblem(f"a ping has at most {PING_MAX} bytes")
        return SendPing(payload)
    if name == "close":
        return _parse_close(rest.strip())
    if name == "binary":
        try:
            return SendLine(bytes.fromhex(rest))
        except ValueError:
            return CommandProblem("/binary takes pairs of hexadecimal digits, such as 00 ff 2a")
    if name == "help":
        return ShowHelp()
    return CommandProblem(f"there is no /{name}: /help lists the commands, // sends a slash")


def _parse_close(text: str) -> Input:
    """The close that is asked for."""
    number, _, reason = text.partition(" ")
    if not number:
        return CloseNow(1000, "")
    is_code = number.isascii() and number.isdecimal() and len(number) == 4
    if not is_code or not (number == "1000" or "3000" <= number <= "4999" or number in SENDABLE):
        return CommandProblem(f"{number} is no code that may be sent: 1000, or 3000 to 4999")
    if len(reason.encode("utf-8", "surrogateescape")) > REASON_MAX:
        return CommandProblem(f"a reason has at most {REASON_MAX} bytes")
    return CloseNow(int(number), reason)


SENDABLE = frozenset(
    ("1001", "1002", "1003", "1007", "1008", "1009", "1010", "1011", "1012", "1013", "1014")
)
"""The other codes that a close frame may have (RFC 6455 section 7.4.1, and IANA's registry)."""

MEANINGS = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no code",
    1006: "the connection was lost",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1010: "missing extension",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
    1015: "TLS handshake failed",
}
"""What codes mean, as IANA has registered them."""


def meaning_of(code: int) -> str:
    """What a close code means, in words."""
    if 3000 <= code <= 3999:
        return "a code of a library"
    if 4000 <= code <= 4999:
        return "a code of the program"
    return MEANINGS.get(code, "unassigned")


class LineSplitter:
    """Bytes that were read, as whole lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that are whole with these bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [_text_of(line) for line in lines]

    def finish(self) -> list[str]:
        """The last line, if it has no end."""
        rest, self._rest = self._rest, b""
        return [_text_of(rest)] if rest else []


def _text_of(line: bytes) -> str:
    """A line as text; bytes that are no UTF-8 are replaced."""
    return line.removesuffix(b"\r").decode("utf-8", "replace")
