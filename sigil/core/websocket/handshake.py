"""The opening handshake: upgrade requests read, the 101 written (RFC 6455 section 4).

Theory: an upgrade is an ordinary GET whose fields prove that the client means it. `check_upgrade`
takes the head of a request and returns what the client offers, or why it is refused;
`encode_upgrade` writes the 101 from the offer and from what was chosen of it.

Rules: everything is a function of the head; nothing is accepted that was not offered. A refusal is
a `Malformed` whose status is that of the response, and `REFUSAL_FIELDS` are the fields which that
response needs besides. The Origin is checked here too (section 10.2; see `origin`).

It does not know frames, and it chooses nothing: `broadcast.negotiation` and the handler do.
"""

import re
from base64 import b64encode
from typing import Final, final

from ..close_reasons import CloseReason
from ..http.field_lines import check_headers
from ..http.framing import check_host_field
from ..http.head import Head
from ..http.headers import Headers, Pairs
from ..http.response import Response
from ..http.tokens import TOKEN, TOKEN_CHAR, parse_list, split_list
from ..parse_result import Malformed, malformed
from ..value import Value
from .origin import is_origin_allowed


@final
class Extension(Value):
    """An extension that was offered or accepted: its name, and its parameters, each with a value or
    None (RFC 6455 section 9.1).
    """

    __match_args__ = ("name", "params")
    __slots__ = __match_args__

    def __init__(self, name: str, params: tuple[tuple[str, str | None], ...]) -> None:
        self.name: Final = name
        self.params: Final = params


@final
class Offer(Value):
    """What a valid upgrade request offers, in the client's order of preference, and its key."""

    __match_args__ = ("key", "subprotocols", "extensions")
    __slots__ = __match_args__

    def __init__(
        self, key: str, subprotocols: tuple[str, ...], extensions: tuple[Extension, ...]
    ) -> None:
        self.key: Final = key
        self.subprotocols: Final = subprotocols
        self.extensions: Final = extensions


GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What is hashed together with a key (RFC 6455 section 1.3)."""

VERSION: Final = "13"
"""The one Sec-WebSocket-Version there is (RFC 6455 section 4.1 item 9)."""

_UPGRADE_FIELDS: Final[Pairs] = (
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", VERSION),
)
REFUSAL_FIELDS: Final[dict[CloseReason, Pairs]] = {
    CloseReason.EXPECTED_EOF: (("Connection", "close"),),
    CloseReason.WS_MISSING_UPGRADE: _UPGRADE_FIELDS,
    CloseReason.WS_MISSING_VERSION_HEADER: _UPGRADE_FIELDS,
    CloseReason.WS_UNEXPECTED_VERSION: _UPGRADE_FIELDS,
}
"""Fields of the response to a refused upgrade, by reason: a 426 names what to upgrade to (RFC 9110
section 15.5.22).
"""

HANDSHAKE_FIELDS: Final = frozenset(
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
"""Fields of a 101, in lower case, that the handshake sends itself or that a 101 may not have."""

_PARAM: Final = re.compile(
    rf'({TOKEN_CHAR}+)(?:[ \t]*=[ \t]*(?:({TOKEN_CHAR}+)|"((?:\\?{TOKEN_CHAR})+)"))?'
)
"""`name`, `name=value` or `name="value"`; a quoted value is a token too once unquoted (RFC 6455
section 9.1).
"""

_KEY: Final = re.compile(r"[A-Za-z0-9+/]{22}==")
"""16 bytes in base64. The bits left over need not be zero: they are not in the example of RFC 6455
section 4.1.
"""


# -- the request -----------------------------------------------------------------------------------


def is_upgrade(head: Head) -> bool:
    """True if the request asks for a WebSocket at all, valid or not; HTTP/1.0 cannot (RFC 9110
    section 7.8).
    """
    value = head.headers.combined.get("upgrade")
    return value is not None and head.version == 1 and "websocket" in parse_list(value)


def check_upgrade(
    head: Head, origins: tuple[str, ...] | None = None, is_tls: bool = False
) -> Offer | Malformed:
    """The offer of a valid upgrade request (RFC 6455 section 4.2.1), or the error: 400, 403 or 426.

    `origins` are those whose pages may connect, spelled as browsers spell them, `"*"` for all; None
    allows the same origin only, and that is one of https if `is_tls`.
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
    if not is_origin_allowed(head.headers, origins, is_tls):
        return malformed(
            "pages of this Origin are not served here; Limits.origins is where this is decided",
            CloseReason.ORIGIN_REFUSED,
        )
    return Offer(key, subprotocols, extensions)


def _check_request(head: Head) -> Malformed | None:
    """What is wrong with the head of an upgrade request, its key apart; None if nothing is."""
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
    """The Sec-WebSocket-Key, or what is wrong with it; two of them, combined, are no valid key."""
    key = headers.get("sec-websocket-key")
    if key is None:
        return malformed(
            "an upgrade to websocket without Sec-WebSocket-Key", CloseReason.WS_MISSING_KEY_HEADER
        )
    if _KEY.fullmatch(key) is None:
        return malformed("Sec-WebSocket-Key is not 16 bytes in base64", CloseReason.WS_BAD_KEY)
    return key


# -- the offers ------------------------------------------------------------------------------------


def parse_subprotocols(value: str) -> tuple[str, ...] | Malformed:
    """The subprotocols of a Sec-WebSocket-Protocol value, in order (RFC 6455 section 4.1 item 10).

    `parse_subprotocols("chat, superchat") == ("chat", "superchat")`. 400 if one of them is no
    token, or is there twice.
    """
    names = split_list(value)
    if not all(map(TOKEN.fullmatch, names)):
        return malformed("Sec-WebSocket-Protocol is not a list of names")
    if len(set(names)) != len(names):
        return malformed("Sec-WebSocket-Protocol offers a name twice")
    return tuple(names)


def parse_extensions(value: str) -> tuple[Extension, ...] | Malformed:
    """The extensions of a Sec-WebSocket-Extensions value, in order (RFC 6455 section 9.1).

    `parse_extensions("a; b=1") == (Extension("a", (("b", "1"),)),)`. 400 if one is malformed.
    """
    extensions: list[Extension] = []
    for member in split_list(value):
        extension = _parse_extension(member)
        if extension is None:
            return malformed("Sec-WebSocket-Extensions is not a list of extensions")
        extensions.append(extension)
    return tuple(extensions)


def _parse_extension(text: str) -> Extension | None:
    """The extension that `name; param; param=value` is; None if the text is none."""
    name, *rest = [part.strip(" \t") for part in text.split(";")]
    if TOKEN.fullmatch(name) is None:
        return None
    params: list[tuple[str, str | None]] = []
    for param in rest:
        match = _PARAM.fullmatch(param)
        if match is None:
            return None
        params.append((match[1], _value_of(match)))
    return Extension(name, tuple(params))


def _value_of(match: re.Match[str]) -> str | None:
    """The value of a parameter, unquoted; None if it has none."""
    quoted: str | None = match[3]
    return match[2] if quoted is None else quoted.replace("\\", "")


# -- the response ----------------------------------------------------------------------------------


def accept_key(key: str) -> str:
    """The Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2 item 5.4).

    `accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="`
    """
    # here, since it brings a library of 4 MB, which a server without WebSockets does not need
    from hashlib import sha1

    digest = sha1((key + GUID).encode(), usedforsecurity=False).digest()
    return b64encode(digest).decode()


def encode_upgrade(
    offer: Offer, subprotocol: str | None, extension: Extension | None, headers: Pairs, date: bytes
) -> bytes | str:
    """The 101 that opens the WebSocket, or a sentence that says why it cannot be sent.

    `subprotocol` and `extension` are what was chosen of the offer, or None; `headers` are the
    program's own pairs; `date` is the Date field with the empty line that ends a head.
    """
    problem = _problem_with(offer, subprotocol, extension) or _problem_with_headers(headers)
    if problem is not None:
        return problem
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(offer.key)),
    ]
    if subprotocol is not None:
        fields.append(("Sec-WebSocket-Protocol", subprotocol))
    if extension is not None:
        fields.append(("Sec-WebSocket-Extensions", format_extension(extension)))
    fields += headers
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields]).encode("latin-1")
    has_own_date = any(name.lower() == "date" for name, _ in headers)
    end = b"\r\n" if has_own_date else date
    return b"HTTP/1.1 101 Switching Protocols\r\n" + lines + end


def _problem_with(offer: Offer, subprotocol: str | None, extension: Extension | None) -> str | None:
    """Why what was chosen cannot be sent, as a sentence: it was not offered. None if it was."""
    if subprotocol is not None and subprotocol not in offer.subprotocols:
        return f"the subprotocol {subprotocol!r} was not offered: {offer.subprotocols!r} were"
    offered_names = [offered.name for offered in offer.extensions]
    if extension is not None and extension.name not in offered_names:
        return f"the extension {extension.name!r} was not offered"
    return None


def _problem_with_headers(headers: Pairs) -> str | None:
    """Why the program's pairs cannot be sent in a 101, as a sentence; None if they can."""
    problem = check_headers(headers)
    if problem is not None:
        return problem
    for name, _ in headers:
        if name.lower() in HANDSHAKE_FIELDS:
            return f"the header {name!r} is the handshake's to send"
    return None


def format_extension(extension: Extension) -> str:
    """An extension as a field value, whose names and values are tokens.

    `format_extension(Extension("a", (("b", "1"), ("c", None)))) == "a; b=1; c"`
    """
    params = [name if value is None else f"{name}={value}" for name, value in extension.params]
    return "; ".join((extension.name, *params))


def reject_upgrade(error: Malformed) -> Response:
    """The response to an upgrade that is refused: the status and sentence of the error, and the
    fields that its reason demands.
    """
    fields = REFUSAL_FIELDS.get(error.reason, ())
    return Response.error(error.status, error.message, headers=fields)
