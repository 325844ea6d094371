"""The parts of it."""

from typing import NamedTuple

from ..limits import Limits
from ..websocket.handshake import Extension, Offer
from .encoding import Encoding

ZSTD_SUBPROTOCOL = "compress-zstd"

DEFLATE = "permessage-deflate"


class Negotiated(NamedTuple):
    """What has been agreed on: how messages are sent, and the subprotocol and extension that say
    so.
    """

    encoding: Encoding
    subprotocol: str | None
    extension: Extension | None


def negotiate(offer: Offer, subprotocol: str | None, limits: Limits) -> Negotiated:
    """The encoding, of those offered and allowed. `subprotocol` is the program's choice; it may
    leave it to us.
    """
    if subprotocol is None and limits.compress_websocket and ZSTD_SUBPROTOCOL in offer.subprotocols:
        subprotocol = ZSTD_SUBPROTOCOL
    if subprotocol == ZSTD_SUBPROTOCOL:
        return Negotiated(Encoding.ZSTD, subprotocol, None)
    for extension in offer.extensions if limits.permessage_deflate else ():
        answer = accept_permessage_deflate(extension)
        if answer is not None:
            return Negotiated(answer[0], subprotocol, answer[1])
    return Negotiated(Encoding.PLAIN, subprotocol, None)


def accept_permessage_deflate(offer: Extension) -> tuple[Encoding, Extension] | None:
    """The answer to an offer of deflate, or None for one that is another's, malformed, or not to be
    met.

    RFC 7692 section 7.1: a parameter that is unknown, there twice, or has a wrong value declines
    the offer. A window of 2**8 bytes is declined because zlib has none. That neither side keeps its
    window is always our condition.
    """
    names = [name for name, _ in offer.params]
    if offer.name != DEFLATE or len(set(names)) < len(names):
        return None
    if not all(
        name in _DEFLATE_PARAMS and value in _DEFLATE_PARAMS[name] for name, value in offer.params
    ):
        return None
    bits = dict(offer.params).get("server_max_window_bits")
    answer: tuple[tuple[str, str | None], ...] = (
        ("server_no_context_takeover", None),
        ("client_no_context_takeover", None),
    )
    if bits is None:
        return Encoding.DEFLATE_15, Extension(DEFLATE, answer)
    return Encoding(int(bits)), Extension(DEFLATE, (*answer, ("server_max_window_bits", bits)))


_BITS = tuple(map(str, range(9, 16)))

_DEFLATE_PARAMS: dict[str, tuple[str | None, ...]] = {
    "server_no_context_takeover": (None,),
    "client_no_context_takeover": (None,),
    "server_max_window_bits": _BITS,
    "client_max_window_bits": (None, "8", *_BITS),
}
"""The parameters of deflate, and their values."""
