"""The lines that `sigil top` shows."""

import pytest

from sigil.apps.top.figures import Reading, read_metrics
from sigil.apps.top.lines import bar_of, lines_of
from sigil.core.events import ConnectionLost
from sigil.core.server import advance
from sigil.core.views.metrics import Measured, ProcessFigures, metrics_text
from tests.support.core_broadcasts import publish_lengths, with_websockets


def readings() -> tuple[Reading, Reading]:
    """Two readings of a server, a second apart."""
    server, conns = with_websockets(4)
    measured = Measured(process=ProcessFigures(1.0, 2**20, 9, 0.0))
    before = read_metrics(metrics_text(server, measured, "1.2"), 1.0)
    server = publish_lengths(server, 100, 100, taken={conns[1].slot: 10})
    server, _ = advance(server, [ConnectionLost(conns[3], 104)])
    after = read_metrics(metrics_text(server, measured, "1.2"), 2.0)
    assert before is not None and after is not None
    return before, after


def test_the_figures_of_two_readings_are_shown() -> None:
    before, after = readings()
    text = "\n".join(line.text for line in lines_of("http://a", before, after))
    for words in (
        "sigil 1.2 (",
        "serving for",
        "clients            3   subscribers          3",
        "messages           2/s",
        "behind             1   the last by",
        "33% of its bytes, 12% of its messages",
        "memory",
        "1.0 MiB of at most",
        "peer reset                            1   +1",
    ):
        assert words in text, (words, text)


def test_a_problem_is_shown_and_nothing_is_wider_than_the_terminal() -> None:
    before, after = readings()
    lines = lines_of("http://" + "a" * 300, before, after, "gone\x1b[2J" + "x" * 200, width=60)
    assert lines[2].style == "warning" and lines[2].text.startswith("gone\ufffd[2J")
    assert max(len(line.text) for line in lines) <= 60


@pytest.mark.parametrize(
    ("share", "bar"), [(0.0, "░░░░"), (0.5, "██░░"), (1.0, "████"), (7.0, "████"), (-1.0, "░░░░")]
)
def test_a_bar_is_a_share_of_the_whole(share: float, bar: str) -> None:
    assert bar_of(share, 4) == bar
