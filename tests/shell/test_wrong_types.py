"""What is given to the public face and is of another type is refused in words, where it is given.

Theory: a number in the place of a text is the commonest mistake there is, and `'int' object has no
attribute 'slot'` helps nobody. So every constructor and every method is called with what does not
suit it, and has to answer with a sentence that names what it wants.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sigil import (
    BadInput,
    Callbacks,
    Conn,
    HttpServer,
    Limits,
    Response,
    http_server_footprint,
    make_http_server,
)
from sigil.testing import Client
from tests.support.builds import refusal

CONN = Conn(0, 0)
ANY: Any = Response
"""The constructors, without their types."""


def handler(request: object) -> None:
    """A handler."""


def make(**settings: Any) -> HttpServer:
    """A server with these settings."""
    return make_http_server(handler, **settings)


MAKING: list[tuple[Callable[[], object], str]] = [
    (lambda: make_http_server(3), "a handler is a function of a request, not int"),  # type: ignore[arg-type]
    (lambda: make(port="8080"), "port is a whole number, 0 for any that is free, not '8080'"),
    (lambda: make(port=80.0), "port is a whole number, 0 for any that is free, not 80.0"),
    (lambda: make(port=True), "port is a whole number, 0 for any that is free, not True"),
    (lambda: make(host=3), "host is a str, not 3"),
    (lambda: make(host=b"127.0.0.1"), "host is a str, not b'127.0.0.1'"),
    (lambda: make(backlog="x"), "backlog is a whole number, not 'x'"),
    (lambda: make(timeout="3"), "timeout is a number of seconds, not '3'"),
    (lambda: make(max_request_size=1.5), "max_request_size is a number of bytes, not 1.5"),
    (lambda: make(limits={}), "limits is a Limits, not {}"),
    (lambda: make(limits=Limits(idle_timeout="x")), "idle_timeout is a number, 0 or more, not 'x'"),  # type: ignore[arg-type]
    (lambda: make(callbacks=3), "callbacks are a Callbacks, not int"),
    (lambda: http_server_footprint(3), "limits are a Limits, not int"),  # type: ignore[arg-type]
    (lambda: Client(handler).post("/", body=3), "a body is a str or bytes, not int"),
    (lambda: Client(handler).connect().send("x"), "what is sent is bytes, not str"),
    (lambda: Client(handler).advance("1"), "a time is a number of seconds, not str"),
    (lambda: BadInput("x", "y"), "y is not the status of a client's error (400 to 499)"),  # type: ignore[arg-type]
    (lambda: ANY.text(3), "a text is a str, not int"),
    (lambda: ANY.text(b"x"), "a text is a str, not bytes"),
    (lambda: ANY.text(None, 404), "a text is a str, not NoneType"),
    (lambda: ANY.html(3), "a text is a str, not int"),
    (lambda: ANY.bytes(3), "a body is bytes, not int"),
    (lambda: ANY.bytes("x"), "a body is bytes, not str"),
    (
        lambda: ANY.json({1}),
        "an object of type set has no JSON: give default=list, or another function",
    ),
    (lambda: ANY.stream(3), "a stream is an iterable of bytes, not int"),
    (lambda: ANY.sse(3), "a stream is an iterable of events, not int"),
    (lambda: ANY.sse(topics=3), "topics are an iterable of str, not int"),
    (lambda: ANY.sse(topics=[3]), "a topic is a str or ALL_TOPICS, not 3"),
    (lambda: ANY.sse(history="x"), "history is a number of messages, not 'x'"),
    (lambda: ANY.upgrade(3), "a subprotocol is a str or None, not int"),
    (lambda: ANY.upgrade(topics=3), "topics are an iterable of str, not int"),
    (lambda: ANY.upgrade(history=None), "history is a number of messages, not None"),
    (lambda: ANY.redirect(3), "a location is a str, not int"),
    (lambda: ANY.redirect("/", "x"), "x is not a redirection with a location"),
    (lambda: ANY.error("x"), "'x' is not the status of a response (200 to 599)"),
    (lambda: ANY.error(404, 3), "a text is a str, not int"),
    (lambda: ANY.text("x", "200"), "'200' is not the status of a response (200 to 599)"),
    (lambda: ANY.text("x", headers=3), "headers are a mapping or pairs of str, not int"),
    (lambda: ANY.text("x", headers=[1]), "headers are a mapping or pairs of str, not 1"),
    (
        lambda: ANY.text("x", headers={"a": 1}),
        "headers are a mapping or pairs of str, not ('a', 1)",
    ),
]

CALLS: list[tuple[Callable[[Any], object], str]] = [
    (lambda server: server.send(3, "x"), "a connection is named by a Conn, not int"),
    (lambda server: server.send((0, 0), "x"), "a connection is named by a Conn, not tuple"),
    (lambda server: server.send(CONN, 3), "a message is a str or bytes, not int"),
    (lambda server: server.broadcast(3), "a message is a str or bytes, not int"),
    (lambda server: server.broadcast("x", topic=3), "a topic is a str, not int"),
    (lambda server: server.broadcast("x", latest=1), "latest is True or False, not int"),
    (lambda server: server.broadcast("x", retain="yes"), "retain is True or False, not str"),
    (lambda server: server.broadcast("x", exclude=3), "exclude is a Conn or None, not int"),
    (lambda server: server.subscribe(None, "x"), "a connection is named by a Conn, not NoneType"),
    (lambda server: server.subscribe(CONN, 3), "a topic is a str or ALL_TOPICS, not int"),
    (lambda server: server.unsubscribe(3, "x"), "a connection is named by a Conn, not int"),
    (lambda server: server.unsubscribe(CONN, 3), "a topic is a str or ALL_TOPICS, not int"),
    (lambda server: server.close(3), "a connection is named by a Conn, not int"),
    (lambda server: server.close(CONN, "x"), "a close code is a number or a CloseReason, not str"),
    (lambda server: server.close(CONN, 5), "5 is not the code of a close frame"),
    (lambda server: server.close(CONN, 1000, 3), "the reason of a close is a str, not int"),
    (lambda server: server.buffered_amount(3), "a connection is named by a Conn, not int"),
    (lambda server: server.peer(3), "a connection is named by a Conn, not int"),
    (lambda server: server.stop("x"), "grace is a number of seconds, not str"),
    (lambda server: server.stop(None), "grace is a number of seconds, not NoneType"),
    (lambda server: server.stop(float("nan")), "grace is a number of seconds, not nan"),
    (lambda server: server.printf(3), "a format is a str, not int"),
    (lambda server: server.memcpy(3), "what is staged is bytes, not int"),
    (lambda server: server.stage_trunc("x"), "a length is a whole number, not str"),
    (lambda server: server.stage_body("x"), "'x' is not the status of a response (200 to 599)"),
    (lambda server: server.ws_send(3), "a connection is named by a Conn, not int"),
    (lambda server: server.ws_broadcast(3), "a topic is a str, not int"),
]


@pytest.mark.parametrize(("make_it", "sentence"), MAKING, ids=[sentence for _, sentence in MAKING])
def test_what_is_made_of_something_else_is_refused(
    make_it: Callable[[], object], sentence: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=refusal(sentence)):
        make_it()


@pytest.fixture(params=["listening", "not listening", "in memory"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server of each kind."""
    if request.param == "in memory":
        yield Client(handler).server
        return
    made = make(port=0)
    if request.param == "listening":
        made.listen()
    yield made
    if made.running:
        made.stop(0.0)
        made.tick()


@pytest.mark.parametrize(("call", "sentence"), CALLS, ids=[sentence for _, sentence in CALLS])
def test_a_call_with_something_else_is_refused(
    server: Any, call: Callable[[Any], object], sentence: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=refusal(sentence)):
        call(server)


@pytest.mark.parametrize("name", Callbacks._fields)
def test_a_callback_is_a_function(name: str) -> None:
    callbacks = Callbacks(**{name: 3})  # type: ignore[arg-type]
    for construct in (make_http_server, Client):
        with pytest.raises(TypeError, match=f"the callback {name} is a function, not int"):
            construct(handler, callbacks=callbacks)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["start", "stop_on_signals"])
def test_a_grace_that_is_none_is_refused_before_a_signal_needs_it(name: str) -> None:
    server: Any = make(port=0)
    with (
        pytest.raises(TypeError, match="grace is a number of seconds, not str"),
        getattr(server, name)(grace="x"),
    ):
        raise AssertionError("it has begun")
    assert not server.running


def test_only_a_plain_socket_is_listened_on() -> None:
    server: Any = make(port=0)
    with pytest.raises(TypeError, match=r"is a socket\.socket, not int"):
        server.listen(3)
    with socket.create_server(("127.0.0.1", 0)) as plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with context.wrap_socket(plain, server_side=True) as secure:
            with pytest.raises(TypeError, match="give the plain socket"):
                server.listen(secure)
            assert secure.fileno() >= 0
    assert not server.running


@pytest.mark.parametrize("name", ["handler", "limits", "callbacks", "engine", "anything"])
def test_nothing_can_be_assigned_that_would_not_be_looked_at(name: str) -> None:
    server = make(port=0)
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        setattr(server, name, handler)
