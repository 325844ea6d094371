"""Clients behind proxies: literal fields, from those that are trusted and those that are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.conn import Peer
from sigil.core.http.request import Request
from sigil.core.web.forwarded import (
    Hop,
    ProxyRules,
    from_client,
    make_proxy_rules,
    parse_forwarded,
    parse_node,
)
from tests.support.requests import make_request


def rules(*networks: str, family: str = "x-forwarded", host: bool = True) -> ProxyRules:
    made = make_proxy_rules(networks or ("10.0.0.0/8", "::1"), family, True, host)
    assert isinstance(made, ProxyRules)
    return made


def seen(request: Request) -> tuple[str, str, str]:
    return str(request.peer), request.scheme, request.host


def x_forwarded(peer: str, **fields: str) -> Request:
    pairs = [("Host", "inner"), *((f"X-Forwarded-{name}", text) for name, text in fields.items())]
    return make_request("/", *pairs, host=peer)


@pytest.mark.parametrize(
    ("peer", "fields", "expected"),
    [
        # one proxy
        ("10.0.0.1", {"For": "192.0.2.9"}, ("192.0.2.9", "http", "inner")),
        ("10.0.0.1", {"For": "192.0.2.9:80"}, ("192.0.2.9:80", "http", "inner")),
        (
            "10.0.0.1",
            {"For": "192.0.2.9", "Proto": "https", "Host": "a.example"},
            ("192.0.2.9", "https", "a.example"),
        ),
        ("::1", {"For": "2001:db8::1"}, ("[2001:db8::1]", "http", "inner")),
        ("::1", {"For": "[2001:db8::1]:443"}, ("[2001:db8::1]:443", "http", "inner")),
        ("::ffff:10.0.0.1", {"For": "192.0.2.9"}, ("192.0.2.9", "http", "inner")),
        # what the client wrote itself is further left
        ("10.0.0.1", {"For": "10.9.9.9, 192.0.2.9"}, ("192.0.2.9", "http", "inner")),
        ("10.0.0.1", {"For": "1.1.1.1, 192.0.2.9, 10.0.0.2"}, ("192.0.2.9", "http", "inner")),
        # all of them are trusted: the first one is the client
        ("10.0.0.1", {"For": "10.0.0.3, 10.0.0.2"}, ("10.0.0.3", "http", "inner")),
        # no address: the last that is known
        ("10.0.0.1", {"For": "192.0.2.9, unknown"}, ("10.0.0.1:50000", "http", "inner")),
        ("10.0.0.1", {"For": "192.0.2.9, _x, 10.0.0.2"}, ("10.0.0.2", "http", "inner")),
        ("10.0.0.1", {"For": "garbage"}, ("10.0.0.1:50000", "http", "inner")),
        ("10.0.0.1", {"For": "192.0.2.9:99999"}, ("10.0.0.1:50000", "http", "inner")),
        ("10.0.0.1", {"For": "192.0.2.9,"}, ("10.0.0.1:50000", "http", "inner")),
        # schemes and hosts of the entry that was taken
        (
            "10.0.0.1",
            {"For": "1.1.1.1, 192.0.2.9, 10.0.0.2", "Proto": "http, https, http"},
            ("192.0.2.9", "https", "inner"),
        ),
        (
            "10.0.0.1",
            {"For": "192.0.2.9, 10.0.0.2", "Proto": "https", "Host": "a:1"},
            ("192.0.2.9", "https", "a:1"),
        ),
        ("10.0.0.1", {"Proto": "https"}, ("10.0.0.1:50000", "https", "inner")),
        ("10.0.0.1", {"For": "192.0.2.9", "Proto": "gopher"}, ("192.0.2.9", "http", "inner")),
        ("10.0.0.1", {"For": "192.0.2.9", "Proto": "wss"}, ("192.0.2.9", "https", "inner")),
        ("10.0.0.1", {"For": "192.0.2.9", "Host": "a b"}, ("192.0.2.9", "http", "inner")),
        # nothing is said, or by somebody else
        ("10.0.0.1", {}, ("10.0.0.1:50000", "http", "inner")),
        (
            "192.0.2.1",
            {"For": "10.0.0.1", "Proto": "https", "Host": "a"},
            ("192.0.2.1:50000", "http", "inner"),
        ),
    ],
)
def test_the_client_is_the_nearest_that_is_not_trusted(
    peer: str, fields: dict[str, str], expected: tuple[str, str, str]
) -> None:
    assert seen(from_client(x_forwarded(peer, **fields), rules())) == expected


def test_a_request_of_a_stranger_is_the_very_same() -> None:
    request = x_forwarded("192.0.2.1", For="1.1.1.1")
    assert from_client(request, rules()) is request


def test_only_the_family_that_was_named_is_believed() -> None:
    request = make_request(
        "/", ("X-Forwarded-For", "1.1.1.1"), ("Forwarded", "for=2.2.2.2;proto=https"),
        host="10.0.0.1",
    )  # fmt: skip
    assert seen(from_client(request, rules())) == ("1.1.1.1", "http", "")
    assert seen(from_client(request, rules(family="forwarded"))) == ("2.2.2.2", "https", "")


def test_a_host_is_believed_only_if_that_was_asked_for() -> None:
    request = x_forwarded("10.0.0.1", For="1.1.1.1", Host="evil.example")
    assert seen(from_client(request, rules(host=False))) == ("1.1.1.1", "http", "inner")


def test_unix_sockets_are_trusted_by_name() -> None:
    request = make_request("/", ("X-Forwarded-For", "1.1.1.1"), host="")
    assert seen(from_client(request, rules("unix")))[0] == "1.1.1.1"
    assert from_client(request, rules("127.0.0.1")) is request


@pytest.mark.parametrize(
    ("value", "hops"),
    [
        # RFC 7239, section 4
        ('for="_gazonk"', [Hop("_gazonk")]),
        ('For="[2001:db8:cafe::17]:4711"', [Hop("[2001:db8:cafe::17]:4711")]),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", [Hop("192.0.2.60", "http")]),
        ("for=192.0.2.43, for=198.51.100.17", [Hop("192.0.2.43"), Hop("198.51.100.17")]),
        ('for="1.1.1.1" ; host="a.example:8080"', [Hop("1.1.1.1", "", "a.example:8080")]),
        ('for="a,b;c\\"d"', [Hop('a,b;c"d')]),
        ("", []),
        (" , ,", []),
        ("secret=x", [Hop("")]),
        # malformed
        ("for=1.1.1.1;for=2.2.2.2", None),
        ("for", None),
        ("for=", None),
        ('for="open', None),
        ("for=[::1]", None),
        ("for=1.1.1.1 junk", None),
        ('for="1.1.1.1"x', None),
    ],
)
def test_forwarded_is_parsed(value: str, hops: list[Hop] | None) -> None:
    assert parse_forwarded(value) == hops


@given(st.text(alphabet='for=proto;,."[]: 12\\', max_size=40))
def test_any_text_is_parsed_or_refused(value: str) -> None:
    assert parse_forwarded(value) is None or isinstance(parse_forwarded(value), list)
    request = make_request("/", ("Forwarded", value), host="10.0.0.1")
    assert from_client(request, rules(family="forwarded")).target == "/"


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("192.0.2.1", Peer("192.0.2.1", 0)),
        (" 192.0.2.1:443 ", Peer("192.0.2.1", 443)),
        ("[::1]", Peer("::1", 0)),
        ("::FFFF:192.0.2.1", Peer("192.0.2.1", 0)),
        ("1.2.3", None),
        ("1.2.3.4.5", None),
        ("1.2.3.4:", None),
        ("[1.2.3.4", None),
        ("", None),
        ("example.com", None),
    ],
)
def test_a_node_is_an_address(text: str, peer: Peer | None) -> None:
    assert parse_node(text) == peer


@pytest.mark.parametrize(
    ("networks", "family", "sentence"),
    [
        ((), "x-forwarded", "trusted_proxies needs networks, such as '127.0.0.1' or '10.0.0.0/8'"),
        (("localhost",), "x-forwarded", "'localhost' is no network: 'localhost' does not appear"),
        (("10.0.0.1/8",), "x-forwarded", "'10.0.0.1/8' is no network: 10.0.0.1/8 has host bits"),
        ((7,), "x-forwarded", "a network is a str such as '10.0.0.0/8', not 7"),
        (("::1",), "both", "fields is 'x-forwarded' or 'forwarded', not 'both'"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    networks: tuple[str, ...], family: str, sentence: str
) -> None:
    made = make_proxy_rules(networks, family, True, True)
    assert isinstance(made, str) and made.startswith(sentence)
