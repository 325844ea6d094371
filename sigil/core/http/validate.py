"""What the wire requires of a response, whoever made it (RFC 9110 sections 5.5, 6.4, 8.6).

Theory: a value from user code is a claim. The constructors of `Response` check theirs, but a
`Response` is a plain record that anybody can fill, and one line end in one header value is response
splitting. So every response is validated here before it is sent.

Rules: problems are sentences, not exceptions; None means that there is none. The fields that frame
a message belong to the server: a handler may declare a Content-Length, and must keep it, and may
never set Transfer-Encoding. The values in a response are judged by their real types, and never
asked for their repr, since that would run user code. Nothing is changed here.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from ..topics import AllTopics
from .headers import Pairs

_LENGTH_DIGITS_MAX: Final = 18
"""No body is so long that its length has more digits."""

NO_CONTENT_STATUSES: Final = frozenset((204, 304))
"""Final statuses that never have content (RFC 9110 section 6.4.1)."""

_REASON: Final = re.compile(r"[\t -~\x80-\xff]*")

_type_name: Callable[[type], str] = type.__dict__["__name__"].__get__
_SCALARS: Final = frozenset((str, bytes, float, bool, type(None)))
_CONTAINERS: Final = frozenset((tuple, list, dict))
_INT_MAX: Final = 2**64
"""Greater numbers have no repr here: Python refuses to write some of them out."""
_ITEMS_MAX: Final = 100
_DEPTH_MAX: Final = 3
"""How many items a container may have, and how deep they may be nested, to have a repr here."""


def type_name(value: object) -> str:
    """The name of a value's real type, whatever `__class__` and the metaclass pretend."""
    return _type_name(type(value))


def safe_repr(value: object) -> str:
    """The repr of a value; only its type if a repr would run user code, or take long."""
    return repr(value) if _is_plain(value, _DEPTH_MAX) else f"an object of type {type_name(value)}"


def _is_plain(value: Any, depth: int) -> bool:
    """True for built-in scalars, and for small built-in containers of them, nested up to `depth`
    times.
    """
    kind = type(value)
    if kind is int:
        return bool(-_INT_MAX < value < _INT_MAX)
    if kind in _CONTAINERS:
        if depth == 0 or len(value) > _ITEMS_MAX:
            return False
        items = value.items() if kind is dict else value
        return all(_is_plain(item, depth - 1) for item in items)
    return kind in _SCALARS


def check_status(status: Any) -> str | None:
    """None for the status of a final response, 200 to 599."""
    if issubclass(type(status), int) and 200 <= status <= 599:
        return None
    return f"{safe_repr(status)} is not the status of a response (200 to 599)"


def check_reason(reason: Any) -> str | None:
    """None for a reason phrase (RFC 9112 section 4): printable latin-1 on one line, or empty."""
    if type(reason) is str and _REASON.fullmatch(reason) is not None:
        return None
    return f"a reason phrase is one line of printable latin-1, not {safe_repr(reason)}"


def check_subscription(topics: Any, history: Any) -> str | None:
    """None for a valid subscription: a tuple of topics, each a str or `ALL_TOPICS`, and the number
    of earlier messages to send first.
    """
    if not issubclass(type(topics), tuple):
        return f"topics are a tuple of str, not {safe_repr(topics)}"
    for topic in topics:
        if not issubclass(type(topic), str | AllTopics):
            return f"a topic is a str or ALL_TOPICS, not {safe_repr(topic)}"
    if type(history) is not int or history < 0:
        return f"history is a number of messages, not {safe_repr(history)}"
    return None


def check_start(after: Any) -> str | None:
    """None for a position to go on behind, whatever the text is, or none."""
    if after is None or issubclass(type(after), str):
        return None
    return f"after is a position, as a str, not {safe_repr(after)}"


def check_slow(slow: Any) -> str | None:
    """None for what may become of a client that falls off the ring."""
    if slow in ("drop", "skip"):
        return None
    return f"slow is 'drop' or 'skip', not {safe_repr(slow)}"


def check_timeout(timeout: Any) -> str | None:
    """None for the time that a long-poll waits, in seconds."""
    if type(timeout) in (int, float) and timeout >= 0:
        return None
    return f"timeout is a number of seconds, not {safe_repr(timeout)}"


def check_retry(retry_ms: Any) -> str | None:
    """None for the time to wait before a reconnection, in milliseconds, or none."""
    if retry_ms is None or (type(retry_ms) is int and retry_ms >= 0):
        return None
    return f"retry_ms is a number of milliseconds, not {safe_repr(retry_ms)}"


def check_opening(subprotocol: Any, refused: Any) -> str | None:
    """None for a subprotocol, or none, and for what is called if an upgrade is refused: a function,
    or None.
    """
    if subprotocol is not None and not issubclass(type(subprotocol), str):
        return f"a subprotocol is a str or None, not {type_name(subprotocol)}"
    if refused is None or callable(refused):
        return None
    return f"refused is a function or None, not {type_name(refused)}"


CALLBACKS: Final = (
    "open", "close", "ws_open", "ws_message", "ws_fragment", "ws_close", "ws_drain", "ws_pong",
    "sse_open", "sse_close", "writable", "admit",
)  # fmt: skip
"""The names of the callbacks that a program may have."""


def check_callbacks(callbacks: Any) -> str | None:
    """None for the callbacks of a program: a record that has each of them, a function or None. None
    stands for no callbacks.
    """
    if callbacks is None:
        return None
    for name in CALLBACKS:
        if not hasattr(callbacks, name):
            return f"callbacks are a Callbacks, not {type_name(callbacks)}"
        callback = getattr(callbacks, name)
        if callback is not None and not callable(callback):
            return f"the callback {name} is a function, not {type_name(callback)}"
    return None


def declared_length(pairs: Pairs) -> int | str | None:
    """The Content-Length that a handler declared, in bytes; None if it did not, a sentence if it is
    not one decimal number.
    """
    values = [value.strip() for name, value in pairs if name.lower() == "content-length"]
    if not values:
        return None
    digits = values[0]
    is_number = len(digits) <= _LENGTH_DIGITS_MAX and digits.isascii() and digits.isdigit()
    if len(values) > 1 or not is_number:
        return f"Content-Length {', '.join(values)!r} is not one decimal number"
    return int(digits)
