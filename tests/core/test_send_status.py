"""The statuses of a send have the numbers of the reference systems."""

from sigil.core.send_status import SendStatus


def test_the_numbers_of_the_statuses_are_those_of_the_reference() -> None:
    assert {status.name: int(status) for status in SendStatus} == {
        "BACKPRESSURE": 0,
        "SUCCESS": 1,
        "DROPPED": 2,
    }
