"""A world of somebody's own program.

Theory: what a program must answer only its owner knows; what HTTP, the limits and time ask of every
server is known of all. Rules: none yet.
"""

from typing import Any

from .simulation import Simulation


class UsersWorld(Simulation):
    """A world of somebody's own program."""

    def __init__(self, program: Any, *args: Any, **options: Any) -> None:
        raise NotImplementedError
