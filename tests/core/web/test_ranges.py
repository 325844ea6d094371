"""Ranges: what is asked for, what is merged, and how several are framed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.web.ranges import (
    MERGE_GAP_MAX,
    Span,
    content_range,
    multipart_pieces,
    select_ranges,
    unsatisfied_range,
)


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        ("bytes=0-499", (Span(0, 500),)),
        ("bytes=500-999", (Span(500, 1000),)),
        ("bytes=-500", (Span(9500, 10000),)),
        ("bytes=9500-", (Span(9500, 10000),)),
        ("bytes=0-0,-1", (Span(0, 1), Span(9999, 10000))),
        ("bytes= 0-0 , , -1 ,", (Span(0, 1), Span(9999, 10000))),
        ("BYTES=0-0", (Span(0, 1),)),
        ("bytes=0-99999", (Span(0, 10000),)),
        ("bytes=-99999", (Span(0, 10000),)),
        ("bytes=10000-", ()),
        ("bytes=10000-10001,20000-", ()),
        ("bytes=-0", ()),
        ("bytes=0-1,10000-", (Span(0, 2),)),
        ("bytes=500-600,601-999", (Span(500, 1000),)),
        ("bytes=500-700,601-999", (Span(500, 1000),)),
        ("bytes=900-999,0-99,500-599", (Span(900, 1000), Span(0, 100), Span(500, 600))),
        ("bytes=900-999,0-99,50-950", (Span(0, 1000),)),
        ("bytes=0-,0-,0-,0-", (Span(0, 10000),)),
        ("bytes=5-4", None),
        ("bytes=", None),
        ("bytes", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1-2-3", None),
        ("bytes=0x1-2", None),
        ("bytes=+1-2", None),
        ("bytes=1 -2", None),
        ("bytes=\u0661-", None),
        ("items=0-1", None),
        ("bytes=0-1;2-3", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("bytes=0-0,2000-2000,4000-4000,6000-6000,8000-8000", None),
        ("bytes=" + "0-0," * 10_000, None),
    ],
)
def test_a_field_is_ranges_or_is_ignored(value: str, spans: tuple[Span, ...] | None) -> None:
    assert select_ranges(value, 10_000, 4) == spans


def test_an_empty_file_has_no_byte_that_could_be_asked_for() -> None:
    assert select_ranges("bytes=0-", 0, 4) == ()
    assert select_ranges("bytes=-1", 0, 4) == ()


DATA = bytes(range(256)) * 4
POSITIONS = st.integers(0, 1_200)
SPECS = st.one_of(
    POSITIONS.map(lambda first: f"{first}-"),
    POSITIONS.map(lambda count: f"-{count}"),
    st.tuples(POSITIONS, POSITIONS).map(lambda pair: f"{min(pair)}-{max(pair)}"),
)


def naive_slice(spec: str) -> tuple[int, int]:
    """What one range asks for, by slicing."""
    first, _, last = spec.partition("-")
    if not first:
        wanted = range(len(DATA))[-int(last) :] if int(last) else range(0)
    else:
        wanted = range(len(DATA))[int(first) : int(last) + 1 if last else None]
    return (wanted.start, wanted.stop) if wanted else (0, 0)


@given(st.lists(SPECS, min_size=1, max_size=8))
def test_all_that_is_asked_for_is_sent_once_and_hardly_more(specs: list[str]) -> None:
    spans = select_ranges("bytes=" + ", ".join(specs), len(DATA), 8)
    assert spans is not None
    wanted = {at for spec in specs for at in range(*naive_slice(spec))}
    sent = [at for span in spans for at in range(*span)]
    assert wanted <= set(sent)
    assert len(sent) == len(set(sent)) <= len(DATA)
    assert len(sent) - len(wanted) <= MERGE_GAP_MAX * (len(specs) - 1)
    assert bool(spans) is bool(wanted)


@given(SPECS)
def test_one_range_is_a_slice(spec: str) -> None:
    spans = select_ranges(f"bytes={spec}", len(DATA), 1)
    start, end = naive_slice(spec)
    assert spans == ((Span(start, end),) if start < end else ())


@given(st.text("bytes=-, 0123456789", max_size=40))
def test_no_text_raises(value: str) -> None:
    select_ranges(value, 100, 4)


def test_several_ranges_are_parts_of_a_multipart_body() -> None:
    pieces = multipart_pieces((Span(0, 2), Span(5, 6)), 10, "text/plain", "XX")
    assert pieces == (
        b"--XX\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n",
        Span(0, 2),
        b"\r\n--XX\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-5/10\r\n\r\n",
        Span(5, 6),
        b"\r\n--XX--\r\n",
    )
    assert content_range(Span(0, 10), 10) == "bytes 0-9/10"
    assert unsatisfied_range(10) == "bytes */10"
