"""Events wait, are delivered in order, and are handled by name."""

import logging
from functools import partial
from typing import Any

import pytest

from sigil.evo import (
    ASYNC_POLLING_UPDATE,
    Event,
    EventType,
    HttpServer,
    UnknownEvent,
    WebSocketServer,
)
from sigil.evo.dispatch import Dispatcher
from tests.support.servers import logged_by

STARTED, STOPPED = EventType.SERVER_STARTED_LISTENING, EventType.SERVER_STOPPED_LISTENING
UNKNOWN = EventType.UNKNOWN_OR_INVALID_WEBSERVER_EVENT


def event(message: object, kind: EventType = STARTED) -> Event[Any]:
    """An event with this message."""
    return Event(kind, "a", message)


def test_events_are_delivered_in_the_order_in_which_they_were_deferred() -> None:
    server, told = Dispatcher(), list[object]()
    server.on(STARTED, lambda event: told.append(("started", event.message)))
    server.on("SERVER_STOPPED_LISTENING", lambda event: told.append(("stopped", event.message)))
    for number in range(4):
        server.defer_event(event(number, (STARTED, STOPPED)[number % 2]))
    assert server.has_deferred_events and told == []
    assert server.process_deferred_events() == 4
    assert told == [("started", 0), ("stopped", 1), ("started", 2), ("stopped", 3)]
    assert server.process_deferred_events() == 0 and not server.has_deferred_events


def test_what_is_deferred_meanwhile_is_for_the_next_time_and_a_handler_may_drain() -> None:
    server, told = Dispatcher(), list[object]()

    def again(event: Event[Any]) -> None:
        told.append(event.message)
        if event.message == "drain":
            assert server.process_deferred_events() == 1
        server.defer_event(Event(STOPPED, "a", "later"))

    server.on(STARTED, again)
    server.defer_event(event("drain"))
    server.defer_event(event("behind it"))
    assert server.process_deferred_events() == 1
    assert told == ["drain", "behind it"]
    assert server.process_deferred_events() == 2


def test_a_method_of_a_subclass_an_attribute_and_a_decorator_are_the_same() -> None:
    told: list[object] = []

    class Mine(Dispatcher):
        def SERVER_STARTED_LISTENING(self, event: Event[str]) -> None:
            told.append(("method", event.message))

        def ASYNC_POLLING_UPDATE(self) -> None:
            told.append("polled")

    server = Mine()
    server.defer_event(event(1))
    server.process_deferred_events()
    server.SERVER_STARTED_LISTENING = lambda event: told.append("assigned")  # type: ignore
    server.defer_event(event(2))
    server.process_deferred_events()

    @server.on(STARTED)
    def decorated(event: Event[str]) -> None:
        told.append("decorated")

    server.defer_event(event(3))
    server.process_deferred_events()
    server._poll_ended()
    server.on(ASYNC_POLLING_UPDATE, lambda: told.append("polled again"))
    server._poll_ended()
    assert told == [("method", 1), "assigned", "decorated", "polled", "polled again"]
    assert decorated.__name__ == "decorated"


def test_a_name_that_no_event_has_is_refused_where_it_is_written() -> None:
    server: Any = Dispatcher()
    for name in ("SERVER_STARTED", "started", 4, None):
        with pytest.raises(UnknownEvent, match=f"there is no event {name!r}, but ASYNC_"):
            server.on(name, print)
    with pytest.raises(UnknownEvent, match="HTTP_REQUEST_FINSHED"):
        server.HTTP_REQUEST_FINSHED = print
    with pytest.raises(UnknownEvent, match="HTTP_REQUEST_FINSHED"):
        type("Mine", (Dispatcher,), {"HTTP_REQUEST_FINSHED": lambda self, event: None})
    with pytest.raises(TypeError, match="SERVER_STARTED_LISTENING is handled by a function, not s"):
        server.on(STARTED, "handler")
    with pytest.raises(UnknownEvent, match="no HTTP_DATA_RECEIVED comes from a WebSocketServer"):
        WebSocketServer().on("HTTP_DATA_RECEIVED", print)
    with pytest.raises(UnknownEvent, match="no WEBSOCKET_BACKPRESSURE comes from a HttpServer"):
        HttpServer().WEBSOCKET_BACKPRESSURE = print  # type: ignore[attr-defined]
    server.MAX = 5  # no function, so none that would never be called


def test_an_event_is_handled_by_a_function_that_ends_when_it_returns() -> None:
    async def later(event: Any) -> None: ...

    class Later:
        async def __call__(self, event: Any) -> None: ...

    server: Any = Dispatcher()
    name = STARTED.name
    for function in (later, partial(later), Later(), Later().__call__):
        for assign in (partial(server.on, STARTED), partial(setattr, server, name)):
            with pytest.raises(TypeError, match=f"{name} is handled by a function that is not"):
                assign(function)
    with pytest.raises(TypeError, match=f"{ASYNC_POLLING_UPDATE} is handled by a function that"):
        server.on(ASYNC_POLLING_UPDATE, later)
    with pytest.raises(TypeError, match=f"{name} is handled by a function that is not"):
        type("Mine", (Dispatcher,), {name: later})
    with pytest.raises(TypeError, match=f"{name} is handled by a function, not NoneType"):
        server.SERVER_STARTED_LISTENING = None
    with pytest.raises(TypeError, match=f"{name} is handled by a function, not int"):
        type("Mine", (Dispatcher,), {name: 5})


def test_a_coroutine_that_a_handler_returns_is_an_error_in_the_log() -> None:
    async def later() -> None: ...

    server = Dispatcher()
    server.on(STARTED, lambda event: later())
    server.on(ASYNC_POLLING_UPDATE, lambda: later())
    with logged_by("sigil.error") as lines:
        server.defer_event(event(1))
        assert server.process_deferred_events() == 1
        server._poll_ended()
    assert lines == [
        f"the handler of {name} raised" for name in (STARTED.name, ASYNC_POLLING_UPDATE)
    ]


@pytest.mark.parametrize(
    "given",
    [
        None,
        "x",
        (4, "a", "b"),
        Event(99, "a", "b"),  # type: ignore[type-var]
        Event(STARTED, ["a"], "b"),  # type: ignore[arg-type]
        event("x", EventType.HTTP_DATA_RECEIVED),
    ],
)
def test_what_is_no_event_is_an_unknown_one_which_raises_into_the_log(given: Any) -> None:
    server = Dispatcher()
    server.defer_event(given)
    with logged_by("sigil.error") as lines:
        assert server.process_deferred_events() == 1
    assert lines == ["the handler of UNKNOWN_OR_INVALID_WEBSERVER_EVENT raised"]
    told: list[Event[Any]] = []
    server.on(UNKNOWN, told.append)
    server.defer_event(given)
    assert server.process_deferred_events() == 1
    assert told == [Event(UNKNOWN, "", given)]


def test_a_handler_that_raises_is_logged_with_its_traceback_and_harms_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, told = Dispatcher(), list[object]()

    def breaks(event: Event[Any]) -> None:
        told.append(event.message)
        raise ZeroDivisionError("mine")

    server.on(STARTED, breaks)
    server.on(ASYNC_POLLING_UPDATE, lambda: 1 / 0)
    server.defer_event(event(1))
    server.defer_event(event(2))
    with caplog.at_level(logging.ERROR, "sigil.error"):
        assert server.process_deferred_events() == 2
        server._poll_ended()
    assert told == [1, 2]
    assert [record.message for record in caplog.records] == [
        "the handler of SERVER_STARTED_LISTENING raised",
        "the handler of SERVER_STARTED_LISTENING raised",
        "the handler of ASYNC_POLLING_UPDATE raised",
    ]
    assert "ZeroDivisionError: mine" in caplog.text and "in breaks" in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_leaves_and_the_rest_waits(error: type[BaseException]) -> None:
    server = Dispatcher()

    def leave(*event: object) -> None:
        raise error

    server.on(STARTED, leave)
    server.on(ASYNC_POLLING_UPDATE, leave)
    server.defer_event(event(1))
    server.defer_event(event(2, STOPPED))
    with pytest.raises(error):
        server.process_deferred_events()
    with pytest.raises(error):
        server._poll_ended()
    assert server.process_deferred_events() == 1
