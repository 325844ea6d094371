"""Functions that are called at a time: in order, once, and not when they were cancelled."""

from sigil.client import Client
from sigil.shell.client.alarms import Alarm, Alarms


def test_what_is_due_is_taken_in_order() -> None:
    alarms, seen = Alarms(), list[str]()
    assert alarms.next_at() is None
    alarms.set(3.0, lambda: seen.append("later"))
    second = alarms.set(2.0, lambda: seen.append("cancelled"))
    alarms.set(1.0, lambda: seen.append("first"))
    alarms.set(1.0, lambda: seen.append("second"))
    second.cancel()
    assert alarms.next_at() == 1.0
    call(alarms.take_due(2.5))
    assert (seen, alarms.next_at()) == (["first", "second"], 3.0)
    assert alarms.take_due(2.9) == []


def call(alarms: list[Alarm]) -> None:
    """Call what is due."""
    for alarm in alarms:
        assert alarm.function is not None
        alarm.function()


def test_a_client_calls_what_is_due_and_survives_what_raises() -> None:
    seen: list[str] = []

    def fail() -> None:
        seen.append("raises")
        raise ZeroDivisionError

    with Client() as client:
        loop = client.loop
        loop.call_at(loop.clock() + 0.001, fail)
        loop.call_at(loop.clock() + 0.001, lambda: seen.append("called"))
        at = client.next_deadline()
        assert at is not None and at <= loop.clock() + 0.001
        while len(seen) < 2:
            client.tick(None)
        assert client.next_deadline() is None
    assert seen == ["raises", "called"]
