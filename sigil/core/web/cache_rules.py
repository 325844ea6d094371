"""Cache-Control of files, by rules over their paths.

Theory: a file whose name says which version it is may be kept for ever; any other is to be asked
for again before it is used, which costs a 304. Which are which only the program knows, by their
names. So rules are pairs of a pattern and a value, and the first that fits counts.

Rules: a pattern is a path from the root without its first slash; `*` is any run of characters,
slashes too. No rule fits: no-cache, which lets everybody keep a copy and nobody use it unasked. It
does not know files.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

CacheRules: TypeAlias = "Sequence[tuple[str, str]]"

REVALIDATE: Final = "no-cache"
"""A copy may be kept, and is asked about before it is used."""
IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""A copy is good for a year: for names that change with what they name."""


def cache_control(path: str, rules: CacheRules) -> str:
    """The Cache-Control of a file by the first rule that fits its path from the root."""
    for pattern, value in rules:
        expression = ".*".join(map(re.escape, pattern.lstrip("/").split("*")))
        if re.fullmatch(expression, path, re.DOTALL) is not None:
            return value
    return REVALIDATE
