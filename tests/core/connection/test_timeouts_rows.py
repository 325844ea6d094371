"""What has a deadline has a row that says until when, and one that says what is done then."""

from math import inf

from sigil import Limits
from sigil.core.connection.deadlines import TIMEOUTS, Waiting
from sigil.core.connection.timeouts import TIMED_OUT


def test_everything_that_can_be_waited_for_has_its_timeout() -> None:
    assert set(TIMEOUTS) == set(Waiting)


def test_everything_that_has_a_deadline_has_its_end() -> None:
    timed = {waiting for waiting, (timeout, _) in TIMEOUTS.items() if timeout(Limits()) < inf}
    assert set(TIMED_OUT) == timed == set(Waiting) - {Waiting.CALLBACK}
