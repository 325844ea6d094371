"""Metrics of the command's programs: for this machine, and for nobody else."""

import pytest

from sigil import Limits, Request, Response, make_http_server
from sigil.apps.hosts import HostGuard, Hosts
from sigil.apps.local_metrics import is_local, show_metrics
from sigil.core.conn import Peer
from sigil.core.http.headers import Headers


def request(path: str, peer: Peer, **fields: str) -> Request:
    headers = Headers((("Host", "localhost"), *fields.items()))
    return Request("GET", path, path, "", 1, headers, b"", peer)


LOCAL = Peer("127.0.0.1", 5000)


@pytest.mark.parametrize(
    ("peer", "fields", "is_it"),
    [
        (LOCAL, {}, True),
        (Peer("::1", 5000), {}, True),
        (Peer("::ffff:127.0.0.1", 5000), {}, True),
        (Peer("", 0), {}, True),
        (Peer("192.0.2.1", 5000), {}, False),
        (LOCAL, {"X-Forwarded-For": "192.0.2.1"}, False),
        (LOCAL, {"Via": "1.1 proxy"}, False),
        (LOCAL, {"X-Forwarded-Proto": "https"}, False),
        (LOCAL, {"x-forwarded-host": "example.com"}, False),
        (LOCAL, {"CF-Connecting-IP": "127.0.0.1"}, False),
        (LOCAL, {"X-Forwarded-For": "127.0.0.1"}, False),
        (Peer("a name", 5000), {}, False),
        (Peer("192.0.2.1", 0), {}, False),
        (Peer("/run/sigil.sock", 0), {}, True),
    ],
)
def test_who_is_on_this_machine(peer: Peer, fields: dict[str, str], is_it: bool) -> None:
    assert is_local(request("/metrics", peer, **fields)) is is_it


def test_they_are_shown_to_this_machine_and_the_rest_is_as_it_was() -> None:
    def app(request: Request) -> Response:
        return Response.text("the app")

    server = make_http_server(app, port=0, limits=Limits())
    guard = HostGuard(Hosts())
    show_metrics(server, guard)
    handle = server.settings.handler
    assert b"sigil_connections 0" in handle(request("/metrics", LOCAL)).body  # type: ignore[union-attr,operator]
    for other in (request("/", LOCAL), request("/metrics", Peer("192.0.2.1", 1))):
        assert handle(other).body == b"the app"  # type: ignore[union-attr]
