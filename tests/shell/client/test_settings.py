"""What a program gives: whatever could end a line of a request, or makes no sense, is refused at
the call.
"""

from collections.abc import Callable
from typing import Any

import pytest

from sigil.client import Client, Cookie, Uri, parse_uri
from sigil.shell.client.settings import checked_uri, checked_url

HERE = "http://127.0.0.1:9/"
EVIL = "x\r\nEvil: 1"


@pytest.mark.parametrize(
    "misuse",
    [
        lambda client: client.get(Uri("http", "127.0.0.1", 9, f"/{EVIL}")),
        lambda client: client.get(Uri("http", "127.0.0.1", 9, "/", EVIL)),
        lambda client: client.get(Uri("http", f"a{EVIL}", 9)),
        lambda client: client.get(Uri("http", "a/b@c", 9)),
        lambda client: client.get(Uri("file", "", 9, "/etc/passwd")),
        lambda client: client.get(HERE, cookies={"a": EVIL}),
        lambda client: client.get(HERE, cookies={"a": "€"}),
        lambda client: client.get(HERE, cookies={"a=b": "c"}),
        lambda client: client.set_cookie(Cookie("a", EVIL, "127.0.0.1")),
        lambda client: client.set_cookie(Cookie("a;b", "c", "127.0.0.1")),
        lambda client: client.get(HERE, headers={"a": EVIL}),
        lambda client: client.request(f"GET {EVIL}", HERE),
        lambda client: client.get(HERE, max_redirects="3"),
        lambda client: client.get(HERE, retries=-1),
        lambda client: client.get(HERE, max_response_len=1.5),
        lambda client: client.get("http://[fe80::1%€]/"),
        lambda client: Client(user_agent=EVIL),
        lambda client: Client(user_agent="€"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_the_call(misuse: Callable[[Client], Any]) -> None:
    with Client() as client, pytest.raises(ValueError):
        misuse(client)
    assert not client.state.calls


@pytest.mark.parametrize(
    ("misuse", "sentence"),
    [
        (lambda client: client.get(HERE, params="a=b"), "params are a mapping or pairs, not str"),
        (lambda client: client.get(HERE, params=5), "params are a mapping or pairs, not int"),
        (lambda client: client.get(HERE, params=["ab"]), "params are a mapping or pairs, not 'ab'"),
        (lambda client: client.get(HERE, params=[("a",)]), r"mapping or pairs, not \('a',\)"),
        (lambda client: client.post(HERE, form="a=b"), "form are a mapping or pairs, not str"),
        (lambda client: client.post(HERE, form=5), "form are a mapping or pairs, not int"),
        (lambda client: client.request(5, HERE), "a method is a str, not int"),
    ],
)
def test_what_is_something_else_is_said_at_the_call(
    misuse: Callable[[Client], Any], sentence: str
) -> None:
    with Client() as client, pytest.raises(TypeError, match=sentence):
        misuse(client)


def test_a_client_is_ticked_along_with_a_server_and_nothing_else() -> None:
    no_server: Any = 8080
    with pytest.raises(TypeError, match="server is an HttpServer, not int"):
        Client(server=no_server)


def test_a_uri_that_is_one_stays_what_it_is() -> None:
    for text in ("http://u:p@[fe80::1%7]:81/a%20b?c=d#e", "https://h/", "ws://1.2.3.4/?"):
        assert checked_uri(parse_uri(text)) == parse_uri(text)


def test_a_reference_may_have_a_url_in_its_query() -> None:
    base = parse_uri("http://h/base")
    assert str(checked_url("/in?next=http://x/", base, None)) == "http://h/base/in?next=http://x/"
    assert str(checked_url("https://x/", base, None)) == "https://x/"


def test_no_password_is_shown() -> None:
    uri = parse_uri("http://user:secret@h/")
    assert "secret" not in repr(uri) and "secret" not in str(uri) and "userinfo='...'" in repr(uri)
