"""The scope of a connection: what an ASGI application knows when it is called.

Theory: a scope is a function of a request, of where the server listens, and of what the program has
said about the two; so it is built here, of values, and tried with literal ones.

Rules: every field that the specification names is there, also where it may be left out. What a
scope holds is the application's to change: lists and dictionaries are made anew for each. Fields
are given as they came, in order, their names in lower case. It does not know what is done with it.
"""

from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote

from sigil import Peer, Request

Scope: TypeAlias = dict[str, Any]

VERSION: Final = "3.0"
HTTP_SPEC_VERSION: Final = "2.3"
"""Frameworks take this for a server that tells of a client's leaving by `receive`, which they then
listen to while they send: what they do for it ends at once.
"""
WEBSOCKET_SPEC_VERSION: Final = "2.4"
LIFESPAN_SPEC_VERSION: Final = "2.0"

Address: TypeAlias = tuple[str, int | None]

_HTTP_VERSIONS: Final = ("1.0", "1.1")
_WEBSOCKET_SCHEMES: Final = {"http": "ws", "https": "wss"}
_NAMES_MAX: Final = 512
_NAME_LEN_MAX: Final = 64


class Place(NamedTuple):
    """Where an application is: the path that it is mounted at, and where the server listens."""

    root_path: str
    server: Address | None


class _Names(dict[str, bytes]):
    """The names of fields, as bytes in lower case; those that came first are remembered."""

    def __missing__(self, name: str) -> bytes:
        raw = name.lower().encode("latin-1")
        if len(self) < _NAMES_MAX and len(name) <= _NAME_LEN_MAX:
            self[name] = raw
        return raw


_RAW_NAMES: Final = _Names()


def raw_headers(request: Request) -> list[tuple[bytes, bytes]]:
    """The header fields as pairs of bytes, in order."""
    names = _RAW_NAMES
    return [(names[name], value.encode("latin-1")) for name, value in request.headers.pairs]


def client_address(peer: Peer) -> tuple[str, int] | None:
    """The address of a client; None for one at a Unix socket."""
    if not peer.port and str(peer).startswith("unix:"):
        return None
    return peer.host, peer.port


def server_address(host: str, port: int) -> Address:
    """The address that a server listens on: host and port, or the path of a Unix socket and
    None.
    """
    return host, port or None


def _paths(request: Request, place: Place) -> tuple[str, str, bytes]:
    """The path that the application is mounted at, the whole path, and that as it was sent."""
    target, root = request.target, place.root_path
    is_absolute = target[0] != "/"  # the absolute form
    raw = request.mount_path + request.subpath if is_absolute else target.partition("?")[0]
    if not root and not request.mount_path:
        return "", request.path, raw.encode("latin-1")
    mounted = root + unquote(request.mount_path)
    return mounted, root + request.path, (root + raw).encode()


def http_scope(request: Request, place: Place, state: dict[str, Any]) -> Scope:
    """The scope of a request."""
    scope = _scope("http", HTTP_SPEC_VERSION, request, place, state)
    scope["method"] = request.method
    return scope


def websocket_scope(request: Request, place: Place, state: dict[str, Any]) -> Scope:
    """The scope of a request that asks for a WebSocket."""
    scope = _scope("websocket", WEBSOCKET_SPEC_VERSION, request, place, state)
    scope["scheme"] = _WEBSOCKET_SCHEMES.get(request.scheme, "ws")
    scope["subprotocols"] = list(request.subprotocols)
    scope["extensions"] = {"websocket.http.response": {}}
    return scope


def _scope(
    kind: str, spec_version: str, request: Request, place: Place, state: dict[str, Any]
) -> Scope:
    """What the scopes of both kinds of requests have."""
    root_path, path, raw_path = _paths(request, place)
    return {
        "type": kind,
        "asgi": {"version": VERSION, "spec_version": spec_version},
        "http_version": _HTTP_VERSIONS[request.version],
        "scheme": request.scheme,
        "path": path,
        "raw_path": raw_path,
        "query_string": request.query.encode("latin-1"),
        "root_path": root_path,
        "headers": raw_headers(request),
        "client": client_address(request.peer),
        "server": place.server,
        "state": state.copy(),
        "extensions": {},
    }


def lifespan_scope(state: dict[str, Any]) -> Scope:
    """The scope of the application's own beginning and end: what it puts into `state` is in all
    others.
    """
    return {
        "type": "lifespan",
        "asgi": {"version": VERSION, "spec_version": LIFESPAN_SPEC_VERSION},
        "state": state,
    }
