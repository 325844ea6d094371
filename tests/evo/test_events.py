"""The names and numbers of events are those of the runtime."""

import pytest

from sigil.evo import ASYNC_POLLING_UPDATE, Event, EventType, UnknownEvent
from sigil.evo.events import event_name


def test_the_numbers_are_those_of_the_runtime() -> None:
    assert {kind.name: int(kind) for kind in EventType} == {
        "UNKNOWN_OR_INVALID_WEBSERVER_EVENT": 0,
        "WEBSOCKET_CONNECTION_ESTABLISHED": 1,
        "WEBSOCKET_MESSAGE_RECEIVED": 2,
        "WEBSOCKET_CONNECTION_CLOSED": 3,
        "SERVER_STARTED_LISTENING": 4,
        "SERVER_STOPPED_LISTENING": 5,
        "HTTP_REQUEST_STARTED": 6,
        "HTTP_DATA_RECEIVED": 7,
        "HTTP_REQUEST_FINISHED": 8,
        "HTTP_CONNECTION_ABORTED": 9,
        "HTTP_CONNECTION_WRITABLE": 10,
        "WEBSOCKET_BACKPRESSURE": 11,
    }


def test_an_event_is_a_value() -> None:
    event = Event(EventType.HTTP_DATA_RECEIVED, "a", b"piece")
    assert event == (7, "a", b"piece", None, None)
    assert (event.type, event.client_id, event.message) == (7, "a", b"piece")
    assert event in {event}


def test_an_event_is_named_by_its_type_or_by_its_name() -> None:
    assert event_name(EventType.HTTP_DATA_RECEIVED) == "HTTP_DATA_RECEIVED"
    assert event_name("HTTP_DATA_RECEIVED") == "HTTP_DATA_RECEIVED"
    assert event_name(ASYNC_POLLING_UPDATE) == "ASYNC_POLLING_UPDATE"
    for wrong in ("", 7, "HTTP_DATA"):
        with pytest.raises(UnknownEvent):
            event_name(wrong)
