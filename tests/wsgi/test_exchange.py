"""What an application may do, and what becomes of it: tried with functions, without a server.

Theory: an exchange has a promise on one side and an application on the other, so a test looks at
what the promise was resolved with. Bodies that are streams are read as the server would.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from sigil import Deferred, Response
from sigil.web import BodyWriter
from sigil.wsgi.exchange import Exchange
from tests.support.builds import needs_pure_sources
from tests.support.requests import make_request

OK: tuple[str, list[tuple[str, str]]] = ("200 OK", [("Content-Type", "text/plain")])


def with_length(length: int) -> tuple[str, list[tuple[str, str]]]:
    """What `start_response` is given for a body of this length."""
    return "200 OK", [*OK[1], ("Content-Length", str(length))]


class Ran:
    """An application that was run: what came of it."""

    def __init__(self, app: Callable[..., Any], method: str = "GET") -> None:
        self.deferred = Deferred()
        results: list[Any] = []
        self.deferred.when_resolved(results.append)
        exchange = Exchange(make_request("/", method=method), self.deferred)
        self.error: BaseException | None = None
        try:
            exchange.run(app, {})
        except BaseException as error:
            self.error = error
            exchange.fail(error)
        self.result = results[0] if results else None

    @property
    def body(self) -> bytes:
        """The body of the response; what it fails with is raised."""
        body = self.result.body
        return body if isinstance(body, bytes) else b"".join(body.chunks)


def app_of(
    result: Iterable[bytes] | Any, *start: Any
) -> Callable[[dict[str, Any], Callable[..., Any]], Any]:
    """An application that returns this."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response(*(start or OK))
        return result

    return app


# -- bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [[b"hello"], (b"hello",), [b"he", b"llo"], [b"", b"hello"]])
def test_a_list_is_one_body_whose_length_is_known(result: Any) -> None:
    ran = Ran(app_of(result))
    assert ran.result == Response(200, (("Content-Type", "text/plain"),), b"hello")


@pytest.mark.parametrize("result", [[], [b""], (), iter([]), iter([b""])])
def test_an_empty_body(result: Any) -> None:
    assert Ran(app_of(result)).result.body == b""


def test_what_is_iterated_over_is_a_stream() -> None:
    ran = Ran(app_of(iter([b"a", b"", b"b"])))
    assert isinstance(ran.result.body.chunks, BodyWriter)
    assert ran.body == b"ab"


def test_a_stream_whose_first_piece_is_all_of_it_is_a_whole_body() -> None:
    assert Ran(app_of(iter([b"", b"hello"]), *with_length(5))).result.body == b"hello"


@needs_pure_sources
def test_a_long_list_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigil.wsgi.exchange.JOINED_LEN", 3)
    assert isinstance(Ran(app_of([b"ab", b"cd"])).result.body.chunks, BodyWriter)
    assert Ran(app_of([b"abcd"])).result.body == b"abcd"


def test_a_generator_may_call_start_response() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(*OK)
        yield b"a"
        yield b"b"

    assert Ran(app).body == b"ab"


def test_what_is_written_goes_before_what_is_returned() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response(*OK)
        write(b"a")
        write(b"")
        write(b"b")
        return [b"c"]

    assert Ran(app).body == b"abc"


@pytest.mark.parametrize("result", [[b"hello"], iter([b"hello"]), iter([])])
def test_a_head_has_no_body(result: Any) -> None:
    declared = Ran(app_of(result, *with_length(5)), "HEAD").result
    assert (declared.body, declared.headers[-1]) == (b"", ("Content-Length", "5"))


def test_the_length_for_a_head_is_that_of_a_list_and_else_not_known() -> None:
    assert Ran(app_of([b"hello"]), "HEAD").result.body == b"hello"  # the server leaves it out
    for result in ([], iter([b"hello"]), iter([])):
        assert Ran(app_of(result), "HEAD").result.body == Response.stream(()).body


def test_a_head_is_not_iterated_over_to_its_end() -> None:
    steps: list[str] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(*OK)
        try:
            yield b"a"
            steps.append("went on")
        finally:
            steps.append("closed")

    Ran(app, "HEAD")
    assert steps == ["closed"]


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_a_body(status: str) -> None:
    assert Ran(app_of([], status, [])).result.body == b""
    assert Ran(app_of([b"ignored"], status, [])).result.status == int(status[:3])
    assert Ran(app_of([], "304 Not Modified", [("Content-Length", "7")])).error is None


# -- start_response --------------------------------------------------------------------------------


def raising(*args: Any) -> tuple[Any, Any, Any]:
    """The `exc_info` of an error."""
    try:
        raise KeyError(*args)
    except KeyError:
        return sys.exc_info()


def test_a_second_call_needs_exc_info() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(*OK)
        start_response(*OK)
        return []

    ran = Ran(app)
    assert isinstance(ran.error, RuntimeError)
    assert "start_response was called before" in str(ran.error)
    assert ran.result is ran.error


def test_with_exc_info_it_replaces_what_was_not_sent() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(*OK)
        start_response("500 Oops", [("X-A", "1")], raising("a"))
        return [b"sorry"]

    assert Ran(app).result == Response(500, (("X-A", "1"),), b"sorry", "Oops")


def test_with_exc_info_it_raises_that_when_something_was_sent() -> None:
    closed: list[bool] = []

    class Body:
        def __init__(self, start_response: Any) -> None:
            self.steps = self.run(start_response)

        def __iter__(self) -> Iterator[bytes]:
            return self.steps

        def run(self, start_response: Any) -> Iterator[bytes]:
            start_response(*OK)
            yield b"a"
            start_response("500 Oops", [], raising("a"))
            yield b"never"

        def close(self) -> None:
            closed.append(True)

    ran = Ran(lambda environ, start_response: Body(start_response))
    assert isinstance(ran.error, KeyError)
    assert closed == [True]
    with pytest.raises(KeyError):
        print(ran.body)


def test_start_response_that_was_never_called() -> None:
    for result in ([], [b"a"], iter([b"a"]), iter([])):
        ran = Ran(lambda environ, start_response, result=result: result)
        assert isinstance(ran.error, RuntimeError)
        assert "has not called start_response" in str(ran.error)


# -- what is no body -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (["a"], "an application returns an iterable of bytes, not str"),
        (iter(["a"]), "an application returns an iterable of bytes, not str"),
        ([1], "not int"),
        ([bytearray(b"a")], "not bytearray"),
        ("abc", "not str"),
        (b"abc", "not bytes"),
        (None, "not NoneType"),
        (7, "not int"),
    ],
)
def test_what_is_no_body(result: Any, words: str) -> None:
    ran = Ran(app_of(result))
    assert isinstance(ran.result, TypeError)
    assert words in str(ran.result)


def test_a_str_in_the_middle_breaks_the_body_off() -> None:
    ran = Ran(app_of(iter([b"a", "b"])))
    assert isinstance(ran.error, TypeError)
    with pytest.raises(TypeError, match="not str"):
        print(ran.body)


def test_write_takes_bytes() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(*OK)("a")
        return []

    assert "write takes bytes, not str" in str(Ran(app).error)


# -- lengths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [[b"hello!"], [b"hell"], [], iter([])])
def test_a_whole_body_of_another_length_is_an_error(result: Any) -> None:
    ran = Ran(app_of(result, *with_length(5)))
    assert isinstance(ran.result, ValueError)
    assert "declares a Content-Length of 5 and sends a body of" in str(ran.result)


@pytest.mark.parametrize("pieces", [[b"hello!"], [b"hel", b"lo!"], [b"hello", b"!"]])
def test_a_stream_with_more_is_an_error(pieces: list[bytes]) -> None:
    ran = Ran(app_of(iter(pieces), *with_length(5)))
    assert isinstance(ran.error, ValueError)


def test_a_stream_with_less_ends_early() -> None:
    # the server breaks it off, since it has declared more
    ran = Ran(app_of(iter([b"he", b"l"]), *with_length(5)))
    assert (ran.body, ran.error) == (b"hel", None)


# -- the end ---------------------------------------------------------------------------------------


class Closing:
    """An iterable that is counted when it is closed."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = iter(pieces)
        self.close_count = 0

    def __iter__(self) -> "Closing":
        return self

    def __next__(self) -> Any:
        piece = next(self.pieces)
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def close(self) -> None:
        self.close_count += 1


@pytest.mark.parametrize(
    "pieces", [(), (b"a",), (b"a", b"b"), (KeyError("a"),), (b"a", KeyError("a")), ("a",)]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_returned_is_closed_once(pieces: tuple[Any, ...], method: str) -> None:
    result = Closing(*pieces)
    Ran(app_of(result), method)
    assert result.close_count == 1


def test_it_is_closed_without_start_response() -> None:
    result = Closing(b"a")
    Ran(lambda environ, start_response: result)
    assert result.close_count == 1


def test_what_is_raised_before_anything_was_sent_is_the_result() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(*OK)
        raise KeyError("a")

    ran = Ran(app)
    assert ran.result is ran.error


def test_what_is_raised_behind_the_response_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    ran = Ran(app_of(Closing(b"hello", KeyError("late")), *with_length(5)))
    assert ran.result.body == b"hello"
    assert "GET /: the application raised behind its response" in caplog.text
    assert "KeyError: 'late'" in caplog.text


def test_what_is_raised_when_the_client_has_left_is_logged_unless_it_is_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for error in (KeyError("a defect"), ConnectionAbortedError("the rest does not come")):
        deferred = Deferred()
        deferred.cancel()
        Exchange(make_request("/"), deferred).fail(error)
    assert "GET /: the application raised when its client had left" in caplog.text
    assert "a defect" in caplog.text
    assert "the rest does not come" not in caplog.text


def test_nobody_is_iterated_for_when_the_client_has_left() -> None:
    deferred, steps = Deferred(), []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(*OK)
        try:
            while True:
                steps.append("step")
                if len(steps) == 3:
                    writers[0].close()  # as the server does
                yield b"a"
        finally:
            steps.append("closed")

    writers: list[Any] = []
    deferred.when_resolved(lambda response: writers.append(response.body.chunks))
    Exchange(make_request("/"), deferred).run(app, {})
    assert steps == ["step", "step", "step", "closed"]
