"""What differs for a test between a core that is pure and one that is compiled.

Theory: the tests of the two are the same. But a compiled function looks at the types of its
arguments before its first line is run, and refuses them in the compiler's words; and what Python
has to look at functions (profilers, annotations, names that are replaced) sees nothing of it.

Rules: a test that uses those of Python is marked with `needs_pure_sources`; `tests/conftest.py`
accepts that skip. It does not know what is compiled.
"""

import re

import pytest

from sigil.core.build import core_build

IS_COMPILED = core_build() == "compiled"

needs_pure_sources = pytest.mark.skipif(
    IS_COMPILED, reason="it looks at how Python runs the core, and this core is compiled"
)


def refusal(sentence: str) -> str:
    """The pattern of what is said of an argument that does not fit; where the core is compiled that
    may be said in the compiler's words.
    """
    own = re.escape(sentence)
    return f"{own}|.+ object expected; got .+" if IS_COMPILED else own
