"""The opening handshake: the examples of the standard, every refusal, and two other clients that
accept our answer.
"""

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.protocol import State
from websockets.uri import parse_uri
from wsproto import WSConnection
from wsproto.connection import ConnectionType
from wsproto.events import AcceptConnection, Request
from wsproto.extensions import PerMessageDeflate

from sigil.core.close_reasons import CloseReason
from sigil.core.http.headers import Headers
from sigil.core.parse_result import Malformed
from sigil.core.websocket.handshake import (
    Extension,
    Offer,
    accept_key,
    check_upgrade,
    encode_upgrade,
    format_extension,
    is_upgrade,
    parse_extensions,
    parse_subprotocols,
    reject_upgrade,
)
from sigil.core.websocket.origin import is_same_origin
from tests.support.core_driver import DATE, head_of, same
from tests.support.upgrade_requests import KEY, PLAIN, asking, checked

OFFER = Extension("permessage-deflate", (("client_max_window_bits", None),))
few = settings(max_examples=100, deadline=None)


# -- the examples of the standard ------------------------------------------------------------------


def test_the_handshake_of_rfc_6455_section_1_3() -> None:
    data = asking({"Origin": "http://example.com", "Sec-WebSocket-Protocol": "chat, superchat"})
    upgrade = checked(data, ("http://example.com",))
    assert same(upgrade, Offer(KEY, ("chat", "superchat"), ()))
    assert isinstance(upgrade, Offer)
    assert encode_upgrade(upgrade, "chat", None, (), b"\r\n") == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"Sec-WebSocket-Protocol: chat\r\n"
        b"\r\n"
    )


def test_the_key_of_rfc_6455_section_4_1_is_accepted_though_its_last_bits_are_not_zero() -> None:
    assert same(
        checked(asking({"Sec-WebSocket-Key": "AQIDBAUGBwgJCgsMDQ4PEC=="})),
        Offer("AQIDBAUGBwgJCgsMDQ4PEC==", (), ()),
    )


# -- what an upgrade is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "GET /chat HTTP/1.1"),
        ({"Upgrade": "WebSocket"}, "GET /chat HTTP/1.1"),
        ({"Upgrade": "h2c, websocket"}, "GET /chat HTTP/1.1"),
        ({"Connection": "keep-alive, Upgrade"}, "GET /chat HTTP/1.1"),
        ({"Connection": "upgrade"}, "GET / HTTP/1.1"),
        ({"Content-Length": "0"}, "GET / HTTP/1.1"),
    ],
)
def test_an_upgrade_is_spelled_in_many_ways(changes: dict[str, str | None], line: str) -> None:
    assert is_upgrade(head_of(asking(changes, line)))
    assert same(checked(asking(changes, line)), PLAIN)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"Upgrade": None}, "GET / HTTP/1.1"),
        ({"Upgrade": "h2c"}, "GET / HTTP/1.1"),
        ({"Upgrade": "websocket2"}, "GET / HTTP/1.1"),
        ({}, "GET / HTTP/1.0"),
    ],
)
def test_other_requests_ask_for_no_websocket(changes: dict[str, str | None], line: str) -> None:
    assert not is_upgrade(head_of(asking(changes, line)))
    refusal = checked(asking(changes, line))
    assert same(
        refusal,
        Malformed(
            CloseReason.WS_MISSING_UPGRADE, "this is only to be had by an upgrade to websocket"
        ),
    )


@pytest.mark.parametrize(
    ("data", "reason", "status"),
    [
        (asking({"Connection": None}), CloseReason.WS_MISSING_UPGRADE, 426),
        (asking({"Connection": "keep-alive"}), CloseReason.WS_MISSING_UPGRADE, 426),
        (asking(line="POST / HTTP/1.1"), CloseReason.BAD_REQUEST, 400),
        (asking(line="HEAD / HTTP/1.1"), CloseReason.BAD_REQUEST, 400),
        (asking({"Content-Length": "1"}), CloseReason.BAD_REQUEST, 400),
        (asking({"Transfer-Encoding": "chunked"}), CloseReason.BAD_REQUEST, 400),
        (asking({"Sec-WebSocket-Version": None}), CloseReason.WS_MISSING_VERSION_HEADER, 426),
        (asking({"Sec-WebSocket-Version": "8"}), CloseReason.WS_UNEXPECTED_VERSION, 426),
        (asking({"Sec-WebSocket-Version": "13, 8"}), CloseReason.WS_UNEXPECTED_VERSION, 426),
        (asking({"Sec-WebSocket-Version": "013"}), CloseReason.WS_UNEXPECTED_VERSION, 426),
        (asking(more="Sec-WebSocket-Version: 13\r\n"), CloseReason.WS_UNEXPECTED_VERSION, 426),
        (asking({"Sec-WebSocket-Key": None}), CloseReason.WS_MISSING_KEY_HEADER, 400),
        (asking({"Sec-WebSocket-Key": ""}), CloseReason.WS_BAD_KEY, 400),
        (asking({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ"}), CloseReason.WS_BAD_KEY, 400),
        (asking({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZWEx"}), CloseReason.WS_BAD_KEY, 400),
        (asking({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZWE="}), CloseReason.WS_BAD_KEY, 400),
        (asking({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25j!Q=="}), CloseReason.WS_BAD_KEY, 400),
        (asking(more=f"Sec-WebSocket-Key: {KEY}\r\n"), CloseReason.WS_BAD_KEY, 400),
        (asking({"Sec-WebSocket-Protocol": "chat, chat"}), CloseReason.BAD_REQUEST, 400),
        (asking({"Sec-WebSocket-Protocol": "a b"}), CloseReason.BAD_REQUEST, 400),
        (asking({"Sec-WebSocket-Extensions": "a; =b"}), CloseReason.BAD_REQUEST, 400),
        (asking({"Origin": "http://elsewhere.example"}), CloseReason.ORIGIN_REFUSED, 403),
        (asking({"Origin": "null"}), CloseReason.ORIGIN_REFUSED, 403),
    ],
)
def test_every_refusal_has_its_reason_and_status(
    data: bytes, reason: CloseReason, status: int
) -> None:
    refusal = checked(data)
    assert isinstance(refusal, Malformed)
    assert (refusal.reason, refusal.status) == (reason, status)


def test_a_request_without_host_is_refused_even_by_whoever_made_the_head_himself() -> None:
    head = head_of(asking())
    bare = head.replace(
        headers=Headers(tuple(pair for pair in head.headers.pairs if pair[0] != "Host"))
    )
    assert same(check_upgrade(bare), Malformed(CloseReason.BAD_HOST, "the request has no Host"))


def test_a_426_says_what_to_upgrade_to_and_other_refusals_do_not() -> None:
    for changes in (
        {"Upgrade": None},
        {"Sec-WebSocket-Version": None},
        {"Sec-WebSocket-Version": "8"},
    ):
        refusal = checked(asking(changes))
        assert isinstance(refusal, Malformed)
        response = reject_upgrade(refusal)
        assert response.status == 426
        fields = Headers(response.headers)
        assert (fields["upgrade"], fields["connection"], fields["sec-websocket-version"]) == (
            "websocket",
            "Upgrade",
            "13",
        )
        assert refusal.message.encode() in response.body
    refusal = checked(asking({"Origin": "null"}))
    assert isinstance(refusal, Malformed)
    response = reject_upgrade(refusal)
    assert response.status == 403
    assert "upgrade" not in Headers(response.headers)
    assert b"Limits.origins" in response.body


# -- offers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", ()),
        ("chat", ("chat",)),
        ("chat, superchat", ("chat", "superchat")),
        ("b ,\ta,,c", ("b", "a", "c")),
        ("Chat, chat", ("Chat", "chat")),
        ("v1.a+b", ("v1.a+b",)),
    ],
)
def test_subprotocols_are_names_in_order(value: str, names: tuple[str, ...]) -> None:
    assert same(parse_subprotocols(value), names)


def test_subprotocols_of_several_fields_are_one_list() -> None:
    data = asking({"Sec-WebSocket-Protocol": "b, a"}, more="Sec-WebSocket-Protocol: c\r\n")
    assert same(checked(data), Offer(KEY, ("b", "a", "c"), ()))
    twice = asking({"Sec-WebSocket-Protocol": "b"}, more="Sec-WebSocket-Protocol: b\r\n")
    assert same(
        checked(twice),
        Malformed(CloseReason.BAD_REQUEST, "Sec-WebSocket-Protocol offers a name twice"),
    )


@pytest.mark.parametrize("value", ["a b", "a/b", "é", '"a"', "a;b", "a, a"])
def test_what_is_no_list_of_different_names_offers_nothing(value: str) -> None:
    refusal = parse_subprotocols(value)
    assert isinstance(refusal, Malformed)
    assert refusal.status == 400


@pytest.mark.parametrize(
    ("value", "extensions"),
    [
        ("", ()),
        ("foo", (("foo", ()),)),
        ("foo, bar; baz=2", (("foo", ()), ("bar", (("baz", "2"),)))),
        ("bar; baz=2, foo", (("bar", (("baz", "2"),)), ("foo", ()))),
        (
            'deflate-stream, mux; max-channels="4" ; flow-control, deflate-stream',
            (
                ("deflate-stream", ()),
                ("mux", (("max-channels", "4"), ("flow-control", None))),
                ("deflate-stream", ()),
            ),
        ),
        ('a;b="\\c\\d"', (("a", (("b", "cd"),)),)),
        ("a ; b\t=\tc", (("a", (("b", "c"),)),)),
        ("a; b; b=1", (("a", (("b", None), ("b", "1"))),)),
        (
            "permessage-deflate; client_max_window_bits, permessage-deflate",
            (
                ("permessage-deflate", (("client_max_window_bits", None),)),
                ("permessage-deflate", ()),
            ),
        ),
    ],
)
def test_extensions_are_names_with_parameters(value: str, extensions: tuple[Any, ...]) -> None:
    assert parse_extensions(value) == tuple(Extension(*parts) for parts in extensions)


@pytest.mark.parametrize(
    "value",
    [
        "a b",
        "a;",
        "a;;b",
        ";a",
        "a; =b",
        "a; b=",
        'a; b=""',
        'a; b="c',
        'a; b="c d"',
        'a; b="c,d"',
        'a; b="c;d"',
        'a; b="c\\"',
        'a; b="c"d',
        "a; b=c=d",
        'a="b"',
        "é",
        "a; b='c d'",
    ],
)
def test_what_is_no_list_of_extensions_is_refused(value: str) -> None:
    assert same(
        parse_extensions(value),
        Malformed(CloseReason.BAD_REQUEST, "Sec-WebSocket-Extensions is not a list of extensions"),
    )


tokens = st.text("abcXYZ019-_.!#", min_size=1, max_size=8)


@few
@given(
    st.lists(
        st.builds(
            Extension,
            tokens,
            st.lists(st.tuples(tokens, st.none() | tokens), max_size=3).map(tuple),
        ),
        max_size=4,
    )
)
def test_extensions_are_read_as_they_were_written(extensions: list[Extension]) -> None:
    assert same(parse_extensions(", ".join(map(format_extension, extensions))), tuple(extensions))


@few
@given(st.text(st.characters(max_codepoint=255), max_size=30))
def test_whatever_is_offered_is_understood_or_refused(value: str) -> None:
    for parse in (parse_extensions, parse_subprotocols):
        assert parse(value) is not None
    assert is_same_origin(value, value) in (True, False)


# -- the answer ------------------------------------------------------------------------------------


def test_the_answer_carries_what_was_chosen_and_what_the_program_adds() -> None:
    upgrade = Offer(KEY, ("a", "b"), (OFFER,))
    answer = Extension(
        "permessage-deflate",
        (("server_no_context_takeover", None), ("client_max_window_bits", "12")),
    )
    assert encode_upgrade(upgrade, "b", answer, (("Set-Cookie", "a=b"), ("X-One", "1")), DATE) == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: b\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
        b"client_max_window_bits=12\r\n"
        b"Set-Cookie: a=b\r\nX-One: 1\r\n" + DATE
    )


def test_a_date_of_the_program_is_the_only_one() -> None:
    answer = encode_upgrade(PLAIN, None, None, (("date", "today"),), DATE)
    assert isinstance(answer, bytes)
    assert answer.endswith(b"date: today\r\n\r\n")
    assert answer.lower().count(b"date:") == 1


@pytest.mark.parametrize(
    ("subprotocol", "extension", "headers", "words"),
    [
        ("c", None, (), "'c' was not offered"),
        ("A", None, (), "'A' was not offered"),
        (None, Extension("mux", ()), (), "'mux' was not offered"),
        (None, None, (("X", "a\r\nb"),), "cannot be sent"),
        (None, None, (("X y", "a"),), "is not a header name"),
        (None, None, (("Content-Length", "0"),), "is the handshake's to send"),
        (None, None, (("Transfer-Encoding", "chunked"),), "is the server's to send"),
        (None, None, (("connection", "close"),), "is the handshake's to send"),
        (None, None, (("Sec-WebSocket-Protocol", "a"),), "is the handshake's to send"),
    ],
)
def test_an_answer_that_was_not_asked_for_is_not_written(
    subprotocol: str | None,
    extension: Extension | None,
    headers: tuple[tuple[str, str], ...],
    words: str,
) -> None:
    problem = encode_upgrade(
        Offer(KEY, ("a", "b"), (OFFER,)), subprotocol, extension, headers, DATE
    )
    assert isinstance(problem, str)
    assert words in problem


# -- other clients ---------------------------------------------------------------------------------


@few
@given(st.binary(min_size=16, max_size=16))
def test_every_key_of_16_bytes_is_one(nonce: bytes) -> None:
    key = base64.b64encode(nonce).decode()
    assert same(checked(asking({"Sec-WebSocket-Key": key})), Offer(key, (), ()))
    assert len(base64.b64decode(accept_key(key), validate=True)) == 20


def answer_to(data: bytes) -> bytes:
    """What we answer to a client, taking the last subprotocol and the first extension it offers."""
    upgrade = check_upgrade(head_of(data))
    assert isinstance(upgrade, Offer)
    assert (upgrade.subprotocols, upgrade.extensions[0].name) == (
        ("chat", "superchat"),
        "permessage-deflate",
    )
    extension = Extension(
        "permessage-deflate",
        (("server_no_context_takeover", None), ("client_no_context_takeover", None)),
    )
    answer = encode_upgrade(upgrade, "superchat", extension, (), DATE)
    assert isinstance(answer, bytes)
    return answer


def test_websockets_accepts_our_answer() -> None:
    client = ClientProtocol(
        parse_uri("ws://server.example.com/chat"),
        origin="http://server.example.com",
        subprotocols=["chat", "superchat"],
        extensions=[ClientPerMessageDeflateFactory()],
    )
    client.send_request(client.connect())
    client.receive_data(answer_to(b"".join(client.data_to_send())))
    assert client.handshake_exc is None
    assert client.state is State.OPEN
    assert client.subprotocol == "superchat"
    assert len(client.extensions) == 1


def test_wsproto_accepts_our_answer() -> None:
    client = WSConnection(ConnectionType.CLIENT)
    data = client.send(
        Request(
            "server.example.com",
            "/chat",
            extensions=[PerMessageDeflate()],
            subprotocols=["chat", "superchat"],
        )
    )
    client.receive_data(answer_to(data))
    (event,) = client.events()
    assert isinstance(event, AcceptConnection)
    assert event.subprotocol == "superchat"
    assert len(event.extensions) == 1
