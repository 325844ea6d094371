"""The header of the PROXY protocol, versions 1 and 2: for whom a proxy has made a connection.

Theory: a proxy that passes bytes on cannot add a field to requests that it does not read. So it
writes one header before the first byte, with the addresses of the connection that it stands for
(haproxy, doc/proxy-protocol.txt). Version 1 is a line of text, version 2 binary.

Rules: it is read only where it must be there, since a client could write one too: what does not
begin with one is malformed. A proxy that connects for itself (`LOCAL`), or that says nothing of
addresses (`UNKNOWN`, `UNSPEC`), is the peer itself. What follows the addresses in version 2 is
skipped, and may be as long as the caller allows. It does not know connections.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from struct import unpack_from
from typing import Final, NamedTuple

from .close_reasons import CloseReason
from .conn import Peer
from .parse_result import Malformed, NeedMore, malformed

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
"""How a header of version 2 begins."""
FIXED_LEN: Final = 16
"""Bytes of a header of version 2 before its addresses."""
TEXT_BEGIN: Final = b"PROXY "
TEXT_MAX: Final = 107
"""Bytes that a header of version 1 has at most, line end included."""

_LINE: Final = re.compile(
    rb"PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (\d{1,5}) (\d{1,5})\r\n"
)
_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _TCP4, _TCP6, _UNIX_STREAM = 0x00, 0x11, 0x21, 0x31
_ADDRESSES_LEN: Final = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX_STREAM: 216}
"""Bytes of the addresses of each family."""
_UNIX_PATH_LEN: Final = 108


class ProxyHeader(NamedTuple):
    """For whom the connection was made, None if for the proxy itself, and its own length."""

    peer: Peer | None
    length: int


def parse_proxy_header(data: bytes, max_len: int) -> ProxyHeader | Malformed | NeedMore:
    """The header at the beginning of `data`, of at most `max_len` bytes, whatever follows it.

    `parse_proxy_header(b"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\\r\\n", 1_000)` has the peer
    `192.0.2.1:5`.
    """
    if _begins_as(data, SIGNATURE):
        return _parse_binary(data, max_len) if len(data) >= FIXED_LEN else NeedMore(len(data))
    if not _begins_as(data, TEXT_BEGIN):
        return _refused("it begins with something else")
    end = data.find(b"\r\n", 0, TEXT_MAX)
    if end >= 0:
        return _parse_text(data[: end + 2])
    return _refused("its line does not end") if len(data) >= TEXT_MAX else NeedMore(len(data))


def _begins_as(data: bytes, begin: bytes) -> bool:
    """True if the data begin so, as far as they go."""
    return data[: len(begin)] == begin[: len(data)]


def _refused(why: str) -> Malformed:
    """What is wrong with a header."""
    return malformed(f"no header of the PROXY protocol: {why}", CloseReason.BAD_PROXY_HEADER)


# -- version 1 -------------------------------------------------------------------------------------


def _parse_text(line: bytes) -> ProxyHeader | Malformed:
    """The header in one line."""
    if _UNKNOWN.fullmatch(line) is not None:
        return ProxyHeader(None, len(line))
    match = _LINE.fullmatch(line)
    if match is None:
        return _refused("its line is malformed")
    kind = IPv4Address if match[1] == b"4" else IPv6Address
    try:
        source = kind(match[2].decode("latin-1"))
        kind(match[3].decode("latin-1"))
    except AddressValueError:
        return _refused("its addresses are malformed")
    port, other_port = int(match[4]), int(match[5])
    if max(port, other_port) > 0xFFFF:
        return _refused("its ports are none")
    return ProxyHeader(Peer(str(source), port), len(line))


# -- version 2 -------------------------------------------------------------------------------------


def _parse_binary(data: bytes, max_len: int) -> ProxyHeader | Malformed | NeedMore:
    """The header in binary."""
    command, family, length = unpack_from("!BBH", data, len(SIGNATURE))
    whole = FIXED_LEN + length
    if command not in (_LOCAL, _PROXY):
        return _refused(f"its version and command are 0x{command:02x}")
    if whole > max_len:
        return _refused(f"it is longer than {max_len} bytes")
    if command == _LOCAL:
        return ProxyHeader(None, whole) if len(data) >= whole else NeedMore(len(data))
    if family not in _ADDRESSES_LEN:
        return _refused(f"its family of addresses is 0x{family:02x}")
    if length < _ADDRESSES_LEN[family]:
        return _refused("its addresses are too short")
    if len(data) < whole:
        return NeedMore(len(data))
    return ProxyHeader(_source_of(data, family), whole)


def _source_of(data: bytes, family: int) -> Peer | None:
    """The source address of a family; None for none."""
    if family == _UNSPECIFIED:
        return None
    if family == _TCP4:
        source, _, port = unpack_from("!4s4sH", data, FIXED_LEN)
        return Peer(str(IPv4Address(source)), port)
    if family == _TCP6:
        source, _, port = unpack_from("!16s16sH", data, FIXED_LEN)
        return Peer(str(IPv6Address(source)), port)
    path = data[FIXED_LEN : FIXED_LEN + _UNIX_PATH_LEN]
    is_abstract = path[:1] == b"\x00" and path.strip(b"\x00") != b""
    name = path.strip(b"\x00").decode("utf-8", "replace")
    return Peer(f"@{name}" if is_abstract else name, 0)
