"""What was measured, as tables, as JSON and as a chart.

Theory: a figure by itself says little on a machine that is shared. So a row is read as ratios, each
taken within one round: how much of the row's work a server does with the CPU time with which the
yardstick does one; more is better. Beside the ratios stand how much of the C floor's that is, and
for a sister how many times what its row costs.

Rules: medians over rounds, and the range from least to greatest. It does not measure.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from .rows import GROUPS, Row, unit_of
from .servers import COMPILED, NAMES, SERVERS, version_of

CORES = ("sigil", COMPILED)
FLOOR = "c-floor"
SUMMED = (*CORES, FLOOR, "py-floor")
MARKS = ("o", "s", "^", "v", "D", "P", "X", "<", ">", "*")
DECIMALS = ((100.0, 0), (10.0, 1), (0.0, 2))
"""How many decimals a figure has that is at least so much."""


class Range(NamedTuple):
    """A median, and the least and the greatest."""

    middle: float
    least: float
    greatest: float


Figures = dict[str, dict[str, dict[int, float]]]
"""By row, server and round."""


class Results(NamedTuple):
    """Everything that is reported. `reasons` says why a server was left out, by its name."""

    rows: tuple[Row, ...]
    figures: Figures
    failures: tuple[str, ...]
    reasons: dict[str, str]
    command: str


def range_of(figures: Iterable[float]) -> Range | None:
    """The range of some figures; None if there are none."""
    listed = list(figures)
    return Range(median(listed), min(listed), max(listed)) if listed else None


def ratios(over: dict[int, float], under: dict[int, float]) -> Range | None:
    """The range of one server's figures by another's, each within a round that both have."""
    return range_of(over[turn] / under[turn] for turn in over if under.get(turn))


def ratio_of(results: Results, row: Row, server: str) -> Range | None:
    """How much work of this row the server does for one of the yardstick's."""
    return ratios(yardstick_of(results, row), results.figures.get(row.name, {}).get(server, {}))


def yardstick_of(results: Results, row: Row) -> dict[int, float]:
    """The yardstick's figures; those of the row's main row if it does not do what this one asks."""
    name = row.sister_of if row.yardstick in row.without else row.name
    return results.figures.get(name, {}).get(row.yardstick, {})


def floor_share(results: Results, row: Row, server: str) -> Range | None:
    """How much of the floor's work the server does."""
    figures = results.figures.get(row.name, {})
    return ratios(figures.get(FLOOR, {}), figures.get(server, {}))


def sister_cost(results: Results, row: Row, server: str) -> Range | None:
    """What a sister costs, in times of what its row costs."""
    mine = results.figures.get(row.name, {}).get(server, {})
    return ratios(mine, results.figures.get(row.sister_of, {}).get(server, {}))


# -- tables ----------------------------------------------------------------------------------------


def number(figure: float) -> str:
    """A figure with about three digits."""
    decimals = next(count for least, count in DECIMALS if abs(figure) >= least)
    return f"{figure:,.{decimals}f}"


def cell(found: Range | None) -> str:
    """The median, and the range if it is one."""
    if found is None:
        return "-"
    least, greatest = number(found.least), number(found.greatest)
    return number(found.middle) + ("" if least == greatest else f" ({least}..{greatest})")


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table of Markdown whose columns are as wide as they must be."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    for words in (head, rule, *lines):
        cells = [
            word.rjust(width) if index else word.ljust(width)
            for index, (word, width) in enumerate(zip(words, widths, strict=True))
        ]
        yield f"| {' | '.join(cells)} |"


def servers_of(results: Results, rows: Sequence[Row]) -> list[str]:
    """The servers that have a figure in one of these rows."""
    found = {name for row in rows for name in results.figures.get(row.name, {})}
    return [name for name in NAMES if name in found]


def ratio_lines(results: Results, rows: Sequence[Row]) -> Iterator[str]:
    """The table of ratios."""
    servers = servers_of(results, rows)
    cores = [name for name in CORES if name in servers]
    head = ["ratio", "1 is", *servers]
    for name in cores:
        head += [f"{name} of {FLOOR}", f"{name}: times its row"]
    lines = []
    for row in rows:
        line = [row.name, row.yardstick, *(cell(ratio_of(results, row, name)) for name in servers)]
        for name in cores:
            line += [cell(floor_share(results, row, name)), cell(sister_cost(results, row, name))]
        lines.append(line)
    yield from table(head, lines)


def best_other(results: Results, row: Row) -> str:
    """The best ratio of those that are neither sigil nor a floor, and whose it is."""
    ours = {server.name for server in SERVERS if server.is_floor} | {*CORES}
    found = [
        (one.middle, name)
        for name in results.figures.get(row.name, {})
        if name not in ours and (one := ratio_of(results, row, name))
    ]
    if not found:
        return "-"
    ratio, name = max(found)
    return f"{name} {number(ratio)}"


def summary_lines(results: Results) -> Iterator[str]:
    """One table of all rows: the ratio of each core, of the floors, of the best of the others."""
    rows = [row for row in results.rows if row.yardstick]
    servers = [name for name in servers_of(results, rows) if name in SUMMED]
    lines = []
    for row in rows:
        ratios = [ratio_of(results, row, name) for name in servers]
        cells = [number(ratio.middle) if ratio else "-" for ratio in ratios]
        lines.append([row.name, row.yardstick, *cells, best_other(results, row)])
    yield from table(["row", "1 is", *servers, "best of the others"], lines)


def figure_lines(results: Results, rows: Sequence[Row]) -> Iterator[str]:
    """The table of figures as they were measured."""
    servers = servers_of(results, rows)
    lines = []
    for row in rows:
        figures = results.figures.get(row.name, {})
        cells = [cell(range_of(figures.get(name, {}).values())) for name in servers]
        lines.append([row.name, unit_of(row), *cells])
    yield from table(["figure", "unit", *servers], lines)


def head_lines(results: Results, rounds: int) -> Iterator[str]:
    """What was measured, and on what."""
    packages = [package for server in SERVERS for package in server.packages]
    versions = ", ".join(f"{name} {version_of(name)}" for name in dict.fromkeys(packages))
    yield f"$ {results.command}"
    yield f"{platform.python_implementation()} {platform.python_version()}, {versions}"
    yield f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, rounds: {rounds}"
    for name, why in results.reasons.items():
        yield f"left out: {name}: {why}"


def report_lines(results: Results, rounds: int) -> Iterator[str]:
    """The whole report, in words and tables of Markdown."""
    yield from head_lines(results, rounds)
    if any(row.yardstick for row in results.rows):
        yield "\n## Medians of the ratios\n"
        yield from summary_lines(results)
    for group in GROUPS:
        rows = [row for row in results.rows if row.group == group]
        if not rows:
            continue
        yield f"\n## {group}\n"
        yield from (f"* {row.name}: {row.words}" for row in rows)
        if any(row.yardstick for row in rows):
            yield ""
            yield from ratio_lines(results, rows)
        yield ""
        yield from figure_lines(results, rows)
    yield from ("", *(f"failed: {why}" for why in results.failures))


# -- values ----------------------------------------------------------------------------------------


def as_dict(found: Range | None) -> dict[str, float] | None:
    """A range by the names of its parts."""
    return found and found._asdict()


def as_json(results: Results) -> dict[str, object]:
    """The same as a value for JSON: every figure of every round, and the ratios."""
    rows = []
    for row in results.rows:
        figures = results.figures.get(row.name, {})
        servers = {
            name: {
                "figures": list(figures[name].values()),
                "ratio": as_dict(ratio_of(results, row, name)),
                "floor_share": as_dict(floor_share(results, row, name)),
                "times_its_row": as_dict(sister_cost(results, row, name)),
            }
            for name in NAMES
            if name in figures
        }
        about = {"name": row.name, "group": row.group, "words": row.words, "unit": unit_of(row)}
        rows.append({**about, "yardstick": row.yardstick, "servers": servers})
    return {
        "command": results.command,
        "python": platform.python_version(),
        "packages": {name: version_of(name) for server in SERVERS for name in server.packages},
        "left_out": results.reasons,
        "failures": list(results.failures),
        "rows": rows,
    }


def write_chart(results: Results, path: Path) -> None:
    """An SVG: for each row a bar from 1 to the ratio of each core of sigil's, and a mark for each
    other server; ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    rows = [row for row in results.rows if yardstick_of(results, row)]
    servers = servers_of(results, rows)
    figure = Figure(figsize=(9, 2 + 0.3 * len(rows)))
    axes = figure.add_subplot(xlabel="work for each second of CPU; the yardstick is 1")
    for place, name in enumerate(servers):
        found = [(index, ratio_of(results, row, name)) for index, row in enumerate(rows)]
        points = [(index, ratio.middle) for index, ratio in found if ratio]
        heights, lengths = zip(*points, strict=True) if points else ((), ())
        if name in CORES:
            core = CORES.index(name)
            above = [height + 0.2 * core for height in heights]
            lengths = [length - 1 for length in lengths]
            axes.barh(above, lengths, 0.2, left=1, label=name, color=("0.2", "0.6")[core])
        else:
            axes.plot(lengths, heights, MARKS[place % len(MARKS)], label=name)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.grid(axis="y", linewidth=0.3)
    axes.axvline(1, color="black", linewidth=0.5)
    axes.invert_yaxis()
    if rows:
        axes.set_xscale("log")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    figure.savefig(path, format="svg", bbox_inches="tight")
