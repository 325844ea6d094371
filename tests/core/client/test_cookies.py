"""The jar: what is kept, what is sent, and what is ignored."""

import pytest

from sigil.core.client.cookies import (
    EMPTY_JAR,
    LONGEST_AGE,
    Cookie,
    CookieJar,
    cookie_field,
    cookies_in,
    parse_cookie_date,
    parse_set_cookie,
    with_cookie,
    with_cookies,
)
from sigil.core.client.limits import ClientLimits
from tests.support.core_agent import uri_of

NOW = 1_000_000
SECURE, PLAIN = uri_of("https://www.example.com/a/b"), uri_of("http://www.example.com/a/b")


def kept(field: str, url: str = "https://www.example.com/a/b") -> Cookie | None:
    """The cookie of a field from this URL."""
    return parse_set_cookie(field, uri_of(url), NOW)


def jar_of(*fields: str, url: str = "https://www.example.com/a/b") -> CookieJar:
    """A jar with these."""
    return with_cookies(EMPTY_JAR, fields, uri_of(url), NOW)


def test_a_cookie_has_its_attributes() -> None:
    assert kept("a=b") == Cookie("a", "b", "www.example.com", "/a")
    assert kept("a = b ; Path=/x; SECURE; HttpOnly; Max-Age=60; SameSite=Lax") == Cookie(
        "a", "b", "www.example.com", "/x", True, True, True, NOW + 60
    )
    assert kept("a=b; Domain=.Example.com") == Cookie("a", "b", "example.com", "/a", False)
    assert kept("a=b; Path=x") == Cookie("a", "b", "www.example.com", "/a")
    assert kept("alone") == Cookie("", "alone", "www.example.com", "/a")
    assert kept("a=b=c") == Cookie("a", "b=c", "www.example.com", "/a")
    assert kept("a=b", "https://h/") == Cookie("a", "b", "h", "/")
    expires = kept("a=b; Expires=Wed, 14 Jan 1970 00:00:00 GMT")
    assert expires is not None and expires.expires == 1_123_200
    long = kept("a=b; Max-Age=99999999999999999999")
    assert long is not None and long.expires == NOW + LONGEST_AGE


@pytest.mark.parametrize(
    ("field", "url"),
    [
        ("", "https://a/"),
        ("=", "https://a/"),
        ("a=b\x00", "https://a/"),
        (f"a={'b' * 4_096}", "https://a/"),
        ("a=b; Domain=other.com", "https://www.example.com/"),
        ("a=b; Domain=ample.com", "https://www.example.com/"),
        ("a=b; Domain=sub.www.example.com", "https://www.example.com/"),
        ("a=b; Domain=com", "https://example.com/"),
        ("a=b; Domain=0.0.1", "https://127.0.0.1/"),
        ("a=b; Secure", "http://a/"),
        ("__Secure-a=b", "https://a/"),
        ("__Host-a=b; Secure", "https://a/"),
        ("__Host-a=b; Secure; Path=/; Domain=example.com", "https://example.com/"),
        ("__host-a=b; Secure; Path=/x", "https://a/"),
        ("=__Host-a; Secure; Path=/", "https://a/"),
    ],
)
def test_what_may_not_be_set_is_ignored(field: str, url: str) -> None:
    assert kept(field, url) is None


def test_prefixes_are_kept_by_those_who_keep_their_promise() -> None:
    assert kept("__Secure-a=b; Secure", "https://a/") is not None
    assert kept("__Host-a=b; Secure; Path=/", "https://a/") is not None


def test_a_cookie_is_sent_to_whom_it_is_for() -> None:
    jar = jar_of("host=1; Path=/", "domain=2; Domain=example.com; Path=/", "deep=3; Path=/a/b",
                 "safe=4; Secure; Path=/")  # fmt: skip
    assert cookie_field(jar, SECURE, NOW) == "deep=3; host=1; safe=4; domain=2"
    assert cookie_field(jar, PLAIN, NOW) == "deep=3; host=1; domain=2"
    assert cookie_field(jar, uri_of("http://other.example.com/"), NOW) == "domain=2"
    assert cookie_field(jar, uri_of("http://sub.www.example.com/"), NOW) == "domain=2"
    assert cookie_field(jar, uri_of("http://badexample.com/"), NOW) == ""
    assert cookie_field(jar, uri_of("http://www.example.com/a/bc"), NOW) == "host=1; domain=2"
    assert cookie_field(jar, uri_of("http://www.example.com/a/b/c"), NOW).startswith("deep=3")
    assert cookie_field(EMPTY_JAR, SECURE, NOW) == ""


def test_a_cookie_is_replaced_and_ends() -> None:
    jar = jar_of("a=1", "b=2", "a=3")
    assert cookie_field(jar, SECURE, NOW) == "a=3; b=2"
    jar = with_cookies(jar, ["a=; Max-Age=0"], SECURE, NOW)
    assert cookie_field(jar, SECURE, NOW) == "b=2"
    jar = with_cookies(jar, ["b=2; Max-Age=10"], SECURE, NOW)
    assert cookie_field(jar, SECURE, NOW + 9) == "b=2"
    assert cookie_field(jar, SECURE, NOW + 10) == ""


def test_a_secure_cookie_is_not_replaced_in_the_clear() -> None:
    jar = jar_of("a=1; Secure; Path=/")
    assert with_cookies(jar, ["a=2; Path=/"], PLAIN, NOW) == jar
    assert cookies_in(with_cookies(jar, ["a=2; Path=/"], SECURE, NOW))[0].value == "2"


def test_a_jar_is_bounded() -> None:
    limits = ClientLimits(max_cookies=4, max_cookies_per_domain=3)
    jar = EMPTY_JAR
    for number in range(5):
        jar = with_cookies(jar, [f"c{number}=x"], SECURE, NOW, limits)
    assert [cookie.name for cookie in cookies_in(jar)] == ["c2", "c3", "c4"]
    for number in range(3):
        jar = with_cookie(jar, Cookie(f"d{number}", "x", "other"), NOW, limits)
    assert jar.count == 4 and len(cookies_in(jar)) == 4


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        ("Sun Nov  6 08:49:37 1994", 784_111_777),
        ("6 nov 1994 8:49:37", 784_111_777),
        ("Thu, 01-Jan-1970 00:00:00 GMT", 0),
        ("", None),
        ("tomorrow", None),
        ("31 Feb 2020 00:00:00", None),
        ("1 Jan 1600 00:00:00", None),
        ("1 Jan 2020 25:00:00", None),
    ],
)
def test_a_date_is_nearly_anything(text: str, seconds: int | None) -> None:
    assert parse_cookie_date(text) == seconds
