"""What is reported of figures that were measured: ratios within rounds, medians, ranges, tables."""

from __future__ import annotations

import pytest

from tests.bench.__main__ import rows_named
from tests.bench.report import (
    Range,
    Results,
    as_json,
    cell,
    floor_share,
    number,
    ratio_of,
    report_lines,
    sister_cost,
)
from tests.bench.rows import ROWS, AtRest, Row, Start, fitted

GET, FIELD, HTTP_10 = rows_named("get,get-field,get-http10")
FIGURES = {
    "get": {
        "sigil": {0: 10.0, 1: 12.0, 2: 8.0},
        "c-floor": {0: 5.0, 1: 3.0, 2: 4.0},
        "uvicorn": {0: 20.0, 1: 18.0, 2: 24.0},
    },
    "get-field": {"sigil": {0: 15.0, 2: 16.0}, "uvicorn": {0: 30.0, 1: 30.0}},
    "get-http10": {"sigil": {0: 40.0}},
}
RESULTS = Results((GET, FIELD, HTTP_10), FIGURES, (), {"picows": "not installed: picows"}, "bench")


def test_a_ratio_is_taken_within_each_round_and_more_is_better() -> None:
    assert ratio_of(RESULTS, GET, "sigil") == Range(2.0, 1.5, 3.0)
    assert ratio_of(RESULTS, GET, "uvicorn") == Range(1.0, 1.0, 1.0)


def test_a_round_that_one_of_two_did_not_take_part_in_does_not_count() -> None:
    assert ratio_of(RESULTS, FIELD, "sigil") == Range(2.0, 2.0, 2.0)


def test_where_the_yardstick_does_not_do_what_is_asked_its_main_row_counts() -> None:
    assert "uvicorn" in HTTP_10.without
    assert ratio_of(RESULTS, HTTP_10, "sigil") == Range(0.5, 0.5, 0.5)


def test_a_server_without_a_figure_has_no_ratio() -> None:
    assert ratio_of(RESULTS, GET, "picows") is None
    assert cell(ratio_of(RESULTS, GET, "picows")) == "-"


def test_the_share_of_the_floor() -> None:
    assert floor_share(RESULTS, GET, "sigil") == Range(0.5, 0.25, 0.5)


def test_a_sister_costs_so_many_times_what_its_row_costs() -> None:
    assert sister_cost(RESULTS, FIELD, "sigil") == Range(1.75, 1.5, 2.0)
    assert sister_cost(RESULTS, GET, "sigil") is None


@pytest.mark.parametrize(
    ("figure", "words"),
    [(0.256, "0.26"), (9.87, "9.87"), (12.34, "12.3"), (1234.5, "1,234"), (-8.25, "-8.25")],
)
def test_a_figure_has_three_digits(figure: float, words: str) -> None:
    assert number(figure) == words


def test_a_range_is_shown_if_it_is_one() -> None:
    assert cell(Range(2.0, 1.5, 3.0)) == "2.00 (1.50..3.00)"
    assert cell(Range(2.0, 2.0, 2.0)) == "2.00"


def test_the_report_has_the_ratios_the_figures_and_who_was_left_out() -> None:
    lines = list(report_lines(RESULTS, 3))
    assert "left out: picows: not installed: picows" in lines
    summary, ratios, figures = (
        [part.strip() for part in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| get ")
    )
    assert summary == ["get", "uvicorn", "2.00", "6.00", "uvicorn 1.00"]
    shares = ["0.50 (0.25..0.50)", "-"]
    assert ratios[:3] == ["get", "uvicorn", "2.00 (1.50..3.00)"] and ratios[-2:] == shares
    assert figures[:3] == ["get", "us a request", "10.0 (8.00..12.0)"]


def test_the_value_for_json_has_every_figure() -> None:
    value = as_json(RESULTS)
    assert isinstance(value["rows"], list)
    assert value["rows"][1]["servers"]["sigil"] == {
        "figures": [15.0, 16.0],
        "ratio": {"middle": 2.0, "least": 2.0, "greatest": 2.0},
        "floor_share": None,
        "times_its_row": {"middle": 1.75, "least": 1.5, "greatest": 2.0},
    }


# -- rows ------------------------------------------------------------------------------------------


def names(rows: tuple[Row, ...]) -> list[str]:
    return [row.name for row in rows]


def test_a_star_stands_for_the_sisters() -> None:
    assert names(rows_named("connect*")) == ["connect", "connect-http10", "connect-field"]
    assert names(rows_named("mib-fragments,mib")) == ["mib", "mib-fragments"]
    fans = ["fan-100", "fan-100-topic", "fan-100-recorded", "fan-100-single"]
    assert names(rows_named("fan-100*")) == fans


def test_a_row_takes_no_more_connections_than_there_are_descriptors() -> None:
    row = Row("rest", "At rest", "", AtRest("http", 10_000), 1, "")
    assert fitted(row, 700).load == AtRest("http", 700)
    assert fitted(row, 10_000) is row
    start = row._replace(load=Start("time"))
    assert fitted(start, 0) is start


def test_no_two_rows_have_one_name() -> None:
    assert len(set(names(ROWS))) == len(ROWS)
