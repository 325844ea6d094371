"""What an entry of `Limits.origins` means; what no browser sends is refused, with what to write."""

import pytest

from sigil import Limits, make_http_server
from sigil.core.limits_check import check_limits
from sigil.core.origins import check_origins, listed_origins, normal_origin
from sigil.testing import Client


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://a.example", "https://a.example"),
        ("HTTPS://A.example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:0080", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://[::FFFF:7f00:1]", "http://[::ffff:7f00:1]"),
        ("http://xn--mnchen-3ya.example", "http://xn--mnchen-3ya.example"),
        ("http://my_host", "http://my_host"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
        ("null", "null"),
        ("file://", "file://"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(text: str, origin: str) -> None:
    assert normal_origin(text) == origin
    assert normal_origin(origin) == origin
    assert check_origins((text,)) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "*", "self", "a.example", "http://", "http://a.example/", "http://a.example/path",
        "http://a.example?", "http://a.example#x", "http://u@a.example", "http://a.example:",
        "http://a.example:0", "http://a.example:65536", "http://a.example:x", "http://*.example",
        "http://a b", " http://a.example", "http://münchen.example", "http://.a", "http://a.",
        "http://[::1", "NULL", "file:///", "http://a.example, http://b.example",
    ],
)  # fmt: skip
def test_anything_else_is_no_origin(text: str) -> None:
    assert normal_origin(text) is None


@pytest.mark.parametrize(
    ("entry", "advice"),
    [
        ("https://a.example/", "write 'https://a.example'"),
        ("https://a.example/app?x#y", "write 'https://a.example'"),
        ("https://A.example:443/", "write 'https://a.example'"),
        ("https://user:word@a.example", "write 'https://a.example'"),
        (" https://a.example", "write 'https://a.example'"),
        ("https://a.example ", "write 'https://a.example'"),
        ("a.example", "write 'https://a.example' or 'http://a.example'"),
        ("a.example:8080/x", "write 'https://a.example:8080' or 'http://a.example:8080'"),
        ("", "write 'https://example.com' or 'http://example.com'"),
        ("wss://a.example/ws", "write 'https://a.example'"),
        ("ws://a.example", "write 'http://a.example'"),
        ("https://*.a.example", "write each of them, or '*'"),
        ("SELF", "write 'self'"),
        ("Null", "write 'null'"),
        ("file:///home/ann/page.html", "'file://'"),
        ("https://münchen.example", "a host in ASCII"),
        ("https://a.example:99999", "write a scheme, a host in ASCII, and a port"),
        ("https://", "write a scheme, a host in ASCII, and a port"),
    ],
)
def test_what_no_browser_sends_is_refused_with_what_to_write(entry: str, advice: str) -> None:
    problem = check_origins(("https://b.example", entry))
    assert problem is not None and advice in problem and repr(entry) in problem
    limits = Limits(origins=("https://b.example", entry))
    assert check_limits(limits) == problem
    for make in (make_http_server, Client):
        with pytest.raises(ValueError, match="no browser sends"):
            make(lambda request: None, limits=limits)


@pytest.mark.parametrize(
    ("origins", "problem"),
    [
        ("https://a.example", "origins is None or a tuple of origins, not 'https://a.example'"),
        (["https://a.example"], "origins is None or a tuple of origins"),
        ((5,), "an origin is a str, not int"),
        ((None,), "an origin is a str, not NoneType"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(origins: object, problem: str) -> None:
    assert (check_origins(origins) or "").startswith(problem)


@pytest.mark.parametrize("origins", [None, (), ("*",), ("self",), ("null", "file://", "self")])
def test_what_may_be_named_may_be_named(origins: tuple[str, ...] | None) -> None:
    assert check_origins(origins) is None


def test_a_list_is_read_once_for_all_that_it_says() -> None:
    listed = listed_origins(("HTTP://A:80", "self", "*", "null"))
    assert listed == {"http://a", "self", "*", "null"}
