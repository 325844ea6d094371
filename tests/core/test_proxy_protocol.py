"""Headers of the PROXY protocol: literal bytes, and every cut of them."""

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.conn import Peer
from sigil.core.parse_result import Malformed, NeedMore
from sigil.core.proxy_protocol import SIGNATURE, ProxyHeader, parse_proxy_header

TCP4 = bytes((192, 0, 2, 1, 192, 0, 2, 2)) + pack("!HH", 56324, 443)
TCP6 = bytes.fromhex("20010db8000000000000000000000001") * 2 + pack("!HH", 7, 443)


def binary(addresses: bytes, family: int = 0x11, command: int = 0x21) -> bytes:
    return SIGNATURE + pack("!BBH", command, family, len(addresses)) + addresses


HEADERS = [
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", Peer("192.0.2.1", 56324)),
    (b"PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", Peer("2001:db8::1", 0)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None),
    (binary(TCP4), Peer("192.0.2.1", 56324)),
    (binary(TCP4 + b"\x04\x00\x02\x00\x00"), Peer("192.0.2.1", 56324)),
    (binary(TCP6, 0x21), Peer("2001:db8::1", 7)),
    (binary(b"/run/a.sock".ljust(108, b"\0") + bytes(108), 0x31), Peer("/run/a.sock", 0)),
    (binary(b"\0name".ljust(108, b"\0") + bytes(108), 0x31), Peer("@name", 0)),
    (binary(bytes(216), 0x31), Peer("", 0)),
    (binary(b"", 0x00), None),
    (binary(TCP4, 0x11, 0x20), None),
    (binary(b"", 0x00, 0x20), None),
]


@pytest.mark.parametrize(("data", "peer"), HEADERS)
def test_a_header_says_for_whom_it_is_and_how_long_it_is(data: bytes, peer: Peer | None) -> None:
    assert parse_proxy_header(data, 536) == ProxyHeader(peer, len(data))
    assert parse_proxy_header(data + b"GET / HTTP/1.1\r\n", 536) == ProxyHeader(peer, len(data))


@pytest.mark.parametrize(("data", "peer"), HEADERS)
def test_every_beginning_of_one_needs_more(data: bytes, peer: Peer | None) -> None:
    for end in range(len(data)):
        assert parse_proxy_header(data[:end], 536) == NeedMore(end)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "it begins with something else"),
        (b"G", "it begins with something else"),
        (b"\r\n\r\nGET", "it begins with something else"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "its line is malformed"),
        (b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "its line is malformed"),
        (b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "its line is malformed"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n\r\n", "its line is malformed"),
        (b"PROXY TCP6 ::1%\x1b[2J ::1 1 2\r\n", "its line is malformed"),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n", "its addresses are malformed"),
        (b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "its addresses are malformed"),
        (b"PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", "its addresses are malformed"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", "its ports are none"),
        (b"PROXY TCP4 " + b"1" * 96, "its line does not end"),
        (b"PROXY UNKNOWN " + b"1" * 200 + b"\r\n", "its line does not end"),
        (binary(TCP4, command=0x11), "its version and command are 0x11"),
        (binary(TCP4, command=0x22), "its version and command are 0x22"),
        (binary(TCP4, 0x12), "its family of addresses is 0x12"),
        (binary(TCP4[:11]), "its addresses are too short"),
        (binary(TCP4, 0x21), "its addresses are too short"),
        (binary(bytes(521)), "it is longer than 536 bytes"),
        (binary(bytes(521))[:16], "it is longer than 536 bytes"),
    ],
)
def test_what_is_none_is_refused_as_soon_as_that_is_known(data: bytes, sentence: str) -> None:
    refused = parse_proxy_header(data, 536)
    assert isinstance(refused, Malformed)
    assert refused.message == f"no header of the PROXY protocol: {sentence}"
    assert refused.status == 0


def test_a_header_may_be_as_long_as_the_caller_allows() -> None:
    assert parse_proxy_header(binary(bytes(520)), 536) == ProxyHeader(Peer("0.0.0.0", 0), 536)


@given(st.binary(max_size=60), st.sampled_from([b"", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"!"]))
def test_any_bytes_have_one_of_three_results(data: bytes, begin: bytes) -> None:
    result = parse_proxy_header(begin + data, 100)
    assert isinstance(result, ProxyHeader | Malformed | NeedMore)
    if isinstance(result, ProxyHeader):
        assert result.length <= len(begin + data)
