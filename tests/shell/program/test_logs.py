"""Handlers of logs that raise: a line is lost, and nothing else.

Theory: the handlers of `logging` are user code, so they may raise wherever a line is written. Each
logger of sigil gets one that does, while everything is done that is logged.
"""

import logging
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sigil import Callbacks, Request, Response
from sigil.shell.program.logs import write_log, write_text
from sigil.shell.program.tracebacks import error_text
from sigil.testing import Client, HandlerError
from tests.support.requests import GET
from tests.support.servers import Raw, ask, end, in_thread, make, pump, ticking

LOGS = ("sigil.server", "sigil.error", "sigil.access")


class Raising(logging.Handler):
    """A handler that raises whenever a line is to be written."""

    def __init__(self, make_error: Callable[[], BaseException], by_handle: bool) -> None:
        super().__init__(logging.DEBUG)
        self._make_error = make_error
        self._by_handle = by_handle
        self.count = 0

    def handle(self, record: logging.LogRecord) -> bool:
        """Raise here, or in `emit`."""
        if self._by_handle:
            self._raise()
        return bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Raise."""
        self._raise()

    def _raise(self) -> None:
        self.count += 1
        raise self._make_error()


class Unprintable(Exception):
    """An exception that cannot be described."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Strange(BaseException):
    """Not even an Exception, and nothing that is meant to end a program."""


@contextmanager
def raising(
    make_error: Callable[[], BaseException], by_handle: bool = False
) -> Iterator[dict[str, Raising]]:
    """Each log of sigil has a handler that raises."""
    handlers = {name: Raising(make_error, by_handle) for name in LOGS}
    before = {name: logging.getLogger(name).level for name in LOGS}
    for name, handler in handlers.items():
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield handlers
    finally:
        for name, handler in handlers.items():
            logging.getLogger(name).removeHandler(handler)
            logging.getLogger(name).setLevel(before[name])


def app(request: Request) -> Response:
    """What is logged, by path."""
    if request.path == "/fail":
        raise ValueError("the handler fails")
    if request.path == "/stream":
        return Response.stream(1 / 0 for _ in range(3))  # type: ignore[misc]
    return Response.text("fine")


def fail(*_: object) -> None:
    raise ValueError("the callback fails")


@pytest.mark.parametrize("make_error", [lambda: OSError("full"), Unprintable, Strange])
@pytest.mark.parametrize("by_handle", [False, True])
def test_everybody_is_served_whatever_the_handlers_of_logs_raise(
    make_error: Callable[[], BaseException], by_handle: bool
) -> None:
    callbacks = Callbacks(close=fail)
    with raising(make_error, by_handle) as handlers, ticking(app, callbacks=callbacks) as server:
        for path, status in (("/", 200), ("/fail", 500), ("/stream", 200), ("/", 200)):
            request = GET.replace(b"GET / ", b"GET %s " % path.encode())
            assert ask(server, request).status == status
        with Raw(server, b"GARBAGE\r\n\r\n") as bad, Raw(server, GET * 3) as good:
            pump(server, lambda: bad.over and len(good.answers(*["GET"] * 3)) == 3, bad, good)
        end(server)
        assert all(handler.count for handler in handlers.values())


def test_a_server_in_a_thread_goes_on() -> None:
    with raising(lambda: OSError("full")), in_thread(make(app)) as server:
        for _ in range(3):
            with Raw(server, GET) as client:
                while not client.answers():
                    client.poll()
                assert client.answers()[0].text == "fine"


def test_a_failure_is_reported_once_for_each_place(capsys: pytest.CaptureFixture[str]) -> None:
    class First(Raising):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("first")

    class Second(Raising):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("second")

    logger = logging.getLogger("sigil.test_of_failures")
    logger.propagate = False
    for kind in (First, Second):
        logger.handlers = [kind(OSError, False)]
        for _ in range(3):
            write_log(logger, logging.ERROR, "a line %d", 1)
    said = capsys.readouterr().err
    assert said.count("OSError: first") == said.count("OSError: second") == 1
    assert "a handler of the log sigil.test_of_failures raised" in said


def test_what_ends_the_program_ends_it_and_no_standard_error_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logger = logging.getLogger("sigil.test_of_ends")
    logger.propagate = False
    logger.handlers = [Raising(KeyboardInterrupt, False)]
    with pytest.raises(KeyboardInterrupt):
        write_log(logger, logging.ERROR, "a line")
    monkeypatch.setattr(sys, "stderr", None)
    logger.handlers = [Raising(lambda: OSError("nowhere"), True)]
    write_log(logger, logging.ERROR, "a line")


# -- exceptions ------------------------------------------------------------------------------------


class Collector(logging.Handler):
    """Collects exceptions, as services for that do."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[BaseException | None, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the exception of a record, its message, and what a formatter makes of it."""
        assert record.exc_info is not None
        kind, error, trace = record.exc_info
        assert error is not None and kind is type(error) and trace is error.__traceback__
        self.found.append((error, record.getMessage(), self.format(record)))


def broken(request: Request) -> Response:
    """Every way in which a handler and what it returns may fail."""

    def stream() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("in the stream")

    class Closing:
        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            return b"x" * 100

        def close(self) -> None:
            raise ValueError("when closed")

    class Unopened:
        def __iter__(self) -> Iterator[bytes]:
            raise ValueError("when begun")

    match request.path:
        case "/stream":
            return Response.stream(stream())
        case "/close":
            return Response.stream(Closing(), headers={"Content-Length": "1"})
        case "/begin":
            return Response.stream(Unopened())
        case "/resists":
            raise Unprintable
        case _:
            raise ValueError("in the handler")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/", "ValueError: in the handler"),
        ("/stream", "ValueError: in the stream"),
        ("/close", "ValueError: when closed"),
        ("/begin", "ValueError: when begun"),
        ("/resists", "Unprintable"),
    ],
)
def test_a_record_with_a_traceback_has_the_exception(path: str, message: str) -> None:
    collector, logger = Collector(), logging.getLogger("sigil.error")
    logger.addHandler(collector)
    try:
        with ticking(broken) as server, Raw(server, GET.replace(b"/", path.encode(), 1)) as client:
            pump(server, lambda: bool(collector.found), client)
    finally:
        logger.removeHandler(collector)
    ((error, text, written),) = collector.found
    assert isinstance(error, ValueError if path != "/resists" else Unprintable)
    assert message in text and written.count(message) == text.count(message)
    assert written.count("Traceback (most recent call last)") == 1


@pytest.mark.parametrize("name", ["open", "ws_open", "ws_message", "ws_close", "close"])
def test_a_callback_that_raises_is_logged_with_its_exception(name: str) -> None:
    collector, logger = Collector(), logging.getLogger("sigil.error")
    logger.addHandler(collector)
    try:
        client = Client(lambda request: Response.upgrade(), callbacks=Callbacks(**{name: fail}))
        if name != "open":
            client.websocket("/").send("x")
        else:
            client.connect()
        client.stop(0.0)
    except HandlerError:
        client.stop(0.0)
    finally:
        logger.removeHandler(collector)
    assert [str(error) for error, _, _ in collector.found] == ["the callback fails"]


def test_what_a_record_has_besides_is_no_matter_of_the_text() -> None:
    text = error_text("what happened", ValueError("why"))
    assert text == "what happened\nValueError: why\n" and text.error.args == ("why",)
    assert pickle.loads(pickle.dumps(text)) == text
    logger = logging.getLogger("sigil.test_of_levels")
    logger.setLevel(logging.CRITICAL)
    write_text(logger, logging.ERROR, text)
