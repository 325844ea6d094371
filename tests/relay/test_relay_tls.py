"""A relay whose origin is at wss with a certificate of a private authority, and which serves its
own clients over TLS: positions pass through, and what is wrong with a certificate is told.
"""

import logging
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from sigil import ALL_TOPICS, Callbacks, Conn, HttpServer, Limits, Request, Response
from sigil.client import http_get
from sigil.core.client.websocket_retry import Backoff
from sigil.relay import Relay, relay
from tests.support.certificates import (
    client_context,
    issued,
    other_authority,
    server_context,
)
from tests.support.secure_websocket import SecureWebSocket, secure_websocket
from tests.support.servers import PATIENCE, make

AT_ONCE = Backoff(first=0.01, maximum=0.02)
BIG = "x" * 300_000
"""A message of many records."""


def until(is_so: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline


@contextmanager
def origin(context: ssl.SSLContext) -> Iterator[tuple[HttpServer, list[Conn]]]:
    """An origin over TLS, and the connections of those who follow it."""
    followers: list[Conn] = []

    def app(request: Request) -> Response:
        return Response.upgrade(topics=ALL_TOPICS, history=100)

    def on_open(server: HttpServer, conn: Conn, request: Request) -> None:
        followers.append(conn)

    limits = Limits(history_messages=100)
    server = make(app, limits, Callbacks(ws_open=on_open), ssl_context=context)
    with server.serve_in_thread():
        yield server, followers


@contextmanager
def edge(url: str, **options: Any) -> Iterator[tuple[HttpServer, Relay]]:
    """An edge over TLS that follows what is there."""
    relays: list[Relay] = []

    def app(request: Request) -> Response:
        refusal = relays[0].refusal(request)
        return refusal or Response.upgrade(topics=ALL_TOPICS, history=100)

    server = make(app, Limits(history_messages=100), ssl_context=server_context())
    relays.append(relay(server, url, backoff=AT_ONCE, **options))
    with server.serve_in_thread():
        yield server, relays[0]
    relays[0].close()


def say(server: HttpServer, text: str) -> str:
    """The origin publishes a text; its position, when it has one."""
    before = server.position()
    server.broadcast(text)
    until(lambda: server.position() != before)
    return server.position()


def url_of(server: HttpServer) -> str:
    """Where a server has its stream."""
    return f"wss://localhost:{server.port}/live"


def follow(server: HttpServer, query: str) -> AbstractContextManager[SecureWebSocket]:
    """A client by a library of others."""
    return secure_websocket(f"{url_of(server)}?{query}", client_context())


def receive(connection: SecureWebSocket, count: int) -> list[str]:
    """The next texts that come."""
    return [str(connection.recv()) for _ in range(count)]


def test_positions_pass_through_two_connections_over_tls() -> None:
    with (
        origin(server_context()) as (source, followers),
        edge(url_of(source), ssl_context=client_context()) as (server, upstream),
    ):
        until(lambda: upstream.status.has_stream)
        say(source, "one")
        second = say(source, BIG)
        epoch = second.partition("-")[0]
        until(lambda: upstream.status.position == second)
        with follow(server, f"after={epoch}-0") as client:
            assert receive(client, 5) == [
                f"\0position:{epoch}-0", f"\0next:{epoch}-1", "one", f"\0next:{second}", BIG,
            ]  # fmt: skip
            # the connection to the origin is lost, and goes on behind what was reached
            source.close(followers[0], 1001)
            until(lambda: upstream.status.connections == 2 and upstream.status.is_connected)
            third = say(source, "three")
            assert receive(client, 2) == [f"\0next:{third}", "three"]
            assert upstream.status.gaps == 0
            # other certificates at both ends: who is connected goes on
            source.reload_tls(server_context("localhost"))
            server.reload_tls(server_context("localhost"))
            fourth = say(source, "four")
            assert receive(client, 2) == [f"\0next:{fourth}", "four"]
            with follow(server, f"after={third}") as later:
                assert receive(later, 3)[-1] == "four"
        # a client of the edge goes on at the origin
        with follow(source, f"after={third}") as moved:
            assert receive(moved, 3)[-1] == "four"


def test_an_origin_whose_certificate_is_nobodys_is_not_followed_until_it_has_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other_authority().issue_cert("localhost").configure_cert(wrong)
    with (
        caplog.at_level(logging.WARNING),
        origin(wrong) as (source, _),
        edge(url_of(source), ssl_context=client_context()) as (server, upstream),
    ):
        until(lambda: upstream.status.error)
        assert "certificate is not one to be trusted for localhost" in upstream.status.error
        address = f"https://localhost:{server.port}/live"
        response = http_get(address, verify=client_context(), retries=0)
        assert (response.status, response.headers["retry-after"]) == (503, "1")
        source.reload_tls(server_context())
        until(lambda: upstream.status.has_stream)
        position = say(source, "now")
        until(lambda: upstream.status.messages == 1)
        with follow(server, "after=") as client:
            assert receive(client, 3)[1:] == [f"\0next:{position}", "now"]
    lines = [record.getMessage() for record in caplog.records]
    assert sum("cannot be followed" in line for line in lines) == 1, lines


def test_an_origin_may_ask_for_the_edges_certificate() -> None:
    with (
        origin(server_context(client_certificates=True)) as (source, _),
        edge(url_of(source), ssl_context=client_context(issued("edge"))) as (_, upstream),
    ):
        until(lambda: upstream.status.has_stream)
        position = say(source, "hello")
        until(lambda: upstream.status.position == position)
