"""What a recording says about itself: with what it was made, of what, and what was left out.

Theory: a recording is read elsewhere and later, by another version, another Python, a core that is
compiled. What whoever reads it must know before the first turn is here.

Rules: plain values only. It does not know how it is stored.
"""

from typing import Final, final

from ..value import Value

FORMAT_MAJOR: Final = 1
"""What changes when older readers cannot read it."""
FORMAT_MINOR: Final = 0
"""What changes when something was added, that older readers do not know or pass over."""


@final
class About(Value):
    """How a recording was made: the version of the format, of sigil and of Python; whether the core
    was compiled; what was redacted; when it began, in seconds since 1970; and whether it is whole:
    its end was not cut off.
    """

    __match_args__ = ("format", "sigil", "python", "is_compiled", "redaction", "begun", "is_whole")
    __slots__ = __match_args__

    def __init__(
        self,
        format: tuple[int, int] = (FORMAT_MAJOR, FORMAT_MINOR),
        sigil: str = "",
        python: str = "",
        is_compiled: bool = False,
        redaction: tuple[str, ...] = (),
        begun: float = 0.0,
        is_whole: bool = True,
    ) -> None:
        self.format: Final = format
        self.sigil: Final = sigil
        self.python: Final = python
        self.is_compiled: Final = is_compiled
        self.redaction: Final = redaction
        self.begun: Final = begun
        self.is_whole: Final = is_whole
