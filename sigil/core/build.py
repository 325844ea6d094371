"""Whether the core that runs is compiled: the same sources, as Python or as machine code.

Theory: the functions of a module that mypyc has compiled are built in, and those of a module that
Python has read are not. So a function knows it of itself, and nothing asks which files there are.

Rules: `"compiled"` or `"pure"`, and the same for all of the core, which is compiled as a whole. It
does not know what compiles it: setup.py does.
"""

from types import FunctionType


def core_build() -> str:
    """`"compiled"` if this file is, which all of the core then is, else `"pure"`."""
    return "pure" if isinstance(core_build, FunctionType) else "compiled"
