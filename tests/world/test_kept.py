"""The scripts in `seeds/` show the defects that they were kept for, if these are there again.

A script follows the order in which a world draws. Whoever changes that keeps another one (`python
-m tests.world --keep`, with the defect back), or leaves its row and its file out.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from sigil.core.broadcast.retained import RetainedRange
from sigil.core.connection import retained_reading
from sigil.core.connection.subscriber import (
    Follow,
    Queue,
    QueueItem,
    RetainedPlace,
    make_retained_place,
)
from sigil.core.events import Event
from sigil.shell.loop.engine import Engine
from tests.support.builds import needs_pure_sources
from tests.world.__main__ import FOLDER, kept_scripts, replay


class Defect(NamedTuple):
    """What was mended, as it was."""

    script: str
    owner: object
    name: str
    before: Callable[..., object]


def report(engine: Engine, event: Event) -> None:
    """What the kernel did not take is told behind what causes more to be sent."""
    engine.events.append(event)


def with_retained_first(queue: Queue, wanted: RetainedRange, *rest: object) -> Queue:
    """What is retained of a gap is told before all that waits."""
    others = [item for item in queue if not isinstance(item, RetainedPlace)]
    return (make_retained_place(wanted), *others)


def number_before(item: QueueItem) -> int | None:
    """What was retained when a subscriber came, and it has not read, has no place of its own."""
    return item.to if isinstance(item, Follow) else None


DEFECTS = (
    Defect("171-answers.txt", Engine, "report", report),
    Defect("1262-order.txt", retained_reading, "_with_retained_between", with_retained_first),
    Defect("2905-order.txt", retained_reading, "_number_before", number_before),
)


@needs_pure_sources
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.script)
def test_a_kept_script_shows_its_defect_again(
    defect: Defect, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = defect.script.removesuffix(".txt").rpartition("-")[2]
    monkeypatch.setattr(defect.owner, defect.name, defect.before)
    violation = replay(FOLDER / defect.script)
    assert violation is not None and violation.check == rule


def test_each_script_says_what_has_mended_its_defect() -> None:
    assert [path.name for path in kept_scripts()] == sorted(one.script for one in DEFECTS)
    for path in kept_scripts():
        assert path.read_text(encoding="utf-8").startswith("# Mended by "), path.name
