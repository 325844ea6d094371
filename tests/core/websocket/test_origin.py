"""Which origins are served: the same one as the host's, or those on a list."""

import pytest

from sigil import Headers, Limits, Response
from sigil.core.close_reasons import CloseReason
from sigil.core.parse_result import Malformed
from sigil.core.websocket.handshake import Offer
from sigil.core.websocket.origin import is_same_origin
from sigil.testing import Client
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
        ("http://b.example:80", ("http://b.example",), True),
        ("http://b.example:81", ("http://b.example",), False),
        ("http://b.example", ("HTTP://B.Example:80",), True),
        ("https://b.example", ("https://b.example:443",), True),
        ("https://b.example:80", ("https://b.example",), False),
        ("http://server.example.com", ("self",), True),
        ("http://server.example.com", ("http://b.example", "self"), True),
        ("http://b.example", ("http://b.example", "self"), True),
        ("http://c.example", ("http://b.example", "self"), False),
        ("null", ("self",), False),
        ("self", ("self",), False),
        ("*", ("http://b.example",), False),
        ("file://", ("file://",), True),
        ("file://", ("null",), False),
        ("null", ("file://",), False),
        ("http://[::1]:8080", ("http://[::1]:8080",), True),
        ("app://shell", ("app://shell",), True),
        ("http://b.example/", ("http://b.example",), False),
        ("http://b.example, http://b.example", ("http://b.example",), False),
        ("https://b.example", ("http://b.example",), False),
    ],
)
def test_a_list_of_origins_means_what_it_says(
    origin: str | None, origins: tuple[str, ...], is_served: bool
) -> None:
    assert isinstance(checked(asking({"Origin": origin}), origins), Offer) is is_served


# -- event streams of other pages ------------------------------------------------------------------


def told(origin: str | None, origins: tuple[str, ...] | None, response: Response) -> Headers:
    """The headers of this response to a request of a page with this Origin."""
    client = Client(lambda request: response, limits=Limits(origins=origins))
    connection = client.connect(window_len=10_000)
    fields = {} if origin is None else {"Origin": origin}
    connection.request("GET", "/", headers={"Host": "server.example.com", **fields})
    head = connection.read(10_000).partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 200 ")
    lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
    return Headers(tuple([(name, value) for name, value in lines]))


OWN, THERE = "http://server.example.com", "https://app.example.com"
STREAMS = [Response.sse(), Response.sse(["a"]), Response.poll(timeout=0)]


@pytest.mark.parametrize("response", STREAMS)
@pytest.mark.parametrize(
    ("origin", "origins", "allowed"),
    [
        (THERE, (THERE,), THERE),
        (THERE, ("self", THERE), THERE),
        (OWN, ("self", THERE), OWN),
        (OWN, None, OWN),
        (THERE, ("*",), "*"),
        ("null", ("null",), "null"),
        (THERE, None, None),
        (THERE, (OWN,), None),
        (THERE, (), None),
        (None, ("*",), None),
        (None, (THERE,), None),
    ],
)
def test_the_list_says_whose_pages_may_read_an_event_stream(
    origin: str | None, origins: tuple[str, ...] | None, allowed: str | None, response: Response
) -> None:
    headers = told(origin, origins, response)
    assert headers.get("access-control-allow-origin") == allowed
    assert headers.get("vary") == (None if allowed is None else "Origin")


def test_what_the_program_says_itself_stays() -> None:
    own = (("Access-Control-Allow-Origin", "https://b.example"), ("Vary", "Accept"))
    headers = told(THERE, (THERE,), Response.sse(headers=own))
    assert headers.get("access-control-allow-origin") == "https://b.example"
    assert headers.get("vary") == "Accept"
    headers = told(THERE, (THERE,), Response.sse(headers=(("Vary", "Accept"),)))
    assert headers.get("access-control-allow-origin") == THERE
    assert headers.get("vary") == "Accept, Origin"


@pytest.mark.parametrize(
    "response", [Response.text("x"), Response.json({}), Response.stream(iter((b"x",)))]
)
def test_what_is_no_stream_of_events_is_the_programs_business(response: Response) -> None:
    assert told(THERE, ("*",), response).get("access-control-allow-origin") is None
