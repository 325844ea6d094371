"""The handler of `sigil relay`: the stream over every transport, and how the relay stands."""

import pytest

from sigil import HttpServer
from sigil.apps.relay.app import Edge, Rules, limits_for
from sigil.core.client.websocket_retry import Backoff
from sigil.relay import relay
from tests.relay.test_relay import Origin
from tests.support.requests import UPGRADE
from tests.support.servers import Raw, pump, ticking

RULES = Rules("/live", history=1, origins=("https://a.example",))


def answer(server: HttpServer, request: bytes, end: bytes) -> str:
    """What a request is answered with, up to and with this end."""
    with Raw(server) as client:
        client.send(request)
        pump(server, lambda: end in client.received, client)
        return client.received.decode("latin-1")


def get(target: str, *fields: str) -> bytes:
    """A request with these fields."""
    lines = [f"GET {target} HTTP/1.1", "Host: a", *fields, "", ""]
    return "\r\n".join(lines).encode()


def test_the_stream_is_served_over_every_transport() -> None:
    edge, origin = Edge(RULES), Origin()
    with ticking(edge.handle, limits_for(RULES)) as server:
        edge.server = server
        edge.relay = relay(
            server, "ws://o/live", connect=origin.connect, backoff=Backoff(first=0.0)
        )
        unhealthy = answer(server, get("/healthz"), b"}")
        assert " 503 " in unhealthy and '"has_stream":false' in unhealthy
        assert " 503 " in answer(server, get("/live"), b"has not been reached")
        pump(server, lambda: bool(origin.observers))
        origin.say(
            "\0position:7-2", "\0relay:1", "\0next:7-3 0 null", "one", '\0next:7-4 0 "a"', "two"
        )
        pump(server, lambda: server.position() == "7-4")
        healthy = answer(server, get("/healthz"), b"}")
        assert " 200 " in healthy and '"position":"7-4"' in healthy
        assert '"text":"two"' in answer(server, get("/poll"), b"}\n")
        only = answer(
            server, get("/live?topic=b&after=7-2", "Accept: application/x-ndjson"), b"}\n"
        )
        assert '"text":"one"' in only and "two" not in only
        origin_field = "Origin: https://a.example"
        events = answer(
            server, get("/live", "Accept: text/event-stream", origin_field), b"data: two\n\n"
        )
        assert "id: 7-4\n" in events
        assert "Access-Control-Allow-Origin: https://a.example" in events
        upgrade = UPGRADE.replace(b"/chat", b"/live?after=7-3&history=0")
        assert "next:7-4" in answer(server, upgrade, b"two")
        assert " 426 " in answer(server, get("/live"), b"open a WebSocket")
        assert "there are /healthz" in answer(server, get("/other"), b"/live")
        assert " 405 " in answer(server, b"DELETE /live HTTP/1.1\r\nHost: a\r\n\r\n", b"405 Method")
        assert "javascript" in answer(server, get("/sigil-client.js"), b"\r\n\r\n")
        edge.relay.close()


@pytest.mark.parametrize(("text", "count"), [("0", 0), ("1", 1), ("99", 1), ("-1", 1), ("x", 1)])
def test_so_much_history_as_is_asked_for_up_to_the_most(text: str, count: int) -> None:
    from tests.support.requests import make_request

    request = make_request(target=f"/live?history={text}")
    assert Edge(RULES)._history(request) == count
