"""Server-Timing: literal metrics."""

from typing import Any

import pytest

from sigil.core.http.response import Response
from sigil.core.web.server_timing import timing_metric, with_timing


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("db",), "db"),
        (("db", 0.0123), "db;dur=12.3"),
        (("db", 0), "db;dur=0"),
        (("db", 0.0000004), "db;dur=0"),
        (("db", 12.3456789), "db;dur=12345.7"),
        (("cache", None, "hit"), 'cache;desc="hit"'),
        (("cache", 0.001, 'a "b" \\'), 'cache;dur=1;desc="a \\"b\\" \\\\"'),
    ],
)
def test_a_metric_is_this_text(arguments: Any, text: str) -> None:
    assert timing_metric(*arguments) == text


@pytest.mark.parametrize(
    "arguments",
    [("a b",), ("",), ("a", -1), ("a", float("nan")), ("a", float("inf")), ("a", 1, "\u00e9")],
)
def test_what_cannot_be_sent_is_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match="not "):
        timing_metric(*arguments)


def test_it_stands_beside_what_a_handler_has_measured() -> None:
    response = Response.text("", headers={"Server-Timing": "db;dur=1"})
    assert with_timing(response, "app;dur=2").headers[-2:] == (
        ("Server-Timing", "db;dur=1"),
        ("Server-Timing", "app;dur=2"),
    )
