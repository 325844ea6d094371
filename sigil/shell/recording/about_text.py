"""What a recording says about itself, as the texts that metadata of MCAP are, and back.

Rules: numbers of versions, names and JSON; whoever opens a recording elsewhere can read all of it.
A text that is missing has the value of an older version. It does not know files.
"""

import json
import platform
import sys
import time
from collections.abc import Mapping

from ...core.build import core_build
from ...core.limits import Limits
from ...core.trace.about import FORMAT_MAJOR, FORMAT_MINOR, About
from ...core.trace.events import field_names
from ...core.trace.kinds import KINDS
from ...core.trace.plain import tables
from ...core.trace.summary import EFFECT_KINDS
from .errors import RecordingError

PACKAGE = __name__.partition(".")[0]
"""The module that has the version: it gathers all others, so none of them imports it."""
PROFILE = "sigil"
ABOUT, TABLES, KINDS_NAME, LIMITS = "sigil", "sigil.tables", "sigil.kinds", "sigil.limits"
"""The names of the metadata."""
END_OF_TIME = 253_402_300_800.0
"""The year 10,000, in seconds since 1970: no date of Python is later."""


def about_now(redaction: tuple[str, ...]) -> About:
    """What a recording that begins now says about itself."""
    return About(
        (FORMAT_MAJOR, FORMAT_MINOR),
        sys.modules[PACKAGE].__version__,
        platform.python_version(),
        core_build() == "compiled",
        redaction,
        time.time(),
    )


def metadata_of(about: About, limits: Limits) -> dict[str, dict[str, str]]:
    """The metadata of a recording, by name."""
    core = "compiled" if about.is_compiled else "pure"
    return {
        ABOUT: {
            "format": ".".join(map(str, about.format)),
            "sigil": about.sigil,
            "python": about.python,
            "core": core,
            "redaction": ",".join(about.redaction),
            "begun": repr(about.begun),
        },
        LIMITS: {name: repr(value) for name, value in limits._asdict().items()},
        TABLES: {name: json.dumps(rows) for name, rows in tables().items()},
        KINDS_NAME: {
            "events": json.dumps(
                {kind.number: [kind.event.__name__, *field_names(kind)] for kind in KINDS}
            ),
            "effects": json.dumps(
                {kind.number: [kind.effect.__name__, *kind.fields] for kind in EFFECT_KINDS}
            ),
        },
    }


def about_of(texts: Mapping[str, str]) -> About:
    """What a recording says about itself; RecordingError if it is of a future version."""
    try:
        major, minor = map(int, texts["format"].split("."))
    except (KeyError, ValueError):
        raise RecordingError("it does not say which version of the format it has") from None
    if major > FORMAT_MAJOR:
        raise RecordingError(
            f"it has version {major}.{minor} of the format, and this version of sigil reads "
            f"{FORMAT_MAJOR}: a newer sigil is needed"
        )
    redaction = texts.get("redaction", "")
    return About(
        (major, minor),
        texts.get("sigil", ""),
        texts.get("python", ""),
        texts.get("core", "") == "compiled",
        tuple(redaction.split(",")) if redaction else (),
        _seconds(texts.get("begun", "0")),
    )


def _seconds(text: str) -> float:
    """A time in seconds since 1970; 0 for what is none."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < END_OF_TIME else 0.0
