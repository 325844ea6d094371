"""Refusals as values: they are false, carry a status, and know whether they answer a HEAD."""

from sigil.core.close_reasons import CloseReason
from sigil.core.parse_result import Malformed, NeedMore, malformed, without_body_for_head
from tests.support.core_driver import same


def test_a_refusal_is_false_and_has_the_status_of_its_reason() -> None:
    refusal = Malformed(CloseReason.LARGE_HEADER, "too much")
    assert not refusal
    assert refusal.status == 431


def test_needing_more_is_false_and_not_a_refusal() -> None:
    assert not NeedMore(5)
    assert not same(NeedMore(5), (5,))


def test_bad_without_a_reason_is_a_bad_request() -> None:
    assert same(malformed("why"), Malformed(CloseReason.BAD_REQUEST, "why", False))


def test_only_what_begins_as_a_head_request_is_answered_without_a_body() -> None:
    assert same(
        without_body_for_head(b"HEAD / HTTP/1.1", malformed("why")),
        Malformed(CloseReason.BAD_REQUEST, "why", True),
    )
    assert same(
        without_body_for_head(b"HEADER / HTTP/1.1", malformed("why")),
        Malformed(CloseReason.BAD_REQUEST, "why", False),
    )
    assert same(
        without_body_for_head(b"GET / HTTP/1.1", malformed("why")),
        Malformed(CloseReason.BAD_REQUEST, "why", False),
    )
