"""Whether limits make sense: the first of them that does not, in a sentence.

Theory: limits are written by people, in programs and in settings, and may be of any type. What is
wrong with them is said where they are given, and not when the first client comes.

Rules: nothing is corrected. It does not know what a limit bounds.
"""

from typing import Final

from .limits import Limits
from .networks import parse_networks
from .origins import check_origins

FULL_POLICIES: Final = ("evict", "wait", "503")
"""The values of `Limits.full_policy`."""

SHORTEST_HEAD_LEN: Final = 25
"""Bytes of the shortest request that is answered: `GET / HTTP/1.1`, `Host:`, and three line ends.
"""
KEEPALIVE_MAX_SECONDS: Final = 32_767
KEEPALIVE_MAX_PROBES: Final = 127
"""What Linux takes (tcp(7))."""
_MINIMA: Final = {
    "max_header_len": SHORTEST_HEAD_LEN,
    "max_ws_piece_len": 16,
    "max_tls_held_len": 1_024,
}
_AT_LEAST_ONE: Final = frozenset(
    (
        "max_connection_cnt",
        "max_requests_per_connection",
        "max_headers",
        "max_queued_requests",
        "tcp_notsent_lowat",
        "max_unsent_response_len",
        "max_outbox_len",
        "max_file_send_len",
        "max_accepts_per_tick",
        "max_overdue_per_tick",
        "max_reads_per_tick",
        "max_read_len",
        "max_read_len_per_tick",
        "max_body_read_len_per_tick",
        "max_body_piece_len",
        "max_rounds_per_tick",
        "max_tls_handshakes_per_tick",
        "outgoing_buffer_sz",
        "max_ws_send_frame_cnt",
        "max_ws_control_frames_per_second",
        "max_recode_len_per_tick",
    )
)
"""The limits that may not be 0, since nothing would work."""


def check_limits(limits: Limits) -> str | None:
    """None if a server can work within these limits, or a sentence about the first that makes no
    sense.
    """
    values: dict[str, object] = limits._asdict()  # they may be of any type: nobody has looked yet
    policy = values["full_policy"]
    if policy not in FULL_POLICIES:
        return f"full_policy is one of {', '.join(FULL_POLICIES)}, not {policy!r}"
    problem = check_origins(values["origins"])
    if problem is not None:
        return problem
    networks = parse_networks(values["proxy_protocol"])
    if isinstance(networks, str):
        return f"proxy_protocol: {networks}"
    problem = _check_keepalive(values["tcp_keepalive"])
    if problem is not None:
        return problem
    for name, value in values.items():
        if type(Limits._field_defaults[name]) is bool and type(value) is not bool:
            return f"{name} is True or False, not {value!r}"
        kind = _number_type(name, value)
        minimum = _MINIMA.get(name, 1 if name in _AT_LEAST_ONE else 0)
        if kind is not None and not _is_number(value, kind, minimum):
            noun = "a whole number" if kind is int else "a number"
            return f"{name} is {noun}, {minimum} or more, not {value!r}"
    return None


def _check_keepalive(value: object) -> str | None:
    """None for what the kernel takes as the numbers of TCP keep-alive, or none of them."""
    if value is None:
        return None
    numbers: tuple[object, ...] = value if isinstance(value, tuple) else ()
    bounds = (KEEPALIVE_MAX_SECONDS, KEEPALIVE_MAX_SECONDS, KEEPALIVE_MAX_PROBES)
    if len(numbers) == len(bounds) and all(
        type(number) is int and 1 <= number <= bound
        for number, bound in zip(numbers, bounds, strict=True)
    ):
        return None
    return (
        f"tcp_keepalive is None or (seconds, seconds, probes), of which seconds are 1 to "
        f"{KEEPALIVE_MAX_SECONDS} and probes 1 to {KEEPALIVE_MAX_PROBES}, not {value!r}"
    )


def _number_type(name: str, value: object) -> type | None:
    """The type that the limit `name` has by its default: int or float; None if it is no number."""
    if name == "max_request_len":
        return None if value is None else int
    kind = type(Limits._field_defaults[name])
    return kind if kind in (int, float) else None


WHOLE_MAX: Final = 2**31 - 1
"""More than any count or length here can sensibly be, and the most that the kernel understands."""


def _is_number(value: object, kind: type, minimum: int) -> bool:
    """True for a number of this kind from `minimum` on, if whole up to `WHOLE_MAX`; NaN is none."""
    if kind is int:
        return type(value) is int and minimum <= value <= WHOLE_MAX
    return isinstance(value, int | float) and value >= minimum
