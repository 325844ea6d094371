"""The opening handshake of a WebSocket: may this request become one, and how is it told (RFC 6455
section 4).

Theory: an upgrade is an ordinary GET whose fields prove that the client means it. `check_upgrade`
looks at a head and gives what was offered, or why not; `encode_upgrade` writes the 101 from the
offer and from what was chosen of it.

Rules: everything is a function of the head; nothing is answered that was not offered. A refusal is
a `Malformed` whose status is that of the answer, and `REFUSAL_FIELDS` are the fields the answer
needs besides. The Origin is judged here, since browsers let any page open a WebSocket to any server
(section 10.2).

It does not know frames: it reads the offers, and says which of them is accepted.
"""

import re
from base64 import b64encode
from hashlib import sha1
from typing import NamedTuple

from ..close_reasons import CloseReason
from ..http.framing import check_host_field
from ..http.head import Head
from ..http.headers import Headers, Pairs
from ..http.response import Response
from ..http.tokens import TOKEN, TOKEN_CHAR, parse_list, split_list
from ..http.validate import check_headers
from ..parse_result import Malformed, malformed
from .origin import is_origin_allowed


class Extension(NamedTuple):
    """An extension as it is offered or answered: its name, and its parameters, each with a value or
    None.
    """

    name: str
    params: tuple[tuple[str, str | None], ...]


class Offer(NamedTuple):
    """A valid wish to upgrade: the key, and what the client offers, in its order of preference."""

    key: str
    subprotocols: tuple[str, ...]
    extensions: tuple[Extension, ...]


GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What the answer to a key is made with (RFC 6455 section 1.3)."""

VERSION = "13"

_UPGRADE_FIELDS: Pairs = (
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", VERSION),
)
REFUSAL_FIELDS: dict[CloseReason, Pairs] = {
    CloseReason.EXPECTED_EOF: (("Connection", "close"),),
    CloseReason.WS_MISSING_UPGRADE: _UPGRADE_FIELDS,
    CloseReason.WS_MISSING_VERSION_HEADER: _UPGRADE_FIELDS,
    CloseReason.WS_UNEXPECTED_VERSION: _UPGRADE_FIELDS,
}
"""Fields of the answer to a refused upgrade, by reason: a 426 says what to upgrade to (RFC 9110
section 15.5.22).
"""

HANDSHAKE_FIELDS = frozenset(
    (
        "connection",
        "upgrade",
        "content-length",
        "sec-websocket-accept",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "sec-websocket-version",
        "sec-websocket-key",
    )
)
"""Fields of a 101 that are the handshake's own, or that a 101 may not have."""


_PARAM = re.compile(
    rf'({TOKEN_CHAR}+)(?:[ \t]*=[ \t]*(?:({TOKEN_CHAR}+)|"((?:\\?{TOKEN_CHAR})+)"))?'
)
"""`name`, `name=value` or `name="value"`; a quoted value is a token too once unquoted (RFC 6455
section 9.1).
"""

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
"""16 bytes in base64. The bits left over need not be zero: they are not in the example of RFC 6455
section 4.1.
"""


# -- is it one -------------------------------------------------------------------------------------


def is_upgrade(head: Head) -> bool:
    """True if the request asks for a WebSocket at all, however badly; HTTP/1.0 cannot (RFC 9110
    section 7.8).
    """
    value = head.headers.combined.get("upgrade")
    return value is not None and head.version == 1 and "websocket" in parse_list(value)


def check_upgrade(head: Head, origins: tuple[str, ...] | None = None) -> Offer | Malformed:
    """What a valid upgrade offers (RFC 6455 section 4.2.1), or why it is refused: 400, 403 or 426.

    `origins` are the origins whose pages may connect, spelled as browsers do, `"*"` for all; None
    is the same origin.
    """
    error = _check_request(head)
    if error is not None:
        return error
    key = _read_key(head.headers)
    if isinstance(key, Malformed):
        return key
    subprotocols = parse_subprotocols(head.headers.get("sec-websocket-protocol", ""))
    if isinstance(subprotocols, Malformed):
        return subprotocols
    extensions = parse_extensions(head.headers.get("sec-websocket-extensions", ""))
    if isinstance(extensions, Malformed):
        return extensions
    if not is_origin_allowed(head.headers, origins):
        return malformed(
            "pages of this Origin are not served here; Limits.origins is where this is decided",
            CloseReason.ORIGIN_REFUSED,
        )
    return Offer(key, subprotocols, extensions)


def _check_request(head: Head) -> Malformed | None:
    """What is wrong with the request as a wish to upgrade, the key apart."""
    headers = head.headers
    if not is_upgrade(head) or "upgrade" not in parse_list(headers.get("connection", "")):
        return malformed(
            "this is only to be had by an upgrade to websocket", CloseReason.WS_MISSING_UPGRADE
        )
    if head.method != "GET":
        return malformed("an upgrade to websocket is asked for with GET")
    if head.body_length:
        return malformed("an upgrade to websocket has no body")
    version = headers.get("sec-websocket-version")
    if version is None:
        return malformed(
            "an upgrade to websocket without Sec-WebSocket-Version",
            CloseReason.WS_MISSING_VERSION_HEADER,
        )
    if version != VERSION:
        return malformed(
            "the only Sec-WebSocket-Version spoken here is 13", CloseReason.WS_UNEXPECTED_VERSION
        )
    return check_host_field(headers, head.version)


def _read_key(headers: Headers) -> str | Malformed:
    """The key, or what is wrong with it; two keys, joined as fields are, make one that is none."""
    key = headers.get("sec-websocket-key")
    if key is None:
        return malformed(
            "an upgrade to websocket without Sec-WebSocket-Key", CloseReason.WS_MISSING_KEY_HEADER
        )
    if _KEY.fullmatch(key) is None:
        return malformed("Sec-WebSocket-Key is not 16 bytes in base64", CloseReason.WS_BAD_KEY)
    return key


# -- where it comes from ---------------------------------------------------------------------------


# -- what it offers --------------------------------------------------------------------------------


def parse_subprotocols(value: str) -> tuple[str, ...] | Malformed:
    """The subprotocols of a field value, in order (RFC 6455 section 4.1 item 10); 400 if one is
    twice or no token.
    """
    names = split_list(value)
    if not all(map(TOKEN.fullmatch, names)):
        return malformed("Sec-WebSocket-Protocol is not a list of names")
    if len(set(names)) != len(names):
        return malformed("Sec-WebSocket-Protocol offers a name twice")
    return tuple(names)


def parse_extensions(value: str) -> tuple[Extension, ...] | Malformed:
    """The extensions of a field value, in order, as they are spelled (RFC 6455 section 9.1); 400 if
    it is no list.
    """
    extensions = tuple(map(_parse_extension, split_list(value)))
    found = tuple(extension for extension in extensions if extension is not None)
    return (
        found
        if len(found) == len(extensions)
        else malformed("Sec-WebSocket-Extensions is not a list of extensions")
    )


def _parse_extension(text: str) -> Extension | None:
    """`name; param; param=value`, or None."""
    name, *rest = [part.strip(" \t") for part in text.split(";")]
    matches = [_PARAM.fullmatch(param) for param in rest]
    params = tuple([(match[1], _value_of(match)) for match in matches if match])
    return Extension(name, params) if TOKEN.fullmatch(name) and len(params) == len(rest) else None


def _value_of(match: re.Match[str]) -> str | None:
    """The value of a parameter, unquoted, or None if it has none."""
    return match[2] if match[3] is None else match[3].replace("\\", "")


# -- what is chosen of it --------------------------------------------------------------------------


# -- the answer ------------------------------------------------------------------------------------


def accept_key(key: str) -> str:
    """The Sec-WebSocket-Accept that answers a key (RFC 6455 section 4.2.2)."""
    return b64encode(sha1((key + GUID).encode(), usedforsecurity=False).digest()).decode()


def encode_upgrade(
    offer: Offer, subprotocol: str | None, extension: Extension | None, headers: Pairs, date: bytes
) -> bytes | str:
    """The 101 that begins the conversation, or a sentence that says why it cannot be sent.

    `headers` are the program's own pairs, `date` is the Date field with the empty line that ends a
    head.
    """
    if subprotocol is not None and subprotocol not in offer.subprotocols:
        return f"the subprotocol {subprotocol!r} was not offered: {offer.subprotocols!r} were"
    if extension is not None and extension.name not in [offer.name for offer in offer.extensions]:
        return f"the extension {extension.name!r} was not offered"
    problem = check_headers(headers)
    if problem is not None:
        return problem
    foreign = [name for name, _ in headers if name.lower() in HANDSHAKE_FIELDS]
    if foreign:
        return f"the header {foreign[0]!r} is the handshake's to send"
    chosen = [("Sec-WebSocket-Protocol", subprotocol)] if subprotocol is not None else []
    if extension is not None:
        chosen.append(("Sec-WebSocket-Extensions", format_extension(extension)))
    fields = (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(offer.key)),
        *chosen,
        *headers,
    )
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields]).encode("latin-1")
    end = b"\r\n" if any(name.lower() == "date" for name, _ in headers) else date
    return b"HTTP/1.1 101 Switching Protocols\r\n" + lines + end


def format_extension(extension: Extension) -> str:
    """An extension as a field value; its names and values are tokens."""
    params = (name if value is None else f"{name}={value}" for name, value in extension.params)
    return "; ".join((extension.name, *params))


def reject_upgrade(error: Malformed) -> Response:
    """The answer to an upgrade that is refused: its status, its sentence, and the fields that
    belong to its reason.
    """
    return Response.error(error.status, error.message, headers=REFUSAL_FIELDS.get(error.reason, ()))
