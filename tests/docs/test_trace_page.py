"""The page about recordings has the tables that the code has."""

import re
from pathlib import Path

from sigil.core.trace.events import field_names
from sigil.core.trace.kinds import KINDS
from sigil.core.trace.redaction import NEEDED_FIELDS
from sigil.core.trace.summary import EFFECT_KINDS
from sigil.shell.recording.about_text import ABOUT, KINDS_NAME, LIMITS, TABLES
from sigil.shell.recording.channels import CHANNELS
from sigil.shell.recording.mcap_file import STATE_NAME

PAGE = (Path(__file__).parents[2] / "docs" / "trace.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[tuple[int, str, tuple[str, ...]]]:
    """The rows of the table of numbers under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*) \|$", section, re.MULTILINE)
    return [(int(number), name, tuple(re.findall("`(.+?)`", rest))) for number, name, rest in found]


def test_each_kind_of_event_has_its_row() -> None:
    expected = [(kind.number, kind.event.__name__, field_names(kind)) for kind in KINDS]
    assert rows("Events") == expected


def test_each_kind_of_effect_has_its_row() -> None:
    expected = [(kind.number, kind.effect.__name__, kind.fields) for kind in EFFECT_KINDS]
    assert rows("Effects") == expected


def test_each_channel_and_each_metadata_is_named() -> None:
    names = [channel.topic for channel in CHANNELS]
    for name in (*names, ABOUT, KINDS_NAME, LIMITS, TABLES, STATE_NAME):
        assert f"`{name}`" in PAGE, name


def test_fields_that_are_named_as_needed_are() -> None:
    for name in ("host", "upgrade", "content-length"):
        assert name in NEEDED_FIELDS
