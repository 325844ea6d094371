"""A response with the header fields that somebody else has made: none is added, none is changed.

Theory: a program that was written for another interface gives its fields as that has them, mostly
as bytes, and means them as they are. They have to be checked like any others, and a program sends
the same few again and again; so what came of a field, and of a set of them, is remembered by what
was given.

Rules: what cannot be sent is refused with a sentence, as everywhere. A field that may be a secret
is not remembered, nor is a set that has it. It does not know who made the fields.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from ...core.http.bodies import Body
from ...core.http.field_lines import (
    FRAMING,
    LINE,
    REMEMBERED_LEN,
    FieldLine,
    PreparedHeaders,
    encode_field,
    with_framing,
)
from ...core.http.headers import Pair, Pairs, may_be_secret
from ...core.http.response import Response
from ...core.http.validate import check_status, safe_repr

_SETS_MAX: Final = 256
_SET_FIELDS_MAX: Final = 8
_FIELDS_MAX: Final = 512
"""How many sets are remembered, and of how many fields; and how many fields by themselves."""

_NOT_FRAMED: Final = (False, False, None, "")
_LENGTH_AT: Final = len("content-length: ")
_DIGITS_MAX: Final = 18

Made: TypeAlias = tuple[Pairs, PreparedHeaders]
"""Fields as pairs of str, and prepared."""
MadeField: TypeAlias = tuple[Pair, FieldLine]


def raw_response(
    status: int, headers: Iterable[Any] = (), body: Body = b"", reason: str = ""
) -> Response:
    """A response with exactly these header fields, besides those that the server adds to each:
    (name, value) pairs of bytes (Latin-1) or of str.

    ValueError for a status, a name or a value that cannot be sent, TypeError for what are no pairs.
    """
    if type(status) is not int or not 200 <= status <= 599:
        problem = check_status(status)
        if problem is not None:
            raise ValueError(problem)
    pairs, prepared = _fields_of(headers)
    return Response(status, pairs, body, reason, prepared)


def _fields_of(headers: Iterable[Any]) -> Made:
    """The fields as pairs of str, and prepared; those that came before are looked up."""
    given = headers if type(headers) is tuple else tuple(headers)
    try:
        known = _SETS.get(given)
    except TypeError:  # pairs that are lists, or something else
        return _fields_of(tuple([_make_field(_tuple_of(pair))[0] for pair in given]))
    if known is not None:
        return known
    if len(given) > 1 and given[-1] not in _FIELDS:
        field = _make_field(given[-1])
        if not _remember(given[-1], field) and field[1].role is LINE:
            # a cookie that differs each time is mostly the last: the others are looked up
            return _with_last(_SETS.get(given[:-1]) or _make_set(given[:-1]), field)
    return _make_set(given)


def _make_set(given: tuple[Any, ...]) -> Made:
    """The fields as pairs of str, and prepared, which are remembered if none may be a secret."""
    fields: list[MadeField] = []
    is_plain = len(given) <= _SET_FIELDS_MAX
    for pair in given:
        field = _FIELDS.get(pair)
        if field is None:
            field = _make_field(pair)
            is_plain = _remember(pair, field) and is_plain
        fields.append(field)
    made = tuple([field[0] for field in fields]), _prepare([field[1] for field in fields])
    if is_plain:
        if len(_SETS) >= _SETS_MAX:
            _SETS.clear()
        _SETS[given] = made
    return made


def _with_last(before: Made, field: MadeField) -> Made:
    """The fields that are known, and one more behind them, which is a line and nothing else."""
    (pairs, prepared), (pair, line) = before, field
    return (*pairs, pair), PreparedHeaders(
        prepared.block + line.line, (*prepared.keys, line.key), prepared.has_date,
        prepared.closes, prepared.length, prepared.options,
    )  # fmt: skip


_SETS: Final[dict[tuple[Any, ...], Made]] = {}
_FIELDS: Final[dict[Any, MadeField]] = {}


def _remember(pair: Any, field: MadeField) -> bool:
    """Remember a field, unless it may be a secret, or is long; True if it is remembered."""
    name, value = field[0]
    if len(name) + len(value) > REMEMBERED_LEN or may_be_secret(name, value):
        return False
    if len(_FIELDS) >= _FIELDS_MAX:
        _FIELDS.clear()
    _FIELDS[pair] = field
    return True


def _tuple_of(pair: object) -> object:
    """A pair as a tuple, if it is a list."""
    return tuple(pair) if isinstance(pair, list | tuple) else pair


def _make_field(pair: object) -> MadeField:
    """A field as a pair of str, and its line; ValueError if it cannot be sent, TypeError if it is
    no pair.
    """
    if type(pair) is not tuple or len(pair) != 2:
        raise TypeError(f"headers are pairs of bytes, or of str, not {safe_repr(pair)}")
    name, value = pair
    if type(name) is bytes and type(value) is bytes:
        name, value = name.decode("latin-1"), value.decode("latin-1")
    if type(name) is not str or type(value) is not str:
        what = f"both bytes, or both str, not {safe_repr(pair)}"
        raise TypeError(f"the name and the value of a header are {what}")
    line = encode_field(name, value)
    if isinstance(line, str):
        raise ValueError(line)
    return (name, value), line


def _prepare(fields: list[FieldLine]) -> PreparedHeaders:
    """The fields, encoded; ValueError for a Content-Length that is none."""
    keys = tuple([field.key for field in fields])
    special = [field for field in fields if field.role is not LINE]
    if not special:
        return PreparedHeaders(b"".join([field.line for field in fields]), keys, *_NOT_FRAMED)
    block = b"".join([field.line for field in fields if field.role is not FRAMING])
    has_date = any(field.role is not FRAMING for field in special)
    if len(special) == 1 and special[0].key == "content-length":
        digits = special[0].line[_LENGTH_AT:-2]
        if digits.isdigit() and len(digits) <= _DIGITS_MAX:
            return PreparedHeaders(block, keys, False, False, int(digits), "")
    prepared = PreparedHeaders(block, keys, has_date, False, None, "")
    framed = with_framing(prepared, tuple([_pair_of(field) for field in special]))
    if isinstance(framed, str):
        raise ValueError(framed)
    return framed


def _pair_of(field: FieldLine) -> Pair:
    """The name and the value of a line."""
    name, _, value = field.line[:-2].decode("latin-1").partition(": ")
    return name, value
