"""Signatures as people read them: a type that has a name is called by it.

What it is: Python spells an alias out, so a list of effects would be a list of seventeen classes.
`shorten` writes `Effect`, `Event` and `Handler` instead, and leaves everything else as it is.
"""

import re
from typing import Any, get_args

from sigil.core.effects import Effect
from sigil.core.events import Event

HANDLER = re.compile(r"(?<=handler: )Callable.*?None\]\](?=, )")


def spelled_out(union: object) -> re.Pattern[str]:
    """What a union looks like in a signature."""
    return re.compile(r" \| ".join(rf"~?(?:\w+\.)*{kind.__name__}\b" for kind in get_args(union)))


NAMES = {"Effect": spelled_out(Effect), "Event": spelled_out(Event), "Handler": HANDLER}


def shorten(text: str | None) -> str | None:
    """The same with names for what has one; None stays None."""
    for name, pattern in NAMES.items():
        text = text and pattern.sub(name, text)
    return text


def process(
    app: Any,
    what: str,
    name: str,
    item: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """What autodoc calls with each signature."""
    return shorten(signature), shorten(returns)


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("autodoc-process-signature", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
