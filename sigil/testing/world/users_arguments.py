"""What a world of somebody's own program is asked for, checked before anything happens.

Theory: a world that was asked for nonsense runs all the same: with nobody in it, or for ever, or
with clients whose requests are none and who are then found not to have been served. It finds
nothing, or what is no mistake of the program. So whatever makes no sense is said at once.

Rules: TypeError for what is of the wrong kind, ValueError for what cannot be, each with a sentence.
What a function makes is checked when it has made it (`visitors.to_ask`). It does not know what
happens in the world.
"""

from collections.abc import Callable, Iterable, Sequence
from inspect import iscoroutinefunction
from math import isfinite
from typing import Any

from ...core.limits import Limits
from ...shell.callbacks import Callbacks
from .visitors import KINDS, Ask, Visitors, to_ask


def to_groups(clients: int | Visitors | Sequence[Visitors]) -> tuple[Visitors, ...]:
    """The clients of a world; TypeError or ValueError for what are none."""
    if type(clients) is int:
        clients = Visitors(number=clients)
    is_several = isinstance(clients, list | tuple) and type(clients) is not Visitors
    groups: Sequence[Any] = clients if is_several else (clients,)  # type: ignore[assignment]
    for group in groups:
        _check_group(group)
    if sum(group.number for group in groups) < 1:
        raise ValueError("a world without clients finds nothing: clients are at least 1")
    return tuple(groups)


def _check_group(group: Any) -> None:
    if type(group) is not Visitors:
        raise TypeError(f"clients are a number or Visitors, not {type(group).__name__}")
    if group.kind not in KINDS:
        raise ValueError(f"there are no clients {group.kind!r}, only {', '.join(KINDS)}")
    check_whole("the number of clients", group.number, 0)
    check_whole("times", group.times, 1)
    _check_choices("asks", group.asks, str | Ask)
    _check_choices("sends", group.sends, str | bytes)
    if not callable(group.asks):
        for ask in _choices(group.asks, str | Ask):
            to_ask(ask)


def _choices(choices: Any, kind: Any) -> Sequence[Any]:
    return (choices,) if isinstance(choices, kind) else choices


def _check_choices(name: str, choices: Any, kind: Any) -> None:
    """TypeError if these are not one of a kind, several of it, or a function that makes one."""
    if callable(choices):
        return
    if not isinstance(choices, kind | list | tuple):
        raise TypeError(f"{name} are one, several, or a function, not {type(choices).__name__}")
    several = _choices(choices, kind)
    if not several:
        raise ValueError(f"{name} are at least one")
    wrong = [one for one in several if not isinstance(one, kind)]
    if wrong:
        raise TypeError(f"among {name} there is {wrong[0]!r}, of type {type(wrong[0]).__name__}")


def check_whole(name: str, value: object, least: int) -> None:
    """TypeError or ValueError if this is no whole number of at least so much."""
    if type(value) is not int:
        raise TypeError(f"{name} is a whole number, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} is at least {least}, not {value}")


def check_seconds(name: str, value: object, is_zero_fine: bool) -> None:
    """TypeError or ValueError if this is no time in seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number, not {type(value).__name__}")
    if not isfinite(value) or value < 0 or (value == 0 and not is_zero_fine):
        raise ValueError(f"{name} is a time, which {value} is not")


def check_parts(
    limits: object, callbacks: object, *functions: Callable[..., object] | None
) -> None:
    """TypeError if these are no Limits, no Callbacks, or no plain functions."""
    for value, kind in ((limits, Limits), (callbacks, Callbacks)):
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{kind.__name__.lower()} are {kind.__name__}, not {value!r:.80}")
    for function in functions:
        if function is None:
            continue
        if not callable(function) or iscoroutinefunction(function):
            raise TypeError(f"between and check are plain functions, not {function!r:.80}")


def to_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """Names, of which there may be one."""
    return (names,) if isinstance(names, str) else tuple(names)
