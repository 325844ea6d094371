"""The opening handshake of a client: the fields of the request, and the 101 verified (RFC 6455
section 4.1).

Theory: an upgrade is a GET whose fields ask for a WebSocket, and the answer proves that it was
understood: it repeats nothing but what was offered, and contains a hash of the key. So both are
functions of values: `upgrade_fields` makes the fields from what is offered, and
`check_upgrade_response` compares the answer with it.

Rules: what is not exactly right is a `RefusedUpgrade`, whose sentence says what was wrong; it is
false. Nothing is accepted that was not offered. permessage-deflate (RFC 7692) is offered so that no
window is kept from one message to the next, on either side. The key is made of entropy that is
passed in. It does not know how requests are sent, nor redirects: an answer that is no 101 is
refused.
"""

from base64 import b64encode
from typing import Final, final

from ..http.field_lines import check_headers
from ..http.headers import Headers, Pairs
from ..http.tokens import TOKEN, parse_list
from ..parse_result import Malformed
from ..value import Value
from ..websocket.handshake import (
    HANDSHAKE_FIELDS,
    VERSION,
    Extension,
    accept_key,
    format_extension,
    parse_extensions,
)

KEY_BYTES: Final = 16
"""Bytes of entropy in a key (RFC 6455 section 4.1 item 7)."""

DEFLATE: Final = "permessage-deflate"
OFFERED_DEFLATE: Final = Extension(
    DEFLATE,
    (
        ("server_no_context_takeover", None),
        ("client_no_context_takeover", None),
        ("client_max_window_bits", None),
    ),
)
"""The offer of compression: a message is a function of itself, and the server may ask for a smaller
window.
"""
WINDOW_BITS_MAX: Final = 15
_WINDOW_BITS: Final = tuple([str(bits) for bits in range(8, WINDOW_BITS_MAX + 1)])
_WITHOUT_VALUE: Final[tuple[str | None, ...]] = (None,)
_ANSWERED_PARAMS: Final[dict[str, tuple[str | None, ...]]] = {
    "server_no_context_takeover": _WITHOUT_VALUE,
    "client_no_context_takeover": _WITHOUT_VALUE,
    "server_max_window_bits": _WINDOW_BITS,
    "client_max_window_bits": _WINDOW_BITS,
}
"""The parameters that a server may answer, and the values that each may have (RFC 7692 section
7.1).
"""


@final
class UpgradeOffer(Value):
    """What a client offers in a handshake, in its order of preference, and its key."""

    __match_args__ = ("key", "subprotocols", "offers_deflate")
    __slots__ = __match_args__

    def __init__(self, key: str, subprotocols: tuple[str, ...], offers_deflate: bool) -> None:
        self.key: Final = key
        self.subprotocols: Final = subprotocols
        self.offers_deflate: Final = offers_deflate


@final
class AcceptedUpgrade(Value):
    """What was agreed on: the subprotocol, or None, and `window_bits`.

    `window_bits` is None if permessage-deflate was not accepted, and else the size of the window
    that messages to the server are compressed with, as a power of 2.
    """

    __match_args__ = ("subprotocol", "window_bits")
    __slots__ = __match_args__

    def __init__(self, subprotocol: str | None, window_bits: int | None) -> None:
        self.subprotocol: Final = subprotocol
        self.window_bits: Final = window_bits


@final
class RefusedUpgrade(Value):
    """An answer that opens no WebSocket: its status, and a sentence that says what is wrong with
    it. False.
    """

    __match_args__ = ("status", "message")
    __slots__ = __match_args__

    def __init__(self, status: int, message: str) -> None:
        self.status: Final = status
        self.message: Final = message

    def __bool__(self) -> bool:
        return False


# -- the request -----------------------------------------------------------------------------------


def make_key(entropy: bytes) -> str:
    """The Sec-WebSocket-Key made of 16 bytes that nobody can predict; ValueError for others.

    `make_key(b"the sample nonce") == "dGhlIHNhbXBsZSBub25jZQ=="`
    """
    if len(entropy) != KEY_BYTES:
        raise ValueError(f"a key is made of {KEY_BYTES} bytes, not of {len(entropy)}")
    return b64encode(entropy).decode()


def check_offer(offer: UpgradeOffer, origin: str | None, headers: Pairs) -> str | None:
    """Why a handshake cannot be sent with these, as a sentence; None if it can."""
    names = offer.subprotocols
    for name in names:
        if TOKEN.fullmatch(name) is None:
            return f"{name!r} is not the name of a subprotocol"
    if len(set(names)) != len(names):
        return "a subprotocol is offered twice"
    problem = check_headers(headers if origin is None else (("Origin", origin), *headers))
    if problem is not None:
        return problem
    for name, _ in headers:
        if name.lower() in HANDSHAKE_FIELDS:
            return f"the header {name!r} is the handshake's to send"
    return None


def upgrade_fields(offer: UpgradeOffer, origin: str | None = None, headers: Pairs = ()) -> Pairs:
    """The fields of the request besides Host, which `check_offer` has found nothing wrong with:
    those of the handshake, then `headers`.
    """
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", offer.key),
        ("Sec-WebSocket-Version", VERSION),
    ]
    if offer.subprotocols:
        fields.append(("Sec-WebSocket-Protocol", ", ".join(offer.subprotocols)))
    if offer.offers_deflate:
        fields.append(("Sec-WebSocket-Extensions", format_extension(OFFERED_DEFLATE)))
    if origin is not None:
        fields.append(("Origin", origin))
    return (*fields, *headers)


# -- the response ----------------------------------------------------------------------------------


def check_upgrade_response(
    offer: UpgradeOffer, status: int, headers: Headers
) -> AcceptedUpgrade | RefusedUpgrade:
    """What was agreed on by an answer with this status and these fields; or what is wrong with it
    (RFC 6455 section 4.1, behind item 12).
    """
    problem = _problem_with(offer, status, headers)
    if problem is not None:
        return RefusedUpgrade(status, problem)
    window_bits = _agreed_window(offer, headers)
    if isinstance(window_bits, str):
        return RefusedUpgrade(status, window_bits)
    return AcceptedUpgrade(headers.get("sec-websocket-protocol"), window_bits)


def _problem_with(offer: UpgradeOffer, status: int, headers: Headers) -> str | None:
    """What is wrong with an answer, its extensions apart; None if nothing is."""
    if status != 101:
        return f"the server answered {status} to a WebSocket handshake, not 101"
    if headers.get("upgrade", "").strip().lower() != "websocket":
        return "the 101 of the server is not an upgrade to websocket"
    if "upgrade" not in parse_list(headers.get("connection", "")):
        return "the 101 of the server has no Connection: Upgrade"
    accept = headers.get("sec-websocket-accept")
    if accept is None:
        return "the 101 of the server has no Sec-WebSocket-Accept"
    if accept.strip() != accept_key(offer.key):
        return "the Sec-WebSocket-Accept of the server does not fit the key"
    subprotocol = headers.get("sec-websocket-protocol")
    if subprotocol is not None and subprotocol not in offer.subprotocols:
        return f"the server chose the subprotocol {subprotocol!r}, which was not offered"
    return None


def _agreed_window(offer: UpgradeOffer, headers: Headers) -> int | str | None:
    """The window that messages to the server are compressed with; None without compression; or what
    is wrong with the extensions, as a sentence.
    """
    extensions = parse_extensions(headers.get("sec-websocket-extensions", ""))
    if isinstance(extensions, Malformed):
        return "the Sec-WebSocket-Extensions of the server is not a list of extensions"
    if not extensions:
        return None
    for extension in extensions:
        if extension.name != DEFLATE or not offer.offers_deflate:
            return f"the server chose the extension {extension.name!r}, which was not offered"
    if len(extensions) > 1:
        return f"the server chose the extension {DEFLATE!r} more than once"
    return _window_of(extensions[0])


def _window_of(deflate: Extension) -> int | str:
    """The window that messages to the server are compressed with, or what is wrong with the
    parameters, as a sentence.
    """
    params = dict(deflate.params)
    if len(params) != len(deflate.params):
        return f"the server repeats a parameter of {DEFLATE}"
    for name, value in deflate.params:
        if name not in _ANSWERED_PARAMS:
            return f"the server chose the parameter {name!r} of {DEFLATE}, which was not offered"
        if value not in _ANSWERED_PARAMS[name]:
            return f"the server chose {name} of {DEFLATE} with the value {value!r}"
    if "server_no_context_takeover" not in params:
        return "the server keeps its window between messages, which was not offered"
    return int(params.get("client_max_window_bits") or WINDOW_BITS_MAX)
