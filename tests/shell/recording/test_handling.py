"""The requests of a recording are given to another handler, and it is said which answers differ."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from threading import Thread
from typing import Any

import pytest

from sigil import Deferred, Handler, Request, Response, Routes, chain
from sigil.core.trace.answers import AnswerDifference
from sigil.shell.recording.recording import Recording
from sigil.web import security_headers
from tests.support.recordings import watched_client

PATHS = ("/tea", "/json", "/stream", "/upload", "/fail", "/late", "/nothing", "/ws")


def app(request: Request) -> Response | Deferred | None:
    """A handler that answers in every way there is."""
    match request.path:
        case "/json":
            return Response.json({"method": request.method})
        case "/stream":
            return Response.stream(iter([b"one,", b"two,", b"three"]))
        case "/upload":
            return Response.text(f"{len(request.body)} bytes")
        case "/fail":
            raise ZeroDivisionError("it cannot be divided")
        case "/late":
            deferred = Deferred()
            deferred.resolve(Response.text("late"))
            return deferred
        case "/nothing":
            return None
        case "/ws":
            return Response.upgrade(topics=["a"])
    return Response.text(f"you asked for {request.path}")


@pytest.fixture(scope="module", name="recording")
def record_requests() -> Recording:
    watched, client = watched_client(app)
    for path in PATHS[:-1]:
        client.post(path, body=b"x" * 2_000) if path == "/upload" else client.get(path)
    client.websocket("/ws")
    return watched.recording


def changed(path: str, answer: Callable[[Request], Any]) -> Handler:
    """The handler with another answer to one path."""
    return lambda request: answer(request) if request.path == path else app(request)


def only(recording: Recording, handler: Handler, **options: Any) -> AnswerDifference:
    """The one request that a handler answers in another way."""
    found = recording.against(handler, **options)
    assert len(found) == 1, [str(difference) for difference in found]
    return found[0]


def test_the_same_handler_answers_alike(recording: Recording) -> None:
    assert recording.against(app) == ()


async def answer_later(request: Request) -> Response | Deferred | None:
    await asyncio.sleep(0)
    return app(request)


def answer_in_a_thread(request: Request) -> Response | Deferred | None:
    if request.path == "/fail":
        return app(request)
    deferred, made = Deferred(), app(request)
    if isinstance(made, Deferred):
        return made
    Thread(target=lambda: deferred.resolve(Response.error(404) if made is None else made)).start()
    return deferred


def with_other_streams(request: Request) -> Response | Deferred | None:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"on", b"e,two,", b"", b"three"):
            await asyncio.sleep(0)
            yield chunk

    return Response.stream(chunks()) if request.path == "/stream" else app(request)


def with_pauses(request: Request) -> Response | Deferred | None:
    def chunks() -> Iterator[bytes | None]:
        yield b"one,two,"
        yield None
        yield b"three"

    return Response.stream(chunks()) if request.path == "/stream" else app(request)


def by_routes() -> Handler:
    routes = Routes()

    @routes.get("/tea")
    def tea(request: Request) -> Response:
        return Response.text("you asked for /tea")

    routes.mount("/", app)
    return routes


@pytest.mark.parametrize(
    "handler",
    [answer_later, answer_in_a_thread, with_other_streams, with_pauses, chain(app), by_routes()],
)
def test_how_an_answer_is_given_makes_no_difference(recording: Recording, handler: Handler) -> None:
    assert [str(difference) for difference in recording.against(handler)] == []


def test_another_status_and_another_body_are_named(recording: Recording) -> None:
    difference = only(recording, changed("/tea", lambda request: Response.error(410, "gone")))
    assert (difference.method, difference.target) == ("GET", "/tea")
    assert [name for name, _, _ in difference.fields] == ["status", "body"]
    assert str(difference).splitlines() == [
        f"turn {difference.turn}: GET /tea",
        "  status: 200 was recorded, and it is 410 now",
        "  body: 'you asked for /tea' (18 bytes) was recorded, and it is "
        f"{difference.fields[1][2]} now",
    ]


def test_another_field_is_named_unless_it_is_ignored(recording: Recording) -> None:
    handler = changed(
        "/tea", lambda request: Response.text("you asked for /tea", headers={"X-A": "1"})
    )
    difference = only(recording, handler)
    assert difference.fields == (("headers[x-a]", "absent", "'1'"),)
    assert recording.against(handler, ignoring=["x-a"]) == ()


def test_middleware_is_a_difference_in_every_answer(recording: Recording) -> None:
    found = recording.against(chain(app, security_headers()))
    assert {difference.target for difference in found} >= {"/tea", "/json", "/late"}
    assert all(name.startswith("headers[") for one in found for name, _, _ in one.fields)


def test_a_handler_that_raises_is_a_difference_with_its_traceback(recording: Recording) -> None:
    def fail(request: Request) -> Response:
        return Response.text(str({}["missing"]))

    difference = only(recording, changed("/json", fail))
    assert difference.fields[0] == ("status", "200", "500")
    assert "KeyError: 'missing'" in difference.traceback and "in fail" in str(difference)
    assert "During handling" not in difference.traceback


def test_one_that_raises_no_more_is_a_difference_too(recording: Recording) -> None:
    difference = only(recording, changed("/fail", lambda request: Response.text("fine")))
    assert difference.fields[0] == ("status", "500", "200") and difference.traceback == ""


def test_another_stream_is_a_difference(recording: Recording) -> None:
    for chunks in ([b"one,", b"two"], [b"one,", b"two,", b"three", b"four"], [b"ONE,two,three"]):
        handler = changed("/stream", lambda request, chunks=chunks: Response.stream(iter(chunks)))
        assert [name for name, _, _ in only(recording, handler).fields] == ["body"]


def test_a_stream_that_fails_is_a_difference(recording: Recording) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one,"
        raise OSError("the disk is gone")

    difference = only(recording, changed("/stream", lambda request: Response.stream(chunks())))
    assert "OSError: the disk is gone" in difference.traceback


def test_another_upgrade_is_a_difference(recording: Recording) -> None:
    difference = only(recording, changed("/ws", lambda request: Response.upgrade(topics=["b"])))
    assert [name for name, _, _ in difference.fields] == ["body"]


def test_an_answer_that_does_not_come_is_a_difference(recording: Recording) -> None:
    difference = only(recording, changed("/tea", lambda request: Deferred()), timeout=0.2)
    assert "GET /tea was not answered within 0.2 s" in difference.traceback


def test_it_can_be_asked_within_a_loop(recording: Recording) -> None:
    async def ask() -> tuple[AnswerDifference, ...]:
        return recording.against(answer_later)

    assert asyncio.run(ask()) == ()


def test_what_is_no_handler_is_refused(recording: Recording) -> None:
    with pytest.raises(TypeError, match="a handler is a function of a request, not str"):
        recording.against("app")  # type: ignore[arg-type]


def test_the_beginning_and_the_end_of_a_handler_are_called(recording: Recording) -> None:
    called: list[str] = []

    class Living:
        async def startup(self, server: object) -> None:
            await asyncio.sleep(0)
            called.append("startup")

        def shutdown(self, server: object) -> None:
            called.append("shutdown")

        def __call__(self, request: Request) -> Response | Deferred | None:
            assert called == ["startup"]
            return app(request)

    assert recording.against(Living()) == ()
    assert called == ["startup", "shutdown"]
