"""Attempts to connect: in which order, and when the next one begins."""

from sigil.core.client.effects import CloseConnection, Connect, GiveFailure, UseAttempt
from sigil.core.client.events import Connected, ConnectFailed, Resolved
from sigil.core.client.racing import Address, alternate, start_race
from tests.support.core_agent import Driven

A6 = tuple(Address(6, f"2001:db8::{number}", 80) for number in range(4))
A4 = tuple(Address(4, f"192.0.2.{number}", 80) for number in range(4))


def test_families_take_turns_beginning_with_that_of_the_first() -> None:
    assert alternate((*A6[:3], *A4[:1]), 9) == (A6[0], A4[0], A6[1], A6[2])
    assert alternate((*A4[:2], *A6[:2]), 9) == (A4[0], A6[0], A4[1], A6[1])
    assert alternate((A4[0], A4[0], A4[1]), 9) == (A4[0], A4[1])
    assert alternate((*A6, *A4), 3) == (A6[0], A4[0], A6[1])
    assert alternate((), 9) == ()
    assert start_race((), 9, 0.0).is_lost


def racing() -> Driven:
    """A client whose host has several addresses."""
    client = Driven()
    client.ask("http://example.com/")
    client.tell(Resolved(0, (*A6[:2], *A4[:1])))
    assert client.effects == [Connect(0, 0, A6[0])]
    return client


def test_the_next_attempt_begins_a_quarter_of_a_second_later() -> None:
    client = racing()
    assert client.at(0.2) == []
    assert client.at(0.27) == [Connect(0, 1, A4[0])]
    assert client.at(0.5) == []
    assert client.at(0.54) == [Connect(0, 2, A6[1])]
    assert client.at(0.9) == []
    assert client.tell(Connected(0, 1))[0] == UseAttempt(0, 1)
    assert client.tell(Connected(0, 2)) == [] and client.tell(ConnectFailed(0, 0, "late")) == []


def test_it_begins_at_once_when_the_one_before_has_failed() -> None:
    client = racing()
    assert client.tell(ConnectFailed(0, 0, "unreachable")) == [Connect(0, 1, A4[0])]
    assert client.tell(ConnectFailed(0, 1, "refused")) == [Connect(0, 2, A6[1])]
    client.tell(ConnectFailed(0, 2, "refused"))
    assert client.effects == [CloseConnection(0)] and client.of(GiveFailure) == []
    client.at(1.0)  # it is tried again, from the beginning
    assert client.connection(1).phase.name == "RESOLVING"
