"""The opening handshake of a client: the example of the standard, every answer that is refused, and
three servers that accept the request: our own, wsproto and websockets.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.datastructures import Headers as TheirHeaders
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request as TheirRequest
from websockets.server import ServerProtocol
from wsproto import WSConnection
from wsproto.connection import ConnectionType
from wsproto.events import AcceptConnection, Request
from wsproto.extensions import PerMessageDeflate

from sigil.core.client.websocket_handshake import (
    OFFERED_DEFLATE,
    AcceptedUpgrade,
    RefusedUpgrade,
    UpgradeOffer,
    check_offer,
    check_upgrade_response,
    make_key,
    upgrade_fields,
)
from sigil.core.http.headers import Headers, Pairs
from sigil.core.websocket.handshake import Offer, accept_key
from tests.support.core_driver import same
from tests.support.upgrade_requests import checked

NONCE = b"the sample nonce"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
PLAIN = UpgradeOffer(KEY, (), False)
CHAT = UpgradeOffer(KEY, ("chat", "superchat"), True)
GOOD = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT}
DEFLATE = "permessage-deflate; server_no_context_takeover"


def encoded(offer: UpgradeOffer, headers: Pairs = ()) -> bytes:
    """The request of a handshake."""
    fields = (("Host", "a"), *upgrade_fields(offer, "http://a", headers))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"GET /chat HTTP/1.1\r\n{lines}\r\n".encode()


def answered(
    fields: dict[str, str | None], offer: UpgradeOffer = CHAT, status: int = 101
) -> AcceptedUpgrade | RefusedUpgrade:
    """What a client makes of a good answer with these fields instead of its own."""
    pairs = tuple((name, value) for name, value in {**GOOD, **fields}.items() if value is not None)
    return check_upgrade_response(offer, status, Headers(pairs))


# -- the request -----------------------------------------------------------------------------------


def test_the_request_of_rfc_6455_section_1_3() -> None:
    assert encoded(UpgradeOffer(make_key(NONCE), ("chat", "superchat"), False)) == (
        b"GET /chat HTTP/1.1\r\n"
        b"Host: a\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: chat, superchat\r\n"
        b"Origin: http://a\r\n"
        b"\r\n"
    )


def test_compression_is_offered_without_windows_that_are_kept() -> None:
    assert dict(upgrade_fields(CHAT))["Sec-WebSocket-Extensions"] == (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "client_max_window_bits"
    )


def test_a_key_is_made_of_16_bytes() -> None:
    with pytest.raises(ValueError, match="made of 16 bytes, not of 15"):
        make_key(bytes(15))


@pytest.mark.parametrize(
    ("subprotocols", "origin", "headers", "problem"),
    [
        ((), None, (), None),
        (("chat", "v2.chat"), "https://a", (("Authorization", "Basic eA=="),), None),
        (("a b",), None, (), "'a b' is not the name of a subprotocol"),
        (("a", "a"), None, (), "a subprotocol is offered twice"),
        ((), None, (("Upgrade", "h2c"),), "the header 'Upgrade' is the handshake's to send"),
        (
            (),
            None,
            (("Sec-WebSocket-Key", KEY),),
            "the header 'Sec-WebSocket-Key' is the handshake's to send",
        ),
        (
            (),
            "a\r\nb",
            (),
            "the value of header 'Origin' contains a character that cannot be sent: 'a\\r\\nb'",
        ),
        ((), None, (("a b", "c"),), "'a b' is not a header name"),
    ],
)
def test_what_cannot_be_sent_is_refused(
    subprotocols: tuple[str, ...], origin: str | None, headers: Pairs, problem: str | None
) -> None:
    assert check_offer(UpgradeOffer(KEY, subprotocols, True), origin, headers) == problem


# -- the answer ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ({}, AcceptedUpgrade(None, None)),
        (
            {"Upgrade": "WebSocket", "Connection": "keep-alive, UPGRADE"},
            AcceptedUpgrade(None, None),
        ),
        ({"Sec-WebSocket-Protocol": "superchat"}, AcceptedUpgrade("superchat", None)),
        ({"Sec-WebSocket-Extensions": DEFLATE}, AcceptedUpgrade(None, 15)),
        (
            {"Sec-WebSocket-Extensions": f"{DEFLATE}; client_no_context_takeover"},
            AcceptedUpgrade(None, 15),
        ),
        (
            {"Sec-WebSocket-Extensions": f'{DEFLATE}; client_max_window_bits="9"'},
            AcceptedUpgrade(None, 9),
        ),
        (
            {"Sec-WebSocket-Extensions": f"{DEFLATE}; server_max_window_bits=8"},
            AcceptedUpgrade(None, 15),
        ),
    ],
)
def test_good_answers(fields: dict[str, str | None], accepted: AcceptedUpgrade) -> None:
    assert same(answered(fields), accepted)


REFUSED: list[tuple[dict[str, str | None], str]] = [
    ({"Upgrade": None}, "the 101 of the server is not an upgrade to websocket"),
    ({"Upgrade": "h2c"}, "the 101 of the server is not an upgrade to websocket"),
    ({"Connection": None}, "the 101 of the server has no Connection: Upgrade"),
    ({"Connection": "keep-alive"}, "the 101 of the server has no Connection: Upgrade"),
    ({"Sec-WebSocket-Accept": None}, "the 101 of the server has no Sec-WebSocket-Accept"),
    (
        {"Sec-WebSocket-Accept": ACCEPT.lower()},
        "the Sec-WebSocket-Accept of the server does not fit the key",
    ),
    (
        {"Sec-WebSocket-Accept": f"{ACCEPT}, {ACCEPT}"},
        "the Sec-WebSocket-Accept of the server does not fit the key",
    ),
    (
        {"Sec-WebSocket-Protocol": "Chat"},
        "the server chose the subprotocol 'Chat', which was not offered",
    ),
    (
        {"Sec-WebSocket-Protocol": "chat, superchat"},
        "the server chose the subprotocol 'chat, superchat', which was not offered",
    ),
    (
        {"Sec-WebSocket-Extensions": "a b"},
        "the Sec-WebSocket-Extensions of the server is not a list of extensions",
    ),
    (
        {"Sec-WebSocket-Extensions": "x-webkit-deflate-frame"},
        "the server chose the extension 'x-webkit-deflate-frame', which was not offered",
    ),
    (
        {"Sec-WebSocket-Extensions": f"{DEFLATE}, {DEFLATE}"},
        "the server chose the extension 'permessage-deflate' more than once",
    ),
    (
        {"Sec-WebSocket-Extensions": "permessage-deflate"},
        "the server keeps its window between messages, which was not offered",
    ),
    (
        {"Sec-WebSocket-Extensions": f"{DEFLATE}; server_no_context_takeover"},
        "the server repeats a parameter of permessage-deflate",
    ),
    (
        {"Sec-WebSocket-Extensions": f"{DEFLATE}; level=9"},
        "the server chose the parameter 'level' of permessage-deflate, which was not offered",
    ),
    (
        {"Sec-WebSocket-Extensions": f"{DEFLATE}; client_max_window_bits"},
        "the server chose client_max_window_bits of permessage-deflate with the value None",
    ),
    (
        {"Sec-WebSocket-Extensions": f"{DEFLATE}; server_max_window_bits=16"},
        "the server chose server_max_window_bits of permessage-deflate with the value '16'",
    ),
    (
        {"Sec-WebSocket-Extensions": f"{DEFLATE}; client_no_context_takeover=1"},
        "the server chose client_no_context_takeover of permessage-deflate with the value '1'",
    ),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_wrong_answers_are_refused_in_a_sentence(
    fields: dict[str, str | None], message: str
) -> None:
    refused = answered(fields)
    assert same(refused, RefusedUpgrade(101, message))
    assert not refused


@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 426, 503])
def test_any_other_status_is_refused(status: int) -> None:
    message = f"the server answered {status} to a WebSocket handshake, not 101"
    assert same(answered({}, status=status), RefusedUpgrade(status, message))


def test_nothing_is_accepted_of_who_offers_nothing() -> None:
    for fields in ({"Sec-WebSocket-Extensions": DEFLATE}, {"Sec-WebSocket-Protocol": "chat"}):
        assert isinstance(answered(dict(fields), PLAIN), RefusedUpgrade)


# -- three servers ---------------------------------------------------------------------------------


def test_our_server_reads_what_is_offered() -> None:
    offer = checked(encoded(CHAT), ("http://a",))
    assert same(offer, Offer(KEY, ("chat", "superchat"), (OFFERED_DEFLATE,)))


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=16, max_size=16))
def test_wsproto_accepts_and_is_accepted(nonce: bytes) -> None:
    offer = UpgradeOffer(make_key(nonce), ("chat",), True)
    server = WSConnection(ConnectionType.SERVER)
    server.receive_data(encoded(offer))
    (request,) = list(server.events())
    assert isinstance(request, Request) and request.subprotocols == ["chat"]
    data = server.send(AcceptConnection(subprotocol="chat", extensions=[PerMessageDeflate()]))
    head = data.decode().split("\r\n\r\n")[0].split("\r\n")
    pairs = tuple(
        (name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:])
    )
    accepted = check_upgrade_response(offer, 101, Headers(pairs))
    assert accepted == AcceptedUpgrade("chat", 15)
    assert accept_key(offer.key) in data.decode()


def test_websockets_accepts_and_is_accepted() -> None:
    server = ServerProtocol(
        subprotocols=["chat"],  # type: ignore[list-item]
        extensions=[ServerPerMessageDeflateFactory(client_max_window_bits=10)],
    )
    fields = (("Host", "a"), *upgrade_fields(CHAT))
    response = server.accept(TheirRequest("/chat", TheirHeaders(list(fields))))
    pairs = tuple(response.headers.raw_items())
    assert check_upgrade_response(CHAT, response.status_code, Headers(pairs)) == AcceptedUpgrade(
        "chat", 10
    )
