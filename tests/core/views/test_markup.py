"""Markup: what is not markup is escaped, and what is shown is short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.views.markup import (
    STYLE,
    bar,
    card,
    code,
    count_of,
    fields,
    legend,
    more_than,
    printable,
    quiet,
    row,
    seconds_of,
    size_of,
    tag,
    text,
    tiles,
)
from tests.support.html import tags_of, text_of


@given(st.text(min_size=1, max_size=40))
def test_whatever_a_text_is_it_is_shown_and_nothing_else(content: str) -> None:
    html = card(
        content,
        quiet(content),
        code(content),
        fields([(content, text(content))]),
        tiles([(content, content)]),
        row(text(content), bar([("ok", 0.5)]), text(content), title=content),
        legend([("ok", content)]),
    )
    assert tags_of(html) <= {"style", "div", "header", "b", "span", "code", "dl", "dt", "dd", "i"}
    assert text_of(html).count(printable(content)) >= 7


def test_a_text_is_cut_and_what_cannot_be_printed_is_replaced() -> None:
    assert text("a" * 200, 10) == "a" * 9 + "…"
    assert text('a\x00\u202eb<&">') == "a\ufffd\ufffdb&lt;&amp;&quot;&gt;"
    assert tag("p", title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;"></p>'


@pytest.mark.parametrize(
    ("length", "words"),
    [(0, "0 B"), (1_023, "1,023 B"), (1_536, "1.5 KiB"), (3 * 2**40, "3.0 TiB")],
)
def test_lengths_are_short(length: int, words: str) -> None:
    assert size_of(length) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0123, "12 ms"), (3.42, "3.4 s"), (90, "2 min"), (7_500, "2 h 5 min")],
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert seconds_of(seconds) == words


def test_counts_are_in_words() -> None:
    assert count_of(1, "client") == "1 client" and count_of(2_000, "client") == "2,000 clients"
    assert more_than(0, "client") == "" and "and 3 clients more" in more_than(3, "client")


def test_shares_beyond_the_whole_are_the_whole() -> None:
    assert "width:100.00%" in bar([("ok", 7.0)]) and "width:0.00%" in bar([("ok", -1.0)])


def test_the_style_follows_the_page_and_loads_nothing() -> None:
    for word in ("prefers-color-scheme:dark", "data-jp-theme-light", "vscode-dark", "data-theme"):
        assert word in STYLE
    assert "url(" not in STYLE and "@import" not in STYLE
    assert all(
        line.startswith((".sigil-card", "@media", ":is("))
        for line in STYLE.splitlines()[1:-1]
        if "{" in line and not line[0].isalpha()
    )
