"""The wheel: names filed by time, looked at never early and at most one grain late."""

from math import inf

import pytest

from sigil.core.conn import Conn
from sigil.core.server.timer_wheel import (
    expire,
    make_wheel,
    next_expiry,
    put_back,
    schedule,
)

A, B, C = Conn(0, 0), Conn(1, 1), Conn(2, 2)


def test_an_empty_wheel_has_nothing_to_look_at() -> None:
    wheel = make_wheel(32.0)
    assert next_expiry(wheel) is None
    assert expire(wheel, 1e9, 99) == (wheel, [])


def test_a_name_is_looked_at_when_its_deadline_comes_and_not_before() -> None:
    wheel = schedule(make_wheel(32.0), A, now=0.0, deadline=10.0)
    assert next_expiry(wheel) == 10.0
    assert expire(wheel, 9.999, 99) == (wheel, [])
    emptied, names = expire(wheel, 10.0, 99)
    assert names == [A]
    assert next_expiry(emptied) is None


def test_a_deadline_between_two_grains_is_noticed_at_the_later_one() -> None:
    wheel = schedule(make_wheel(32.0), A, now=0.0, deadline=9.1)
    assert next_expiry(wheel) == 10.0
    assert expire(wheel, 9.9, 99)[1] == []
    assert expire(wheel, 10.0, 99)[1] == [A]


@pytest.mark.parametrize("deadline", [32.0, 1000.0, inf])
def test_nobody_is_left_alone_for_longer_than_a_period(deadline: float) -> None:
    assert next_expiry(schedule(make_wheel(32.0), A, now=5.0, deadline=deadline)) == min(
        deadline, 37.0
    )


def test_names_come_out_oldest_first_and_each_once() -> None:
    wheel = make_wheel(32.0)
    for conn, deadline in ((A, 20.0), (B, 10.0), (C, 20.0)):
        wheel = schedule(wheel, conn, 0.0, deadline)
    assert next_expiry(wheel) == 10.0
    emptied, names = expire(wheel, 25.0, 99)
    assert names == [B, A, C]
    assert expire(emptied, 1e9, 99)[1] == []


def test_what_is_not_due_stays_filed() -> None:
    wheel = schedule(schedule(make_wheel(32.0), A, 0.0, 5.0), B, 0.0, 20.0)
    later, names = expire(wheel, 5.0, 99)
    assert names == [A]
    assert next_expiry(later) == 20.0
    assert expire(later, 20.0, 99)[1] == [B]


def test_an_old_wheel_is_not_changed_by_turning_it() -> None:
    wheel = schedule(make_wheel(32.0), A, 0.0, 5.0)
    expire(wheel, 10.0, 99)
    assert expire(wheel, 10.0, 99)[1] == [A]


def test_no_more_expire_at_once_than_are_asked_for_and_the_others_at_once() -> None:
    wheel = make_wheel(10.0)
    for conn in (A, B):
        wheel = schedule(wheel, conn, 0.0, 10.0)
    wheel, first = expire(wheel, 10.0, 1)
    assert next_expiry(wheel) == 10.0
    wheel, second = expire(wheel, 10.0, 1)
    assert (first, second, next_expiry(wheel)) == ([A], [B], None)


def test_what_is_put_back_expires_at_once() -> None:
    wheel = put_back(schedule(make_wheel(10.0), A, 7.0, 99.0), [B], 7.0)
    expiry = next_expiry(wheel)
    assert expiry is not None and expiry <= 7.0
    assert expire(wheel, 7.0, 99)[1] == [B]
    assert put_back(wheel, [], 7.0) is wheel
