"""Every program in the documents that serves ends by itself on SIGTERM, and tells its clients.

Theory: whoever copies a program has a server that a supervisor stops, with SIGTERM. A WebSocket is
told that the server goes away (1001), an event stream has its end, a request has been answered
whole, and the process ends with status 0.

Rules: whether a program has a WebSocket or an event stream is known from its text, and then one
must open. Every process has a deadline. It does not know what the programs are for.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from signal import SIGTERM

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.docs.blocks import PROGRAMS, SERVERS, Block
from tests.docs.running import PATIENCE_SECONDS, started, words_of

PATH = re.compile(r'"(/[\w-]*)"')
GOING_AWAY = 1001
HAVE_WEBSOCKET = [
    block
    for block in SERVERS
    if "upgrade(" in block.text and ".refusal(" not in block.text  # an edge has none by itself
]
HAVE_EVENTS = [block for block in SERVERS if "sse(" in block.text]


def paths_of(block: Block) -> list[str]:
    """The paths that a program has words for, `/` among them."""
    return sorted({"/", *PATH.findall(block.text)})


@contextmanager
def websocket_of(block: Block, port: int) -> Iterator[ClientConnection]:
    """A client at the first path of a program that is a WebSocket."""
    address, origin = f"127.0.0.1:{port}", Origin(f"http://127.0.0.1:{port}")
    with ExitStack() as opened:
        for path in paths_of(block):
            with suppress(InvalidStatus):  # a page
                client = opened.enter_context(connect(f"ws://{address}{path}", origin=origin))
                break
        else:
            raise AssertionError(f"{block.name} opens no WebSocket")
        yield client


def close_code_of(client: ClientConnection) -> int:
    """The code with which this client was closed; what came before is read."""
    with pytest.raises(ConnectionClosed):
        while True:
            client.recv(PATIENCE_SECONDS)
    return client.protocol.close_code or 0


def rest_of(response: HTTPResponse) -> bytes:
    """What comes until the end; an endless iterator has none but that of the connection, when the
    grace is over.
    """
    try:
        return response.read()
    except IncompleteRead as error:
        return error.partial


@pytest.mark.parametrize("block", HAVE_WEBSOCKET, ids=lambda block: block.name)
def test_a_websocket_is_told_that_the_server_goes_away(block: Block) -> None:
    with started(*words_of(block)) as server, websocket_of(block, server.port) as client:
        server.interrupt(SIGTERM)
        assert close_code_of(client) == GOING_AWAY
        server.assert_ends()


@pytest.mark.parametrize("block", HAVE_EVENTS, ids=lambda block: block.name)
def test_an_event_stream_has_an_end(block: Block) -> None:
    with started(*words_of(block)) as server:
        for path in paths_of(block):
            client = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
            client.request("GET", path, headers={"Accept": "text/event-stream"})
            response = client.getresponse()
            if response.headers["Content-Type"].startswith("text/event-stream"):
                break
            client.close()
        else:
            raise AssertionError(f"{block.name} has no event stream")
        begun = response.readline()
        server.interrupt(SIGTERM)
        events = begun + rest_of(response)
        assert begun and events.endswith(b"\n\n")  # whole ones
        client.close()
        server.assert_ends()


@pytest.mark.parametrize("block", SERVERS, ids=lambda block: block.name)
def test_a_request_is_answered_and_its_connection_ends(block: Block) -> None:
    with started(*words_of(block)) as server:
        client = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
        client.request("GET", "/")
        sock = client.sock
        response = client.getresponse()
        assert (response.status, bool(response.read())) == (200, True)
        server.interrupt(SIGTERM)
        assert sock.recv(1) == b""
        client.close()
        server.assert_ends()


def test_every_program_that_serves_is_among_them() -> None:
    serve = ("start()", "tick(", "http_server_serve(", "stop_on_signals(")
    others = [
        block.name
        for block in PROGRAMS
        if block not in SERVERS
        and "port=" in block.text
        and "port=0" not in block.text  # it ends by itself, or the test of programs would not
        and "ssl_context=" not in block.text  # nobody has made its certificate
        and any(word in block.text for word in serve)
    ]
    assert others == []
    assert len(HAVE_WEBSOCKET) >= 5 and len(HAVE_EVENTS) >= 2
