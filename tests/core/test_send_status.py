"""The statuses of a send have the numbers of the reference systems."""

from sigil.core.send_status import SendStatus


def test_a_status_is_true_unless_the_message_was_dropped() -> None:
    assert {status.name for status in SendStatus if status} == {"BACKPRESSURE", "SUCCESS"}
    assert not SendStatus.DROPPED


def test_the_numbers_of_the_statuses_are_those_of_the_reference() -> None:
    assert {status.name: int(status) for status in SendStatus} == {
        "BACKPRESSURE": 0,
        "SUCCESS": 1,
        "DROPPED": 2,
    }
