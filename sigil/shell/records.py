"""The docs of the fields of records, on hover.

Theory: what is written below a field is what a notebook should show when one asks for it, which
Python keeps for no field of a named tuple.

Rules: nothing is changed but what is shown. It does not know what any record means.
"""

import re
import sys
from typing import Any

_FIELD = re.compile(r'^    (\w+): [^\n]*\n    """(.*?)"""', re.MULTILINE | re.DOTALL)
"""A field of a class with the docs below it."""


def document_fields(*records: Any) -> None:
    """Set what is written below each field of these named tuples as its docs, for `help` and for
    hovering; nothing where there is no source.
    """
    for record in records:
        loader = getattr(sys.modules[record.__module__], "__loader__", None)
        get_source = getattr(loader, "get_source", lambda name: None)
        _, _, source = (get_source(record.__module__) or "").partition(
            f"\nclass {record.__name__}("
        )
        for name, text in _FIELD.findall(source.partition("\nclass ")[0]):
            if name in record._fields:
                getattr(record, name).__doc__ = " ".join(text.split())
