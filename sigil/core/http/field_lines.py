"""The header fields of a response: each checked and made a line of bytes, and remembered.

Theory: what is sent of a field is a pure function of its name and value, and a program sends the
same few fields again and again. So a field is checked and encoded once, and what came of it is
remembered by the pair, and by all pairs together: a response with fields of the program's own costs
little more than one without.

Rules: problems are sentences. The memory is bounded in fields and in the length of each, and has no
field that may be a secret (`headers.may_be_secret`): a cookie that differs each time costs its own
check and pushes out nothing, and the fields before it are remembered all the same. Values are
judged by their real types, since a response may hold anything. It does not know the body, nor the
connection: `encode` does.
"""

import re
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, final

from ..value import Value
from .fields import CRLF
from .headers import REMEMBERED_NAME_LEN, may_be_secret
from .tokens import TOKEN, split_list
from .validate import declared_length, safe_repr, type_name

_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")


def is_field_value(text: str) -> bool:
    """True if a text can be the value of a field: no control characters, nothing beyond latin-1."""
    # nearly every one is printable ASCII, which a str knows of itself
    return (text.isascii() and text.isprintable()) or _VALUE.fullmatch(text) is not None


REMEMBERED_FIELDS: Final = 512
REMEMBERED_LEN: Final = 256
"""How many fields are remembered, and how many characters each has at most."""
REMEMBERED_SETS: Final = 128
REMEMBERED_SET_FIELDS: Final = 8
"""How many sets of fields are remembered, and how many fields each has at most."""


class Role(IntEnum):
    """What a field is besides a line to be sent."""

    LINE = 0
    """Nothing."""
    DATE = 1
    """The Date, which the server adds where it is missing."""
    FRAMING = 2
    """A Content-Length or a Connection, whose line depends on the request."""


LINE: Final = Role.LINE
FRAMING: Final = Role.FRAMING
"""The members themselves: finding them on their class takes ten times as long."""
_ROLES: Final = {
    "date": Role.DATE,
    "content-length": Role.FRAMING,
    "connection": Role.FRAMING,
}
_SERVER_FIELDS: Final = frozenset(("transfer-encoding",))
"""Fields that depend on the connection, so that only the server can send them."""


@final
class FieldLine(Value):
    """A field as it is sent: its line, with the line end, and its name in lower case."""

    __match_args__ = ("line", "key", "role")
    __slots__ = __match_args__

    def __init__(self, line: bytes, key: str, role: Role) -> None:
        self.line: Final = line
        self.key: Final = key
        self.role: Final = role


@final
class FieldName(Value):
    """A name that may be sent: how its line begins, the name in lower case, and what it is."""

    __match_args__ = ("beginning", "key", "role")
    __slots__ = __match_args__

    def __init__(self, beginning: bytes, key: str, role: Role) -> None:
        self.beginning: Final = beginning
        self.key: Final = key
        self.role: Final = role


@final
class PreparedHeaders(Value):
    """The headers of a response, encoded.

    `block` holds their field lines without Content-Length and Connection; `has_date` is true if
    Date is among them. `closes` is true if the response asks for the connection to close, `length`
    is the declared Content-Length in bytes. `keys` are the names in lower case.
    """

    __match_args__ = ("block", "keys", "has_date", "closes", "length", "options")
    __slots__ = __match_args__

    def __init__(
        self,
        block: bytes,
        keys: tuple[str, ...],
        has_date: bool,
        closes: bool,
        length: int | None,
        options: str,
    ) -> None:
        self.block: Final = block
        self.keys: Final = keys
        self.has_date: Final = has_date
        self.closes: Final = closes
        self.length: Final = length
        self.options: Final = options
        """The options in Connection besides `close` and `keep-alive`."""


# -- one field -------------------------------------------------------------------------------------


def field_line(name: Any, value: Any) -> FieldLine | str:
    """The line of a field (RFC 9112 section 5), or a sentence that says why it cannot be sent: the
    name is no token, the value no field value (RFC 9110 sections 5.1 and 5.5), or it is the
    server's to send.
    """
    if type(name) is not str or type(value) is not str:
        return f"headers are pairs of str, not of {type_name(name)} and {type_name(value)}"
    if len(name) + len(value) > REMEMBERED_LEN or may_be_secret(name, value):
        return encode_field(name, value)
    return _encode_remembered(name, value)


def encode_field(name: str, value: str) -> FieldLine | str:
    """`field_line` of two str, not remembered."""
    known = _name_remembered(name) if len(name) <= REMEMBERED_NAME_LEN else check_name(name)
    if known is None:
        return f"{name!r} is not a header name"
    if not is_field_value(value):
        return f"the value of header {name!r} contains a character that cannot be sent: {value!r}"
    if known.key in _SERVER_FIELDS:
        return f"the header {name!r} is the server's to send"
    return FieldLine(known.beginning + value.encode("latin-1") + CRLF, known.key, known.role)


def check_name(name: str) -> FieldName | None:
    """What is known of a name; None if it is no token."""
    if TOKEN.fullmatch(name) is None:
        return None
    key = name.lower()
    return FieldName(f"{name}: ".encode(), key, _ROLES.get(key, LINE))


_encode_remembered: Final = lru_cache(maxsize=REMEMBERED_FIELDS)(encode_field)
_name_remembered: Final = lru_cache(maxsize=REMEMBERED_FIELDS)(check_name)


# -- all of them -----------------------------------------------------------------------------------


def check_headers(pairs: Any) -> str | None:
    """None if every name is a token and every value a field value, and none is the server's."""
    prepared = prepare_headers(tuple(pairs))
    return prepared if isinstance(prepared, str) else None


def prepare_headers(pairs: Any) -> PreparedHeaders | str:
    """The headers of a response, validated and encoded, or a sentence that says why they cannot be
    sent. Content-Length and Connection are left out, since their lines depend on the request.
    """
    count = remembered_count(pairs)
    if not count:
        return prepare_fields(pairs)
    if count == len(pairs):
        return _prepare_remembered(pairs)
    first = _prepare_remembered(pairs[:count])
    if isinstance(first, str) or frames(first):
        return prepare_fields(pairs)
    rest = prepare_fields(pairs[count:])
    return rest if isinstance(rest, str) else with_fields_before(rest, first)


def remembered_count(pairs: Any) -> int:
    """How many pairs at the front may be remembered together: a few short ones of str without a
    secret. Looking up anything else could run code of the program.
    """
    count = 0
    if type(pairs) is not tuple:
        return 0
    for pair in pairs:
        if type(pair) is not tuple or len(pair) != 2 or count == REMEMBERED_SET_FIELDS:
            break
        name, value = pair
        if type(name) is not str or type(value) is not str:
            break
        if len(name) + len(value) > REMEMBERED_LEN or may_be_secret(name, value):
            break
        count += 1
    return count


def frames(prepared: PreparedHeaders) -> bool:
    """True if any of the headers has to do with framing."""
    return prepared.closes or prepared.length is not None or bool(prepared.options)


def with_fields_before(prepared: PreparedHeaders, before: PreparedHeaders) -> PreparedHeaders:
    """The prepared headers with others before them, which do not frame."""
    return PreparedHeaders(
        before.block + prepared.block, before.keys + prepared.keys,
        before.has_date or prepared.has_date, prepared.closes, prepared.length, prepared.options,
    )  # fmt: skip


def prepare_fields(pairs: Any) -> PreparedHeaders | str:
    """`prepare_headers`, remembered field by field."""
    lines: list[bytes] = []
    keys: list[str] = []
    has_date = has_framing = False
    if not issubclass(type(pairs), tuple):
        return _not_pairs(pairs)
    for pair in pairs:
        if not issubclass(type(pair), tuple) or len(pair) != 2:
            return _not_pairs(pairs)
        field = field_line(pair[0], pair[1])
        if isinstance(field, str):
            return field
        keys.append(field.key)
        if field.role is Role.FRAMING:
            has_framing = True
            continue
        lines.append(field.line)
        has_date = has_date or field.role is not LINE
    prepared = PreparedHeaders(b"".join(lines), tuple(keys), has_date, False, None, "")
    return with_framing(prepared, pairs) if has_framing else prepared


def with_framing(prepared: PreparedHeaders, pairs: Any) -> PreparedHeaders | str:
    """The headers with what Content-Length and Connection among these pairs ask for."""
    length = declared_length(pairs)
    if isinstance(length, str):
        return length
    asked = [
        option
        for name, value in pairs
        if name.lower() == "connection"
        for option in split_list(value)
    ]
    others = [option for option in asked if option.lower() not in ("close", "keep-alive")]
    closes = "close" in [option.lower() for option in asked]
    return prepared.replace(closes=closes, length=length, options=", ".join(others))


def _not_pairs(headers: Any) -> str:
    """The sentence for headers that are no tuple of pairs."""
    return f"the headers of a response are a tuple of pairs, not {safe_repr(headers)}"


_prepare_remembered: Final = lru_cache(maxsize=REMEMBERED_SETS)(prepare_fields)
