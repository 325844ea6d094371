"""The docs of the fields of records, on hover.

Theory: what is written below a field is what a notebook should show when one asks for it, which
Python keeps for no field of a named tuple.

Rules: nothing is changed but what is shown. It does not know what any record means.
"""

import os
import re
import sys
from types import ModuleType
from typing import Any

_FIELD = re.compile(r'^    (\w+): [^\n]*\n    """(.*?)"""', re.MULTILINE | re.DOTALL)
"""A field of a class with the docs below it."""


def document_fields(*records: Any) -> None:
    """Set what is written below each field of these named tuples as its docs, for `help` and for
    hovering; nothing where there is no source.
    """
    for record in records:
        text = _source_of(sys.modules[record.__module__])
        _, _, source = text.partition(f"\nclass {record.__name__}(")
        for name, text in _FIELD.findall(source.partition("\nclass ")[0]):
            if name in record._fields:
                getattr(record, name).__doc__ = " ".join(text.split())


def _source_of(module: ModuleType) -> str:
    """The source of a module, which lies beside it if it is compiled; empty if there is none."""
    name = module.__name__.rpartition(".")[2]
    path = os.path.join(os.path.dirname(module.__file__ or ""), f"{name}.py")
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""
