"""What is sent once more, and when."""

import pytest

from sigil.core.client.failures import FailureKind
from sigil.core.client.limits import ClientLimits
from sigil.core.client.requests import CHUNKED, RequestOptions
from sigil.core.client.responses import ResponseHead
from sigil.core.client.retries import asked_delay, fraction_of, may_retry, retry_delay
from sigil.core.http.headers import Headers
from tests.support.core_agent import request_to

LIMITS = ClientLimits(retry_base=0.1, max_retry_delay=2.0)


def test_only_what_may_be_sent_twice_is() -> None:
    closed, refused = FailureKind.CLOSED, FailureKind.CONNECT
    for method, may in (("GET", True), ("PUT", True), ("DELETE", True), ("POST", False)):
        assert may_retry(request_to(method=method), closed, 1, False) is may
        assert may_retry(request_to(method=method), refused, 1, False)
    assert not may_retry(request_to(), closed, 1, True)
    assert not may_retry(request_to(), closed, 3, False)
    assert not may_retry(request_to(), FailureKind.READ_TIMEOUT, 1, False)
    stream = request_to(method="PUT", body=None, length=CHUNKED)
    assert not may_retry(stream, closed, 1, False) and may_retry(stream, refused, 1, False)


def test_waits_double_up_to_a_bound_and_are_left_to_chance() -> None:
    seeds = [bytes([number]) * 32 for number in range(50)]
    for attempts, longest in ((1, 0.1), (2, 0.2), (3, 0.4), (9, 2.0), (99, 2.0)):
        waits = [retry_delay(attempts, seed, LIMITS) for seed in seeds]
        assert all(0.0 <= wait < longest for wait in waits)
        assert max(waits) > longest * 0.8 and min(waits) < longest * 0.2
        assert len(set(waits)) == len(seeds)
    assert fraction_of(seeds[0], 1) == fraction_of(seeds[0], 1) != fraction_of(seeds[0], 2)


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (503, "1", 1.0),
        (429, "0", 0.0),
        (503, "Mon, 12 Jan 1970 13:46:41 GMT", 1.0),
        (503, "Mon, 12 Jan 1970 13:46:00 GMT", 0.0),
        (503, "3", None),
        (503, "soon", None),
        (503, "", None),
        (500, "1", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(status: int, value: str, seconds: float | None) -> None:
    request = request_to(options=RequestOptions(waits_as_asked=True))
    head = ResponseHead(1, status, "", Headers((("Retry-After", value),)), 0)
    assert asked_delay(request, head, 1, 1_000_000, LIMITS) == seconds
    assert asked_delay(request, head, 3, 1_000_000, LIMITS) is None
    assert asked_delay(request_to(), head, 1, 1_000_000, LIMITS) is None
