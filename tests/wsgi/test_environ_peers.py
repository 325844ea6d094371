"""The environ beside those of waitress and of wsgiref, for the same bytes.

Theory: PEP 3333 leaves some things open, and servers have filled them in. Each differs from sigil
where `DIFFERENCES` says so, and nowhere else; the guide explains them.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from waitress.server import create_server

from sigil import make_http_server
from sigil.wsgi import handler
from tests.support.servers import PATIENCE

HEAD = "Host: a.example:8000\r\nConnection: close\r\n"
KEYS = (
    "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL",
    "CONTENT_TYPE", "CONTENT_LENGTH", "REMOTE_ADDR", "wsgi.url_scheme", "wsgi.run_once",
)  # fmt: skip
"""What all have, and the fields of the request."""

REQUESTS = {
    "root": f"GET / HTTP/1.1\r\n{HEAD}\r\n",
    "query": f"GET /a?b=c&d=%20e? HTTP/1.1\r\n{HEAD}\r\n",
    "empty query": f"GET /a? HTTP/1.1\r\n{HEAD}\r\n",
    "escapes": f"GET /a%20b/%C3%A9%ff%2Fc HTTP/1.1\r\n{HEAD}\r\n",
    "dots": f"GET /a/../b/./c// HTTP/1.1\r\n{HEAD}\r\n",
    "slashes": f"GET //a//b HTTP/1.1\r\n{HEAD}\r\n",
    "parameters": f"GET /a;b=1/c HTTP/1.1\r\n{HEAD}\r\n",
    "absolute": f"GET http://a.example:8000/x?y HTTP/1.1\r\n{HEAD}\r\n",
    "old": "GET /a HTTP/1.0\r\nHost: a.example:8000\r\n\r\n",
    "fields": f"GET / HTTP/1.1\r\n{HEAD}X-A: 1\r\nx-a: 2\r\nX-Long-Name: \xe9\r\n\r\n",
    "cookies": f"GET / HTTP/1.1\r\n{HEAD}Cookie: a=1\r\nCookie: b=2\r\n\r\n",
    "underscore": f"GET / HTTP/1.1\r\n{HEAD}X_User: root\r\nX-User: me\r\n\r\n",
    "body": f"POST / HTTP/1.1\r\n{HEAD}Content-Type: text/x\r\nContent-Length: 5\r\n\r\nhello",
    "chunks": f"POST / HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "no body": f"POST / HTTP/1.1\r\n{HEAD}Content-Length: 0\r\n\r\n",
    "delete": f"DELETE /a HTTP/1.1\r\n{HEAD}\r\n",
}

DIFFERENCES: dict[tuple[str, str], dict[str, Any]] = {
    ("waitress", "slashes"): {"PATH_INFO": "/a//b"},
    ("waitress", "cookies"): {"HTTP_COOKIE": "a=1, b=2"},
    ("wsgiref", "slashes"): {"PATH_INFO": "/a//b"},
    ("wsgiref", "absolute"): {"PATH_INFO": "http://a.example:8000/x"},
    ("wsgiref", "fields"): {"HTTP_X_A": "1,2"},
    ("wsgiref", "cookies"): {"HTTP_COOKIE": "a=1,b=2"},
    ("wsgiref", "underscore"): {"HTTP_X_USER": "root,me"},
    ("wsgiref", "chunks"): {
        "CONTENT_LENGTH": "",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "body": "",
    },
}
"""By peer and request: what the peer has in the place of what sigil has."""


def dump(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """An application that answers with its environ."""
    body = b""
    if environ.get("CONTENT_LENGTH"):
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    known = {key: environ.get(key) for key in KEYS}
    fields = {key: environ[key] for key in environ if key.startswith("HTTP_")}
    text = json.dumps(known | fields | {"body": body.decode()})
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text.encode()]


@contextmanager
def sigil() -> Iterator[int]:
    server = make_http_server(handler(dump), port=0)
    with server.serve_in_thread():
        yield server.port


@contextmanager
def waitress() -> Iterator[int]:
    server = create_server(dump, host="127.0.0.1", port=0, threads=1)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.effective_port
    server.trigger.pull_trigger(server.close)
    server.task_dispatcher.shutdown(timeout=PATIENCE)
    thread.join(PATIENCE)


class Quiet(WSGIRequestHandler):
    """One that logs nothing."""

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@contextmanager
def wsgiref() -> Iterator[int]:
    with make_server("127.0.0.1", 0, dump, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join(PATIENCE)


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    with ExitStack() as servers:
        yield {make.__name__: servers.enter_context(make()) for make in (sigil, waitress, wsgiref)}


def environ_at(port: int, request: str) -> dict[str, Any]:
    """The environ that an application is given there."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        sock.sendall(request.encode("latin-1"))
        head, _, body = b"".join(iter(lambda: sock.recv(65_536), b"")).partition(b"\r\n\r\n")
    assert b" 200 " in head, head
    environ: dict[str, Any] = json.loads(body)
    return environ


@pytest.mark.parametrize("peer", ["waitress", "wsgiref"])
@pytest.mark.parametrize("name", REQUESTS)
def test_what_another_server_gives(name: str, peer: str, ports: dict[str, int]) -> None:
    ours = environ_at(ports["sigil"], REQUESTS[name])
    theirs = environ_at(ports[peer], REQUESTS[name])
    # an empty value says what none says (RFC 3875), and wsgiref has `text/plain` for no type
    absent = (None, "", "text/plain")
    differing = {
        key: theirs.get(key)
        for key in ours.keys() | theirs.keys()
        if ours.get(key) != theirs.get(key)
        and not (ours.get(key) is None and theirs.get(key) in absent)
    }
    assert differing == DIFFERENCES.get((peer, name), {})
