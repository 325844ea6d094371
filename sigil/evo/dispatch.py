"""Events are deferred, and delivered in order when the program asks for them.

Theory: a program that runs a loop of its own wants to be called when it is ready to be, and not
from the depths of a poll. So what happens is put into a queue, and the program drains it. An event
is handled by the method of its name: one of a subclass, or one that was assigned to the server.

Rules: first in, first out; what is deferred while events are delivered is delivered with the next
draining. A name that no event has is refused where it is written, and so is a handler that is none,
or is asynchronous, since nobody would await it. A handler that raises is logged with its traceback
and harms nobody but whom the event is about. It does not know where events come from.
"""

import logging
from collections import deque
from collections.abc import Callable
from inspect import iscoroutinefunction
from types import CoroutineType
from typing import Any, TypeVar

from .events import ASYNC_POLLING_UPDATE, EVENT_NAMES, Event, EventType, UnknownEvent, event_name

_LOG = logging.getLogger("sigil.error")

EXIT_EXCEPTIONS = (KeyboardInterrupt, SystemExit)
"""What a handler raises to end the program."""

F = TypeVar("F", bound=Callable[..., object])


class Dispatcher:
    """The queue of events of one server, and who handles them."""

    def __init__(self) -> None:
        self._queue: deque[Any] = deque()
        self._taken_count = 0
        """How many events were taken out of the queue."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, value in vars(cls).items():
            if callable(value) and _is_name_of_event(name):
                event_name(name)
            _check_handler(name, value)

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute; `UnknownEvent` for a function by the name of no event of this server,
        which would never be called, TypeError for an event that nothing could handle then.
        """
        if callable(value) and _is_name_of_event(name):
            self._require(event_name(name))
        _check_handler(name, value)
        object.__setattr__(self, name, value)

    # -- events ------------------------------------------------------------------------------------

    def UNKNOWN_OR_INVALID_WEBSERVER_EVENT(self, event: Event[object]) -> None:
        """Raise `UnknownEvent` with what was deferred and is no event."""
        raise UnknownEvent(f"no event, or none that is known: {event.message!r:.1000}")

    def SERVER_STARTED_LISTENING(self, event: Event[str]) -> None:
        """The server accepts connections; `event.message` is the port, as a str."""

    def SERVER_STOPPED_LISTENING(self, event: Event[str]) -> None:
        """The server has stopped; `event.message` is "Going Away"."""

    def ASYNC_POLLING_UPDATE(self) -> None:
        """A poll is over, and all events of it were delivered."""

    # -- who handles them --------------------------------------------------------------------------

    def on(self, event: EventType | str, handler: F | None = None) -> Any:
        """Have an event handled by a function, in the place of whatever handled it before: called
        with the event, and for ASYNC_POLLING_UPDATE with nothing. Without a handler, a decorator.

        The same as assigning it to the attribute of that name. `UnknownEvent` for an event that
        this server does not have, TypeError for what is no function, or an asynchronous one.
        """
        name = self._require(event_name(event))

        def assign(function: F) -> F:
            setattr(self, name, function)
            return function

        return assign if handler is None else assign(handler)

    def defer_event(self, event: Event[object]) -> None:
        """Have an event delivered behind those that wait: one of the program's own, as in a test.

        What is no event is delivered as UNKNOWN_OR_INVALID_WEBSERVER_EVENT.
        """
        self._queue.append(event)

    def process_deferred_events(self) -> int:
        """Deliver the events that wait, in order; how many there were."""
        queue, count = self._queue, 0
        end = self._taken_count + len(queue)
        while self._taken_count < end:  # a handler may drain it as well
            self._taken_count += 1
            self._deliver(queue.popleft())
            count += 1
        return count

    @property
    def has_deferred_events(self) -> bool:
        """True if events wait."""
        return bool(self._queue)

    # -- the rest is for subclasses ----------------------------------------------------------------

    def _deliver(self, given: object) -> None:
        """Call the handler of an event with it."""
        event = self._as_event(given)
        try:
            _require_end(getattr(self, event.type.name)(event))
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            _log_error(event.type.name, error)
            self._after_failure(event, error)
        else:
            self._after_delivery(event)

    def _as_event(self, given: Any) -> Event[Any]:
        """The event that was deferred, or the one that stands for what is none of this server."""
        is_event = isinstance(given, Event) and isinstance(given.type, EventType)
        if is_event and isinstance(given.client_id, str) and hasattr(self, given.type.name):
            event: Event[Any] = given
            return event
        return Event(EventType.UNKNOWN_OR_INVALID_WEBSERVER_EVENT, "", given)

    def _require(self, name: str) -> str:
        """The name of an event; `UnknownEvent` if it is none of this server."""
        if not hasattr(type(self), name):
            raise UnknownEvent(f"no {name} comes from a {type(self).__name__}")
        return name

    def _poll_ended(self) -> None:
        """Call the handler of ASYNC_POLLING_UPDATE."""
        handler: Callable[[], object] = self.ASYNC_POLLING_UPDATE
        try:
            _require_end(handler())
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            _log_error(ASYNC_POLLING_UPDATE, error)

    def _after_delivery(self, event: Event[Any]) -> None:
        """An event was delivered."""

    def _after_failure(self, event: Event[Any], error: BaseException) -> None:
        """The handler of an event has raised, and that was logged."""


def _is_name_of_event(name: str) -> bool:
    """True for a name in capitals, which no function has but one that handles an event."""
    return name.isupper() and not name.startswith("_")


def _check_handler(name: str, value: object) -> None:
    """TypeError if this is to handle an event, and cannot."""
    if name not in EVENT_NAMES:
        return
    if not callable(value):
        raise TypeError(f"{name} is handled by a function, not {type(value).__name__}")
    if iscoroutinefunction(value) or iscoroutinefunction(type(value).__call__):
        raise TypeError(f"{name} is handled by a function that is not asynchronous")


def _require_end(result: object) -> None:
    """TypeError for what a handler has returned that nobody awaits."""
    if isinstance(result, CoroutineType):
        result.close()
        raise TypeError("a handler of an event is not asynchronous: nobody awaits its coroutine")


def _log_error(name: str, error: BaseException) -> None:
    """Log what the handler of an event has raised, with its traceback."""
    _LOG.error("the handler of %s raised", name, exc_info=error)
