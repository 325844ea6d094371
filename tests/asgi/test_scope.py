"""Scopes of literal requests."""

from typing import Any

import pytest

from sigil import Headers, Peer, Request
from sigil.asgi.scope import (
    Place,
    client_address,
    http_scope,
    lifespan_scope,
    raw_headers,
    server_address,
    websocket_scope,
)

PEER = Peer("192.0.2.1", 4711)
HERE = Place("", ("127.0.0.1", 8080))


def request(target: str = "/", path: str = "/", query: str = "", **more: Any) -> Request:
    """A GET."""
    fields = Headers((("Host", "h"), ("X-A", "1"), ("x-a", "\xe4")))
    return Request("GET", target, path, query, 1, fields, b"", PEER).replace(**more)


def test_every_field_of_an_http_scope_is_there() -> None:
    made = http_scope(request("/a%20b?c=%20", "/a b", "c=%20"), HERE, {"a": 1})
    assert made == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=%20",
        "root_path": "",
        "headers": [(b"host", b"h"), (b"x-a", b"1"), (b"x-a", b"\xe4")],
        "client": ("192.0.2.1", 4711),
        "server": ("127.0.0.1", 8080),
        "state": {"a": 1},
        "extensions": {},
    }


def test_every_field_of_a_websocket_scope_is_there() -> None:
    fields = Headers((("Sec-WebSocket-Protocol", "a, b"),))
    made = websocket_scope(request("/w?c", "/w", "c", headers=fields), HERE, {})
    assert made == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/w",
        "raw_path": b"/w",
        "query_string": b"c",
        "root_path": "",
        "headers": [(b"sec-websocket-protocol", b"a, b")],
        "client": ("192.0.2.1", 4711),
        "server": ("127.0.0.1", 8080),
        "subprotocols": ["a", "b"],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


def test_the_scope_of_a_lifespan_holds_the_state_itself() -> None:
    state: dict[str, Any] = {}
    made = lifespan_scope(state)
    assert made == {
        "type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {},
    }  # fmt: skip
    assert made["state"] is state


def test_what_a_scope_holds_belongs_to_it() -> None:
    state, one = {"a": 1}, request()
    first, second = http_scope(one, HERE, state), http_scope(one, HERE, state)
    for name in ("headers", "state", "asgi", "extensions"):
        assert first[name] is not second[name]
    first["state"]["b"] = 2
    assert state == {"a": 1}


@pytest.mark.parametrize(
    ("root", "mount", "target", "expected"),
    [
        ("", "", "/a%2Fb", ("", "/a/b", b"/a%2Fb")),
        ("/api", "", "/a%2Fb", ("/api", "/api/a/b", b"/api/a%2Fb")),
        ("", "/m%20n", "/m%20n/a", ("/m n", "/m n/a", b"/m%20n/a")),
        ("/api", "/m", "/m/a", ("/api/m", "/api/m/a", b"/api/m/a")),
        ("", "", "http://h/a%20b?c", ("", "/a b", b"/a%20b")),
        ("/ä", "", "/a", ("/ä", "/ä/a", "/ä/a".encode())),
    ],
)
def test_a_path_is_whole_and_begins_with_what_it_is_mounted_at(
    root: str, mount: str, target: str, expected: tuple[str, str, bytes]
) -> None:
    from urllib.parse import unquote, urlsplit

    path = unquote(urlsplit(target).path)
    asked = request(target, path, mount_path=mount)
    made = http_scope(asked, Place(root, None), {})
    assert (made["root_path"], made["path"], made["raw_path"]) == expected
    made = websocket_scope(asked, Place(root, None), {})
    assert (made["root_path"], made["path"], made["raw_path"]) == expected


def test_versions_and_schemes_are_those_of_the_request() -> None:
    assert http_scope(request(version=0), HERE, {})["http_version"] == "1.0"
    assert http_scope(request(scheme="https"), HERE, {})["scheme"] == "https"
    assert websocket_scope(request(scheme="https"), HERE, {})["scheme"] == "wss"


def test_addresses_of_unix_sockets_are_those_of_the_specification() -> None:
    assert server_address("/run/a", 0) == ("/run/a", None)
    assert server_address("127.0.0.1", 80) == ("127.0.0.1", 80)
    assert client_address(Peer("", 0)) is None
    assert client_address(Peer("/run/b", 0)) is None
    assert client_address(Peer("192.0.2.1", 0)) == ("192.0.2.1", 0)
    assert client_address(Peer("::1", 5)) == ("::1", 5)


def test_names_are_in_lower_case_however_many_there_are() -> None:
    pairs = (*((f"X-{number}", str(number)) for number in range(2_000)), ("Y" * 500, ""))
    made = raw_headers(request(headers=Headers(pairs)))
    assert made[1_999] == (b"x-1999", b"1999")
    assert made[-1] == (b"y" * 500, b"")
