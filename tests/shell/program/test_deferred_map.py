"""`Deferred.map`: what is made of a result is made when it is delivered, on the loop's thread."""

import http.client
import threading
from itertools import pairwise
from typing import Any

import pytest

from sigil import Deferred, Limits, Request, Response, make_http_server
from sigil.testing import Client


def applied(deferred: Deferred) -> Any:
    """What is delivered of a deferred that has its result."""
    results: list[Any] = []
    deferred.when_resolved(results.append)
    (result,) = results
    return deferred.apply(result)


def test_functions_are_applied_in_order() -> None:
    later = Deferred()
    mapped = later.map(lambda text: f"{text}b").map(lambda text: f"{text}c")
    assert later.resolve("a")
    assert applied(mapped) == "abc"
    assert applied(later) == "a"


def test_both_are_one_promise() -> None:
    later = Deferred()
    mapped = later.map(str)
    assert mapped.resolve(1)
    assert not later.resolve(2)
    assert later.is_resolved and mapped.is_resolved and mapped.is_mapped and not later.is_mapped
    cancelled: list[str] = []
    later = Deferred()
    later.on_cancel(lambda: cancelled.append("work"))
    later.map(str).cancel()
    assert cancelled == ["work"] and not later.is_wanted


def test_a_failure_passes_by_the_function_and_is_given_to_the_other() -> None:
    later, error = Deferred(), KeyError("x")
    later.fail(error)
    assert applied(later.map(str)) is error
    assert applied(later.map(str, repr)) == "KeyError('x')"
    assert applied(later.map(str).map(str, lambda error: 1).map(lambda n: n + 1)) == 2  # type: ignore[operator]


def test_what_a_function_raises_is_the_result() -> None:
    later = Deferred()
    later.resolve(0)
    result = applied(later.map(lambda n: 1 // n).map(str))
    assert isinstance(result, ZeroDivisionError)
    assert applied(later.map(lambda n: 1 // n).map(str, lambda _: "none")) == "none"


def test_a_function_may_return_another_deferred() -> None:
    later, other = Deferred(), Deferred()
    later.resolve(1)
    mapped = applied(later.map(lambda _: other).map(lambda text: f"{text}!"))
    assert isinstance(mapped, Deferred)
    other.resolve("done")
    assert applied(mapped) == "done!"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((None,), "a Deferred is mapped by a function, not by None"),
        (("str",), "a Deferred is mapped by a function, not by 'str'"),
        ((str, 3), "a Deferred is mapped by a function, not by 3"),
    ],
)
def test_what_is_no_function_is_refused(arguments: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(TypeError) as caught:
        Deferred().map(*arguments)
    assert str(caught.value) == sentence


def test_it_is_called_on_the_thread_that_ticks_whoever_resolves_it() -> None:
    threads: list[int] = []
    promised: list[Deferred] = []

    def app(request: Request) -> Deferred:
        later = Deferred()
        promised.append(later)
        return later.map(lambda text: threads.append(threading.get_ident()) or Response.text(text))  # type: ignore[func-returns-value]

    client = Client(app)
    connection = client.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    thread = threading.Thread(target=promised[0].resolve, args=("from afar",))
    thread.start()
    thread.join()
    assert threads == []
    client.run_until_idle()
    assert threads == [threading.get_ident()]
    assert connection.received.endswith(b"\r\n\r\nfrom afar")


def test_nothing_is_made_for_a_client_that_has_left() -> None:
    promised: list[Deferred] = []
    made: list[object] = []

    def app(request: Request) -> Deferred:
        promised.append(Deferred())
        return promised[-1].map(made.append)

    client = Client(app)
    connection = client.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.reset()
    client.run_until_idle()
    assert not promised[0].is_wanted
    promised[0].resolve(Response.text("late"))
    client.run_until_idle()
    assert made == []


def test_a_chunk_of_a_stream_is_mapped() -> None:
    def app(request: Request) -> Response:
        later = Deferred()
        later.resolve(b"abc")
        failed = Deferred()
        failed.fail(KeyError("no"))
        return Response.stream([later.map(bytes.upper), failed.map(bytes.upper, lambda _: b"d")])

    assert Client(app).get("/").body == b"ABCd"


@pytest.mark.parametrize("is_chunk", [False, True])
def test_what_ends_the_program_leaves_and_the_client_learns_that_nothing_comes(
    is_chunk: bool,
) -> None:
    promised: list[Deferred] = []

    def interrupted(result: object) -> Response:
        raise KeyboardInterrupt

    def app(request: Request) -> Any:
        later = Deferred()
        promised.append(later)
        mapped = later.map(interrupted)
        return Response.stream([mapped]) if is_chunk else mapped

    client = Client(app, raise_errors=False)
    connection = client.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    promised[0].resolve(b"x")
    with pytest.raises(KeyboardInterrupt):
        client.run_until_idle()
    client.run_until_idle()
    assert connection.is_closed if is_chunk else connection.answers()[0].status == 500


def test_results_wait_for_their_turn_when_user_code_has_had_its_time() -> None:
    promised: list[Deferred] = []
    made: list[str] = []

    def slowly(text: str) -> Response:
        made.append(text)
        return Response.text(text)

    def app(request: Request) -> Deferred:
        promised.append(Deferred())
        return promised[-1].map(slowly)

    server = make_http_server(app, port=0, limits=Limits(max_user_seconds_per_tick=1e-9))
    server.listen()
    clients = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=10) for _ in range(5)]
    for client in clients:
        client.request("GET", "/")
    while len(promised) < len(clients):
        server.tick(0.01)
    for later in promised:
        later.resolve("x")
    counts = [len(made)]
    while counts[-1] < len(clients):
        server.tick(0.01)
        counts.append(len(made))
    assert max(after - before for before, after in pairwise(counts)) == 1
    server.stop(0)
    while server.running:
        server.tick(0.01)
    assert [client.getresponse().read() for client in clients] == [b"x"] * 5
