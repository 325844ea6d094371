"""Which encoding a client and the server agree on: permessage-deflate or the Zstandard
subprotocol.
"""

from typing import Any

import pytest

from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.negotiation import Negotiated, accept_permessage_deflate, negotiate
from sigil.core.limits import Limits
from sigil.core.websocket.handshake import Extension, Offer, parse_extensions
from tests.support.core_driver import same

BOTH = (("server_no_context_takeover", None), ("client_no_context_takeover", None))


@pytest.mark.parametrize(
    ("offer", "bits", "params"),
    [
        ("permessage-deflate", 15, ()),
        ("permessage-deflate; client_max_window_bits", 15, ()),
        ("permessage-deflate; client_max_window_bits=8; server_no_context_takeover", 15, ()),
        ("permessage-deflate; server_max_window_bits=9", 9, (("server_max_window_bits", "9"),)),
        (
            'permessage-deflate; server_max_window_bits="15"',
            15,
            (("server_max_window_bits", "15"),),
        ),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", 15, ()),
        (
            "permessage-deflate; mystery, x-other, permessage-deflate; server_max_window_bits=12",
            12,
            (("server_max_window_bits", "12"),),
        ),
    ],
)
def test_the_first_offer_of_deflate_that_can_be_met_is_accepted(
    offer: str, bits: int, params: Any
) -> None:
    extensions = parse_extensions(offer)
    assert isinstance(extensions, tuple)
    negotiated = negotiate(Offer("", (), extensions), None, Limits())
    assert (int(negotiated.encoding), negotiated.subprotocol) == (bits, None)
    assert same(negotiated.extension, Extension("permessage-deflate", (*BOTH, *params)))


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; unknown",
        "x-webkit-deflate-frame",
        "Permessage-Deflate2",
    ],
)
def test_what_cannot_be_met_is_declined(offer: str) -> None:
    extensions = parse_extensions(offer)
    assert isinstance(extensions, tuple)
    assert list(map(accept_permessage_deflate, extensions)) == [None]
    assert negotiate(Offer("", (), extensions), None, Limits()).encoding is Encoding.PLAIN


def test_zstandard_is_a_subprotocol_that_the_program_may_overrule() -> None:
    deflated = Extension("permessage-deflate", ())
    offer = Offer("", ("chat", "compress-zstd"), (deflated,))
    assert negotiate(offer, None, Limits()) == Negotiated(Encoding.ZSTD, "compress-zstd", None)
    with_chat = negotiate(offer, "chat", Limits())
    assert (with_chat.encoding, with_chat.subprotocol) == (Encoding.DEFLATE_15, "chat")
    assert negotiate(offer, "chat", Limits(permessage_deflate=False)) == Negotiated(
        Encoding.PLAIN,
        "chat",
        None,
    )
    without_zstd = negotiate(offer, None, Limits(compress_websocket=False))
    assert (without_zstd.encoding, without_zstd.subprotocol) == (Encoding.DEFLATE_15, None)
    assert negotiate(offer, "compress-zstd", Limits(compress_websocket=False)) == Negotiated(
        Encoding.ZSTD,
        "compress-zstd",
        None,
    )
