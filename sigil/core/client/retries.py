"""Whether a request is sent once more, and when (RFC 9110 sections 9.2.2 and 10.2.3).

Theory: what nobody has answered may be asked again, if asking twice is asking once; and at once if
the connection had been used before and was just closed, which is nobody's fault. Clients that
failed together must not come back together, so the wait is random.

Rules: only what is idempotent and has a body that can be repeated is sent again, but for a request
of which no byte was sent. The number of attempts is bounded, and so is each wait. Randomness is an
argument: `seed` is 32 bytes that came as a fact. It does not know the time.
"""

from hashlib import sha256
from typing import Final

from ..http.dates import parse_date
from .failures import FailureKind
from .limits import ClientLimits
from .requests import OutgoingRequest
from .responses import ResponseHead

_WAITING: Final = frozenset((429, 503))
_SEED_LEN: Final = 8


def may_retry(
    request: OutgoingRequest, kind: FailureKind, attempts: int, has_answered: bool
) -> bool:
    """True if a request that has failed `attempts` times is to be sent again; `has_answered` if a
    byte of a response has come.
    """
    if attempts > request.options.retries or has_answered:
        return False
    if kind is FailureKind.CONNECT:  # nobody has seen the request
        return True
    return kind is FailureKind.CLOSED and request.is_idempotent


def retry_delay(attempts: int, seed: bytes, limits: ClientLimits) -> float:
    """Seconds to wait before the next attempt, when `attempts` have failed: random from 0 to a
    bound that doubles each time.
    """
    longest: float = min(
        limits.retry_base * float(1 << min(attempts - 1, 30)), limits.max_retry_delay
    )
    return longest * fraction_of(seed, attempts)


def fraction_of(seed: bytes, number: int) -> float:
    """A number from 0 to 1 that only whoever has the seed can predict."""
    digest = sha256(seed + number.to_bytes(_SEED_LEN, "big")).digest()
    return int.from_bytes(digest[:_SEED_LEN], "big") / 2.0**64


def asked_delay(
    request: OutgoingRequest, head: ResponseHead, attempts: int, now: int, limits: ClientLimits
) -> float | None:
    """Seconds that a response with Retry-After asks to wait before the next attempt, if that is to
    be made; None if the response is for the program.
    """
    options = request.options
    if not options.waits_as_asked or head.status not in _WAITING or attempts > options.retries:
        return None
    value = head.headers.combined.get("retry-after")
    if value is None or not request.is_idempotent:
        return None
    if value.isascii() and value.isdigit():
        seconds = float(value[:12])
    else:
        at = parse_date(value)
        if at is None:
            return None
        seconds = float(max(0, at - now))
    return seconds if seconds <= limits.max_retry_delay else None
