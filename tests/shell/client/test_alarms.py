"""Functions that are called at a time: in order, once, and not when they were cancelled."""

from sigil.client import Client
from sigil.shell.client.alarms import Alarms


def test_what_is_due_is_taken_in_order() -> None:
    alarms, seen = Alarms(), list[str]()
    assert alarms.next_at() is None
    alarms.set(3.0, lambda: seen.append("later"))
    second = alarms.set(2.0, lambda: seen.append("cancelled"))
    alarms.set(1.0, lambda: seen.append("first"))
    alarms.set(1.0, lambda: seen.append("second"))
    second.cancel()
    assert alarms.next_at() == 1.0
    for function in alarms.take_due(2.5):
        function()
    assert (seen, alarms.next_at()) == (["first", "second"], 3.0)
    assert list(alarms.take_due(2.9)) == []
    assert (alarms.or_sooner(2.0), alarms.or_sooner(None)) == (2.0, 3.0)


def test_one_that_is_due_may_cancel_the_next() -> None:
    alarms, seen = Alarms(), list[str]()
    alarms.set(1.0, lambda: last.cancel())
    last = alarms.set(1.0, lambda: seen.append("called"))
    for function in alarms.take_due(1.0):
        function()
    assert seen == []


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
