"""Header fields as a value: ordered, duplicates kept, looked up without regard to case (RFC 9110
section 5).

Theory: a field section is a sequence of (name, value) pairs whose order and spelling somebody may
need, and at the same time a dictionary in which nobody wants to care for upper and lower case. This
is both: `pairs` is the sequence as it was received; as a mapping it is looked up by lower-case
name.

Rules: immutable and hashable. Several lines of one name are combined into one value with commas
between them (RFC 9110 section 5.3), those of `cookie` with semicolons; `get_all` gives them apart.
It does not validate: `fields` checks what is received and `field_lines` what is sent.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias, final, overload

Pair: TypeAlias = tuple[str, str]
Pairs: TypeAlias = tuple[Pair, ...]

_JOINERS: Final = {"cookie": "; "}

_SECRET: Final = re.compile(
    r"auth|cookie|token|key|secret|session|passw|sig|code=|sec-websocket-protocol"
)
"""What the name of a field or of a query parameter contains, in lower case, if its value may be a
secret. To make the text lower case takes an eighth of what looking for either case does.
"""

REMEMBERED_NAMES: Final = 512
REMEMBERED_NAME_LEN: Final = 64
"""How many names of fields are remembered, and how long each may be."""


def _decode_name(raw_name: bytes) -> Pair:
    """(name, lower-case name) from the bytes of a name."""
    name = raw_name.decode("latin-1")
    return name, name.lower()


def holds_secret(text: str) -> bool:
    """True if the name of a field, or a query, suggests a secret."""
    return _SECRET.search(text.lower()) is not None


_decode_remembered: Final = lru_cache(maxsize=REMEMBERED_NAMES)(_decode_name)
_is_secret_remembered: Final = lru_cache(maxsize=REMEMBERED_NAMES)(holds_secret)


def may_be_secret(name: str, value: str) -> bool:
    """True if the name of a field suggests a secret, or the query of a reference in its value, as
    in a Location or a Referer.
    """
    is_named = _is_secret_remembered if len(name) <= REMEMBERED_NAME_LEN else holds_secret
    return is_named(name) or ("?" in value and holds_secret(value))


def _combine(pairs: Pairs) -> dict[str, str]:
    """The combined values by lower-case name, lines of one name joined in order."""
    combined: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        if key in combined:
            combined[key] += _JOINERS.get(key, ", ") + value
        else:
            combined[key] = value
    return combined


@final
class Headers:
    """Immutable header fields, looked up without regard to case: for `Headers((("Host", "a"),))`
    both `["host"]` and `["Host"]` are `"a"`.
    """

    __slots__ = ("combined", "pairs")

    def __init__(self, pairs: Pairs = (), combined: dict[str, str] | None = None) -> None:
        """From (name, value) pairs. `combined` may be given by whoever has it already, and must be
        what `_combine(pairs)` returns.
        """
        if combined is None:
            combined = _combine(pairs)
        self.pairs: Final = pairs
        # Heads are cached, and shared between clients: no handler may change what another one sees.
        self.combined: Final[MappingProxyType[str, str]] = MappingProxyType(combined)

    def __getitem__(self, name: str) -> str:
        return self.combined[name.lower()]

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        """The combined value of `name`, its lines joined; `default` if there is none."""
        return self.combined.get(name.lower(), default)

    def get_all(self, name: str) -> tuple[str, ...]:
        """The values of the lines of `name`, apart and in order; empty if there is none."""
        key = name.lower()
        return tuple(value for other, value in self.pairs if other.lower() == key)

    def keys(self) -> tuple[str, ...]:
        """The names, lower-case, each once, in order of first appearance."""
        return tuple(self.combined)

    def items(self) -> tuple[Pair, ...]:
        """(lower-case name, combined value) pairs, each name once."""
        return tuple(self.combined.items())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self.combined

    def __iter__(self) -> Iterator[str]:
        return iter(self.combined)

    def __len__(self) -> int:
        return len(self.combined)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.pairs == other.pairs

    def __hash__(self) -> int:
        return hash(self.pairs)

    def __repr__(self) -> str:
        return f"Headers({self.pairs!r})"

    def __reduce__(self) -> tuple[type["Headers"], tuple[Pairs]]:
        return Headers, (self.pairs,)


def decode_pairs(pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers from (name, value) pairs of bytes, decoded as Latin-1, which loses nothing and never
    fails (RFC 9110 section 5.5), without the white space around values.
    """
    texts: list[Pair] = []
    combined: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        is_short = len(raw_name) <= REMEMBERED_NAME_LEN
        name, key = _decode_remembered(raw_name) if is_short else _decode_name(raw_name)
        value = raw_value.decode("latin-1").strip(" \t")
        texts.append((name, value))
        # Combined here as in `_combine`, but without lower-casing the names again.
        if key in combined:
            combined[key] += _JOINERS.get(key, ", ") + value
        else:
            combined[key] = value
    return Headers(tuple(texts), combined)


def with_pair(headers: Headers, place: int, name: str, value: str) -> Headers:
    """The headers with one more pair at this place, whose name is not among them."""
    pairs = (*headers.pairs[:place], (name, value), *headers.pairs[place:])
    if len(headers.combined) != len(headers.pairs):
        return Headers(pairs)
    combined = headers.combined.copy()
    combined[name.lower()] = value
    for key in [*combined][place:-1]:  # those behind it, of which a browser's cookie has few
        combined[key] = combined.pop(key)
    return Headers(pairs, combined)


def hold_secret(headers: Headers) -> bool:
    """True if any of the fields may be a secret."""
    for name, value in headers.pairs:  # noqa: SIM110 - a generator takes twice as long
        if may_be_secret(name, value):
            return True
    return False


def to_pairs(headers: "Mapping[str, str] | Headers | Iterable[Pair]") -> Pairs:
    """The (name, value) pairs of a mapping, of `Headers` or of any iterable of pairs, in order;
    TypeError for anything else.
    """
    if isinstance(headers, Headers):
        return headers.pairs
    items = headers
    if type(headers) is dict or isinstance(headers, Mapping):
        items = headers.items()
    if not hasattr(items, "__iter__"):
        raise TypeError(f"headers are a mapping or pairs of str, not {type(headers).__name__}")
    pairs: tuple[Any, ...] = tuple(items)
    are_tuples = True
    for pair in pairs:
        if type(pair) is not tuple:
            are_tuples = False
            if not isinstance(pair, (tuple, list)):
                raise _no_pair(pair)
        if len(pair) != 2 or type(pair[0]) is not str or type(pair[1]) is not str:
            raise _no_pair(pair)
    return pairs if are_tuples else tuple([(pair[0], pair[1]) for pair in pairs])


def _no_pair(pair: object) -> TypeError:
    """The error for what is no pair of str."""
    return TypeError(f"headers are a mapping or pairs of str, not {pair!r}")
