"""The event loops under which a server must behave alike: that of asyncio, and uvloop's."""

import asyncio
from importlib import import_module
from importlib.util import find_spec

import pytest


def loops() -> list[object]:
    """How to run a coroutine: asyncio's own loop, and uvloop where it is installed."""
    is_here = find_spec("uvloop") is not None
    skipped = pytest.mark.skipif(not is_here, reason="uvloop is not installed")
    other = import_module("uvloop").run if is_here else None
    return [
        pytest.param(asyncio.run, id="asyncio"),
        pytest.param(other, id="uvloop", marks=skipped),
    ]
