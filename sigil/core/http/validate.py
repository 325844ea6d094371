"""What the wire requires of a response, whoever made it (RFC 9110 sections 5.5, 6.4, 8.6).

Theory: a value from user code is a claim. The constructors of `Response` check theirs, but a
`Response` is a plain tuple that anybody can fill, and one line end in one header value is somebody
else's response. So every response passes here once on its way out.

Rules: problems are sentences, not exceptions; None means that there is none. The fields that frame
a message belong to the server: a handler may declare a Content-Length, and must keep it, and may
never touch Transfer-Encoding. What stands in a response is judged by its real type and never asked
to write itself, for that would run user code. It does not change anything: it says yes or why not.
"""

import re
from collections.abc import Callable
from typing import Any

from .headers import Pairs
from .tokens import TOKEN

_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_OURS = frozenset(("transfer-encoding",))
"""Fields that frame the message on this connection, which a handler cannot know."""

NO_CONTENT_STATUSES = frozenset((204, 304))
"""Final statuses that never have content (RFC 9110 section 6.4.1)."""

_name_of: Callable[[type], str] = type.__dict__["__name__"].__get__
_PLAIN = frozenset((str, bytes, float, bool, type(None)))
_CONTAINERS = frozenset((tuple, list, dict))
_SHOWN = 2**64
"""Greater numbers are not written out: of some the digits cannot be had."""


def type_name(value: object) -> str:
    """The name of a value's type, whatever value and type say of themselves."""
    return _name_of(type(value))


def safe_repr(value: object) -> str:
    """A value as it is written; only its type if writing it would run somebody's code, or take
    long.
    """
    return repr(value) if _is_plain(value, 3) else f"an object of type {type_name(value)}"


def _is_plain(value: Any, depth: int) -> bool:
    """True for what the language itself knows how to write, in containers up to so deep."""
    kind = type(value)
    if kind is int:
        return bool(-_SHOWN < value < _SHOWN)
    if kind in _CONTAINERS:
        inner = value.items() if kind is dict else value
        return (
            depth > 0 and len(value) <= 100 and all(_is_plain(thing, depth - 1) for thing in inner)
        )
    return kind in _PLAIN


def check_status(status: Any) -> str | None:
    """None for a final status, 200 to 599."""
    if issubclass(type(status), int) and 200 <= status <= 599:
        return None
    return f"{safe_repr(status)} is not the status of a response (200 to 599)"


def check_headers(pairs: Pairs) -> str | None:
    """None if every name is a token, every value is a field value, and none is the server's to
    send.
    """
    for name, value in pairs:
        if type(name) is not str or type(value) is not str:
            return f"headers are pairs of str, not of {type_name(name)} and {type_name(value)}"
        if TOKEN.fullmatch(name) is None:
            return f"{name!r} is not a header name"
        if _VALUE.fullmatch(value) is None:
            return (
                f"the value of header {name!r} contains a character that cannot be sent: {value!r}"
            )
        if name.lower() in _OURS:
            return f"the header {name!r} is the server's to send"
    return None


def check_response(response: Any) -> str | None:
    """None if status and headers of a response are what they must be, whoever filled them."""
    status, headers, _ = response
    if not issubclass(type(headers), tuple) or not all(
        issubclass(type(pair), tuple) and len(pair) == 2 for pair in headers
    ):
        return f"the headers of a response are a tuple of pairs, not {safe_repr(headers)}"
    return check_status(status) or check_headers(headers)


def check_subscription(topics: Any, history: Any) -> str | None:
    """None if this is what a client can hear: topics, each a str, and how many of the last
    messages.
    """
    if not issubclass(type(topics), tuple):
        return f"topics are a tuple of str, not {safe_repr(topics)}"
    for topic in topics:
        if not issubclass(type(topic), str):
            return f"a topic is a str, not {safe_repr(topic)}"
    if type(history) is not int or history < 0:
        return f"history is a number of messages, not {safe_repr(history)}"
    return None


def declared_length(pairs: Pairs) -> int | str | None:
    """The Content-Length that a handler declared, None if it did not, a sentence if it is not one."""
    values = [value.strip() for name, value in pairs if name.lower() == "content-length"]
    if not values:
        return None
    if len(values) > 1 or not (values[0].isascii() and values[0].isdigit()) or len(values[0]) > 18:
        return f"Content-Length {', '.join(values)!r} is not one decimal number"
    return int(values[0])
