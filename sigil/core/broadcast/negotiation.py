"""The encoding of a WebSocket: what the client offers, the limits allow and the handler wants.

Theory: both encodings are agreed on in the opening handshake, in different places. Zstandard is the
subprotocol `compress-zstd`, which clients of the reference system offer; deflate is the extension
permessage-deflate, which browsers offer (RFC 7692). A subprotocol is the handler's to choose, so
its choice goes first.

Rules: nothing is accepted that was not offered or is not allowed. The first offer of deflate that
can be met is accepted; one with a parameter that is unknown, repeated or has a wrong value is
declined, not an error (RFC 7692 section 7.1). That neither side keeps its window from one message
to the next is always a condition of ours.

It does not know how a message is encoded: `encoding` does.
"""

from typing import Final, final

from ..limits import Limits
from ..value import Value
from ..websocket.handshake import Extension, Offer
from .encoding import DEFLATE_BY_BITS, Encoding

ZSTD_SUBPROTOCOL: Final = "compress-zstd"

DEFLATE: Final = "permessage-deflate"


@final
class Negotiated(Value):
    """What was agreed on: the encoding of messages to the client, and the subprotocol and the
    extension that the 101 names.
    """

    __match_args__ = ("encoding", "subprotocol", "extension")
    __slots__ = __match_args__

    def __init__(
        self, encoding: Encoding, subprotocol: str | None, extension: Extension | None
    ) -> None:
        self.encoding: Final = encoding
        self.subprotocol: Final = subprotocol
        self.extension: Final = extension


def negotiate(offer: Offer, subprotocol: str | None, limits: Limits) -> Negotiated:
    """The encoding, subprotocol and extension for what a client offers.

    `subprotocol` is the handler's choice; None leaves it to the server.
    """
    offers_zstd = ZSTD_SUBPROTOCOL in offer.subprotocols
    if subprotocol is None and limits.compress_websocket and offers_zstd:
        subprotocol = ZSTD_SUBPROTOCOL
    if subprotocol == ZSTD_SUBPROTOCOL:
        return Negotiated(Encoding.ZSTD, subprotocol, None)
    if limits.permessage_deflate:
        for extension in offer.extensions:
            accepted = accept_permessage_deflate(extension)
            if accepted is not None:
                return Negotiated(accepted[0], subprotocol, accepted[1])
    return Negotiated(Encoding.PLAIN, subprotocol, None)


def accept_permessage_deflate(offer: Extension) -> tuple[Encoding, Extension] | None:
    """The encoding for an offer of permessage-deflate, and the extension that accepts it.

    None if it is another extension, malformed, or cannot be met. A window of 2**8 bytes cannot,
    since zlib has none.
    """
    names = [name for name, _ in offer.params]
    if offer.name != DEFLATE or len(set(names)) < len(names):
        return None
    for name, value in offer.params:
        if value not in _DEFLATE_PARAMS.get(name, ()):
            return None
    bits = dict(offer.params).get("server_max_window_bits")
    accepted: tuple[tuple[str, str | None], ...] = (
        ("server_no_context_takeover", None),
        ("client_no_context_takeover", None),
    )
    if bits is None:
        return Encoding.DEFLATE_15, Extension(DEFLATE, accepted)
    accepted += (("server_max_window_bits", bits),)
    return DEFLATE_BY_BITS[bits], Extension(DEFLATE, accepted)


_DEFLATE_PARAMS: Final[dict[str, tuple[str | None, ...]]] = {
    "server_no_context_takeover": (None,),
    "client_no_context_takeover": (None,),
    "server_max_window_bits": tuple(DEFLATE_BY_BITS),
    "client_max_window_bits": (None, "8", *DEFLATE_BY_BITS),
}
"""The parameters of permessage-deflate and the values each may have in an offer, None for without a
value (RFC 7692 section 7.1).
"""
