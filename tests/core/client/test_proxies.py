"""Which proxy is asked, and which hosts need none."""

import pytest

from sigil.core.client.proxies import (
    NO_PROXIES,
    Proxies,
    every_proxy,
    is_exempt,
    parse_proxy,
    proxies_from,
    proxy_authorization,
    proxy_for,
)
from sigil.core.client.uri import Uri
from sigil.core.parse_result import Malformed
from tests.support.core_agent import uri_of

P = uri_of("http://p:3128")


def test_a_proxy_is_read_in_both_forms() -> None:
    assert parse_proxy("p:3128") == P
    assert parse_proxy("http://p:3128") == P
    secure = parse_proxy("https://p:3128")
    assert isinstance(secure, Uri) and (secure.is_secure, secure.port) == (True, 3128)
    assert parse_proxy("https://p") == parse_proxy("https://p:443")
    with_user = parse_proxy("u:s%40:x@p:3128")
    assert isinstance(with_user, Uri)
    assert proxy_authorization(with_user) == "Basic dTpzQDp4"
    assert proxy_authorization(P) == proxy_authorization(None) == ""
    for text in ("", "ws://p:1", "socks5://p:1", "p:0", "http://", "a b:1"):
        error = parse_proxy(text)
        assert isinstance(error, Malformed) and "proxy" in error.message
    error = parse_proxy("socks5://p:1")
    assert isinstance(error, Malformed)
    assert error.message == "a proxy is http://host:port or https; 'socks5' is not known"


def test_the_environment_names_proxies() -> None:
    environment = {
        "http_proxy": "p:3128",
        "HTTPS_PROXY": "http://q:1",
        "all_proxy": "r:1",
        "no_proxy": "a, .b",
    }
    proxies = proxies_from(environment)
    assert proxy_for(uri_of("http://x/"), proxies) == P
    assert proxy_for(uri_of("https://x/"), proxies) == uri_of("http://q:1")
    assert proxy_for(uri_of("ws://x/"), proxies) == P
    assert proxy_for(uri_of("http://a/"), proxies) is None
    assert proxy_for(uri_of("https://c.b/"), proxies) is None
    only_all = proxies_from({"ALL_PROXY": "r:1"})
    assert proxy_for(uri_of("wss://x/"), only_all) == uri_of("http://r:1")
    assert proxies_from({"http_proxy": "no proxy at all"}) == NO_PROXIES


def test_a_request_cannot_name_a_proxy() -> None:
    cgi = {"REQUEST_METHOD": "GET", "HTTP_PROXY": "evil:1"}
    assert proxies_from(cgi) == NO_PROXIES
    assert proxies_from({"HTTP_PROXY": "p:3128"}) != NO_PROXIES
    assert proxies_from({**cgi, "http_proxy": "p:3128"}) == Proxies((("http", P),))


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("*", "http://a/", True),
        ("a", "http://a/", True),
        ("a", "http://b.a/", True),
        (".a", "http://a/", True),
        ("*.a", "http://b.a/", True),
        ("a", "http://ba/", False),
        ("a:80", "http://a/", True),
        ("a:81", "http://a/", False),
        ("127.0.0.1", "http://127.0.0.1/", True),
        ("127.0.0.0/8", "http://127.1.2.3/", True),
        ("10.0.0.0/8", "http://127.0.0.1/", False),
        ("::1", "http://[::1]/", True),
        ("[::1]:80", "http://[::1]/", True),
        ("fd00::/8", "http://[fd00::5]/", True),
        ("", "http://a/", False),
        ("a/b", "http://127.0.0.1/", False),
    ],
)
def test_hosts_may_be_exempt(name: str, url: str, expected: bool) -> None:
    assert is_exempt(uri_of(url), name) is expected


def test_one_proxy_may_be_for_everything() -> None:
    for url in ("http://a/", "https://a/", "ws://a/", "wss://a/"):
        assert proxy_for(uri_of(url), every_proxy(P)) == P
