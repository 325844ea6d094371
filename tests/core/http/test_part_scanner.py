"""The scanner of parts: wherever a body is cut, the same is found."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigil.core.http.decoding import BadInput
from sigil.core.http.part_head import PartHead
from sigil.core.http.part_scanner import PartScanner, Piece
from tests.support.forms import BOUNDARY, END, bounds, form, part

WITHIN = bounds(max_form_fields=3, max_form_files=3, max_form_len=2_000)
Found = list[tuple[str, str | None, bytes]]


def scan(pieces: list[bytes]) -> tuple[Found, str]:
    """(name, filename, content) of every part, and what is wrong, or empty: one of the two is."""
    scanner = PartScanner(BOUNDARY, WITHIN)
    found: Found = []
    head: PartHead | None = None
    content = b""
    try:
        for piece in pieces:
            for item in scanner.scan(piece):
                if isinstance(item, PartHead):
                    head, content = item, b""
                elif isinstance(item, Piece):
                    content += item.data[item.start : item.end]
                else:
                    assert head is not None
                    found.append((head.name, head.filename, content))
        scanner.finish()
    except BadInput as error:
        return [], str(error)
    return found, ""


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """The body in pieces, cut at these places."""
    edges = [0, *sorted({min(place, len(body)) for place in places}), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


PIECES = st.sampled_from(
    [
        *(b"\r\n--xYzZY", b"\r\n", b"--", b"--xYzZY--", b"\r", b"\n", b" ", b"x", b"xYzZY"),
        *(b"\0\xff", b"\r\n--xYzZ", b"\r\n--xYzZY-", b"\r\n--xYzZY\r"),
    ]
)
CONTENTS = st.lists(PIECES, max_size=6).map(b"".join)
FIELD = st.builds(lambda data: part('name="a"', data), CONTENTS)
UPLOAD = st.builds(lambda data: part('name="f"; filename="b"', data, "X: y"), CONTENTS)
BODIES = st.builds(
    lambda before, parts, after: before + b"".join(parts) + b"\r\n" + END + after,
    CONTENTS,
    st.lists(FIELD | UPLOAD, max_size=4),
    CONTENTS,
)
FAULTS = [
    b"",
    b"x" * 300,
    form(part('name="a"', b"x" * 200))[:-8],
    form(part('name="a"', b"x", "Y : z"), part('name="a"', b"y")),
    form(*[part('name="a"', b"x")] * 4),
    form(*[part('name="a"; filename="b"', b"x")] * 4),
    form(part('name="a"', b"x"), part('name="a"', b"x", *["X: y"] * 9)),
    form(part('name="a"', b"x", f"X: {'y' * 5_000}")),
    form(part('name="a"', b"x" * 3_000)),
    form(part("a=b", b"x")),
    form(part('name="a"', b"x")).replace(b"ZY\r\n", b"ZY " + b"\t" * 20 + b"\r\n"),
    form(part('name="a"; filename="b"', b"\r\n--xYzZY." * 12)),
]
PLACES = st.lists(st.integers(0, 400), max_size=8)


@given(BODIES, PLACES)
@example(form(part('name="f"; filename="b"', b"\r\n--xYzZ")), list(range(400)))
def test_wherever_a_body_is_cut_the_same_is_found(body: bytes, places: list[int]) -> None:
    (whole, problem), (found, also) = scan([body]), scan(cut(body, places))
    assert (whole, bool(problem)) == (found, bool(also))


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("behind", [b"", b"an epilogue\r\n--xYzZY\r\n that is long enough"])
def test_as_many_boundaries_as_may_be_stand_before_the_last_one(more: int, behind: bytes) -> None:
    most = WITHIN.max_form_fields + WITHIN.max_form_files + 2
    body = form(part('name="a"', b"\r\n--xYzZY." * (most - 1 + more))) + behind
    problems = {scan([body])[1]} | {scan([body[:at], body[at:]])[1] for at in range(len(body))}
    assert problems == {"" if more < 1 else "the form has too many boundaries"}


@given(st.sampled_from(FAULTS), PLACES)
def test_wherever_a_body_is_cut_its_only_fault_is_the_same(body: bytes, places: list[int]) -> None:
    whole = scan([body])
    assert whole[1] and scan(cut(body, places)) == whole


@given(
    st.lists(PIECES | st.sampled_from([b": y", b"Content-Disposition: form-data; "]), max_size=9)
)
def test_a_body_byte_by_byte_is_refused_if_the_whole_is(pieces: list[bytes]) -> None:
    body = part('name="a"') + b"".join(pieces) + b"\r\n" + END
    whole, problem = scan([body])
    found, also = scan([bytes([byte]) for byte in body])
    assert bool(problem) == bool(also)
    assert problem or whole == found


@given(BODIES, PLACES)
def test_positions_are_those_of_the_body(body: bytes, places: list[int]) -> None:
    scanner = PartScanner(BOUNDARY, bounds())
    try:
        for piece in cut(body, places):
            for item in scanner.scan(piece):
                if isinstance(item, Piece):
                    data = item.data[item.start : item.end]
                    assert body[item.position : item.position + len(data)] == data
    except BadInput:
        return


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        ([b"--xYzZY" + b" " * 9, b" " * 9], "a boundary of the form has more than 16 blanks"),
        (
            [b"--xYzZY\r\nX:" + b" " * 9, b" " * 9 + b"y"],
            "part 1 of the form has a malformed header",
        ),
        ([b"--xYzZY\r\nX:", b" " * 17 + b"y"], "part 1 of the form has a malformed header"),
        ([part('name="a"', b"x" * 1_500), b"x" * 600], "the form has more than 2000 bytes"),
        ([b"x" * 1_500, b"x" * 600], "the form has more than 2000 bytes"),
        ([b"\r\n--xYzZY", b"x"] * 20, "the form has too many boundaries"),
    ],
)
def test_what_is_counted_is_counted_across_pieces(pieces: list[bytes], problem: str) -> None:
    assert scan([*pieces, b"z" * 100])[1].startswith(problem)


def test_blanks_within_a_value_are_not_counted_wherever_it_is_cut() -> None:
    head = "X: y" + " " * 40 + "z"
    body = form(part('name="a"', b"1", head))
    for place in range(len(body)):
        assert scan([body[:place], body[place:]]) == ([("a", None, b"1")], "")


def test_behind_the_end_nothing_is_looked_at() -> None:
    scanner = PartScanner(BOUNDARY, WITHIN)
    scanner.scan(END)
    assert scanner.has_ended
    assert scanner.scan(b"\r\n--xYzZY" * 100) == []
    scanner.finish()


def test_a_file_may_be_longer_than_all_the_rest() -> None:
    def pieces() -> Any:
        yield part('name="f"; filename="b"')
        yield from (b"x" * 1_000 for _ in range(50))
        yield b"\r\n" + END

    assert scan(list(pieces())) == ([("f", "b", b"x" * 50_000)], "")
