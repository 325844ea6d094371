"""The worlds that there are, behind one name.

Theory: whoever gives a seed wants to know whether sigil holds; whoever gives a handler, whether a
program does.

Rules: `World` makes one of two kinds, and does nothing else. It does not know what happens in them.
"""

from typing import Any, overload

from ...shell.program.handlers import Handler
from .own_world import OwnWorld
from .users_world import UsersWorld


@overload
def World(program: int, *args: Any, **options: Any) -> OwnWorld: ...
@overload
def World(program: Handler, *args: Any, **options: Any) -> UsersWorld: ...
def World(program: Any, *args: Any, **options: Any) -> OwnWorld | UsersWorld:
    """A world: `World(17)` is an `OwnWorld`, of sigil's own program and clients, `World(app, ...)`
    a `UsersWorld`, of your program; each is given the same.

    TypeError for what is neither a seed nor a handler.
    """
    if type(program) is int:
        return OwnWorld(program, *args, **options)
    if callable(program):
        return UsersWorld(program, *args, **options)
    raise TypeError(f"a world is of a seed or of a handler, not of {type(program).__name__}")
