"""What differs for a test between a core that is pure and one that is compiled.

Theory: the tests of the two are the same. But a compiled function looks at the types of its
arguments before its first line is run, and refuses them in the compiler's words; and what Python
has to look at functions (profilers, annotations, names that are replaced) sees nothing of it.

Rules: a test that uses those of Python is marked with `needs_pure_sources`; `tests/conftest.py`
accepts that skip. It does not know what is compiled.
"""

import re
from collections.abc import Callable

import pytest

from sigil.core.build import core_build

IS_COMPILED = core_build() == "compiled"

needs_pure_sources = pytest.mark.skipif(
    IS_COMPILED, reason="it looks at how Python runs the core, and this core is compiled"
)


def is_refused(kind: Callable[..., object], *fields: object) -> bool:
    """True if this core is compiled and refuses to make a record of fields of these types: there is
    nothing then of which more could be asked. A pure core makes it.
    """
    if not IS_COMPILED:
        return False
    try:
        kind(*fields)
    except TypeError:
        return True
    return False


def refusal(sentence: str) -> str:
    """The pattern of what is said of an argument that does not fit; where the core is compiled that
    may be said in the compiler's words.
    """
    own = re.escape(sentence)
    return f"{own}|.+ object expected; got .+" if IS_COMPILED else own
