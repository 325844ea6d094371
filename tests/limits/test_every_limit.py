"""Every field of `Limits`, one side of its bound and the other, and what docs/reference/limits.md
says happens there.

The table is `of_requests`, `of_time`, `of_websockets` and `of_sockets`. A field without a row
fails, and so does a row that is not about the very edge of its bound, or that ends in another
status or close code than that page has for it.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil import Limits
from sigil.core.limits import shortest_timeout
from sigil.core.limits_check import FULL_POLICIES
from tests.limits import of_files, of_requests, of_sockets, of_time, of_websockets
from tests.limits.row import JUST_BEFORE_SECONDS, Row

ROWS = (*of_requests.ROWS, *of_files.ROWS, *of_time.ROWS, *of_websockets.ROWS, *of_sockets.ROWS)
POLICIES = (
    "full_policy",
    "origins",
    "ws_early_data",
    "compress_websocket",
    "permessage_deflate",
    "date_header",
    "proxy_protocol",
    "tcp_keepalive",
)
PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "limits.md").read_text(encoding="utf-8")
PAGE_ROWS = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE))
CODE = re.compile(r"\b(?:[45]\d\d|10(?:0[1-9]|1\d))\b")
"""A status or a close code that is a refusal: 1000 is none."""
SEE = {"max_request_len": "max_body_len", "rate_grace": "min_body_rate"}
"""Rows of the page that leave it to another row to say what happens."""


def name_of(row: Row) -> str:
    """The field, and what is tried."""
    return f"{row.field}-{row.probe.__name__}"


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_up_to_the_bound_all_is_well(row: Row) -> None:
    assert row.probe(row.limits, row.at) == row.well


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_past_the_bound_happens_what_the_row_says(row: Row) -> None:
    assert row.probe(row.limits, row.past) == row.beyond


TIMES = tuple(row for row in ROWS if isinstance(row.past, float))


@pytest.mark.parametrize("row", TIMES, ids=name_of)
@settings(max_examples=10)
@given(seconds=st.floats(5, 9), shortest=st.sampled_from((0.5, 1.0, 2.0)))
def test_a_deadline_is_never_early_and_late_by_no_more_than_a_grain(
    row: Row, seconds: float, shortest: float
) -> None:
    values: dict[str, Any] = {"linger_timeout": shortest, row.field: seconds}
    limits = row.limits._replace(**values)
    assert row.probe(limits, seconds - 0.001) == row.well
    assert row.probe(limits, seconds + shortest_timeout(limits) / 32 + 1e-9) == row.beyond


# -- the table itself ------------------------------------------------------------------------------


def test_every_limit_has_its_row() -> None:
    assert {row.field for row in ROWS} == set(Limits._fields)


@pytest.mark.parametrize("row", [row for row in ROWS if row.field not in POLICIES], ids=name_of)
def test_a_row_is_about_the_very_edge_of_its_bound(row: Row) -> None:
    value = getattr(row.limits, row.field)
    if isinstance(value, float):
        assert (row.at, row.past) == (
            value - JUST_BEFORE_SECONDS,
            value + shortest_timeout(row.limits) / 32,
        )
    else:
        assert (abs(row.past - row.at), value in (row.at, row.past)) == (1, True)


@pytest.mark.parametrize("row", [row for row in ROWS if row.field not in POLICIES], ids=name_of)
def test_it_is_this_field_that_makes_the_difference(row: Row) -> None:
    bound = getattr(row.limits, row.field)
    elsewhere = row.limits._replace(**{row.field: 2 * bound if row.past > row.at else bound // 2})
    assert row.probe(elsewhere, row.past) != row.beyond


def test_a_stream_of_events_may_be_silent_for_longer_than_an_answer_may_be_late() -> None:
    limits = Limits(response_timeout=8.0)
    assert (
        of_time.silent_events(limits, 8.5) == of_time.silent_events(limits, 7.5) == "'', 200 open"
    )


def test_every_value_of_a_policy_has_its_row() -> None:
    values = {
        name: {getattr(row.limits, name) for row in ROWS if row.field == name} for name in POLICIES
    }
    assert values["full_policy"] == set(FULL_POLICIES)
    assert (
        values["ws_early_data"]
        == values["compress_websocket"]
        == values["permessage_deflate"]
        == values["date_header"]
        == {False, True}
    )
    assert values["origins"] >= {None, (), ("*",)}


# -- and what the page says ------------------------------------------------------------------------


@pytest.mark.parametrize("field", Limits._fields)
def test_the_statuses_and_codes_beyond_a_bound_are_those_of_its_row_on_the_page(field: str) -> None:
    seen = {code for row in ROWS if row.field == field for code in CODE.findall(row.beyond)}
    assert seen == set(CODE.findall(PAGE_ROWS[SEE.get(field, field)]))
