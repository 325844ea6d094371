"""The clock: both readings are of now, and the monotonic one does not go back."""

import time

from sigil.shell.loop.clock import read_clock


def test_a_reading_lies_between_the_readings_around_it() -> None:
    before, unix_before = time.monotonic(), int(time.time())
    first, second = read_clock(), read_clock()
    after, unix_after = time.monotonic(), int(time.time())
    assert before <= first.now <= second.now <= after
    assert unix_before <= first.unix_time <= second.unix_time <= unix_after
