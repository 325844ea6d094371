"""Which origins are served: the same one as the host's, or those on a list."""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.parse_result import Malformed
from sigil.core.websocket.handshake import Offer
from sigil.core.websocket.origin import is_same_origin
from tests.support.core_driver import same
from tests.support.upgrade_requests import PLAIN, asking, checked


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://a.example", "a.example"),
        ("https://a.example", "a.example"),
        ("HTTP://A.example", "a.EXAMPLE"),
        ("http://a.example:80", "a.example"),
        ("http://a.example", "a.example:80"),
        ("https://a.example", "a.example:443"),
        ("http://a.example", "a.example:"),
        ("http://a.example:8080", "a.example:8080"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://a.example:8080", "a.example:08080"),
        ("http://[::1]", "[::1]:80"),
        ("app://a.example", "a.example"),
    ],
)
def test_an_origin_may_name_the_host_in_other_words(origin: str, host: str) -> None:
    assert is_same_origin(origin, host)
    assert same(checked(asking({"Origin": origin, "Host": host})), PLAIN)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", "null"),
        ("", "a"),
        ("a.example", "a.example"),
        ("http://b.example", "a.example"),
        ("http://a.example.evil.example", "a.example"),
        ("http://a.example@evil.example", "a.example"),
        ("http://evil.example#a.example", "a.example"),
        ("http://a.example/", "a.example"),
        ("http://a.example, http://a.example", "a.example"),
        ("http://a.example:8080", "a.example"),
        ("http://a.example", "a.example:443"),
        ("https://a.example", "a.example:80"),
        ("http://a.example", "a.example:8080"),
        ("http://[::1]", "[::2]"),
        ("file://", "a"),
        ("http://a:0", "a"),
    ],
)
def test_any_other_origin_is_foreign(origin: str, host: str) -> None:
    assert not is_same_origin(origin, host)
    refusal = checked(asking({"Origin": origin, "Host": host}))
    assert isinstance(refusal, Malformed)
    assert refusal.reason is CloseReason.ORIGIN_REFUSED


@pytest.mark.parametrize(
    ("origin", "origins", "is_served"),
    [
        (None, (), True),
        (None, ("http://b.example",), True),
        ("http://b.example", ("http://a.example", "http://b.example"), True),
        ("http://b.example", ("*",), True),
        ("null", ("*",), True),
        ("null", ("null",), True),
        ("http://server.example.com", (), False),
        ("http://server.example.com", ("http://b.example",), False),
        ("http://b.example:80", ("http://b.example",), False),
        ("https://b.example", ("http://b.example",), False),
    ],
)
def test_a_list_of_origins_is_exact(
    origin: str | None, origins: tuple[str, ...], is_served: bool
) -> None:
    assert isinstance(checked(asking({"Origin": origin}), origins), Offer) is is_served
