"""Forms as bytes: literal bodies, what independent encoders write, bounds, and time."""

import subprocess
import sys
import tracemalloc
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigil.core.http.decoding import BadInput, DecodingBounds
from sigil.core.http.form import Form
from sigil.core.http.multipart import boundary_of, form_type, parse_form
from sigil.core.http.part_scanner import MISSING
from tests.support.forms import BOUNDS, CONTENT_TYPE, END, bounds, form, part
from tests.support.sources import ROOT

MIB = 2**20
NAME = 'name="a"'
FILE = 'name="f"; filename="b.bin"'


def parse(body: bytes, within: DecodingBounds = BOUNDS, content_type: str = CONTENT_TYPE) -> Form:
    return parse_form(body, content_type, within)


def refusal(body: bytes, within: DecodingBounds = BOUNDS, kind: str = CONTENT_TYPE) -> Any:
    """Status and sentence with which a body is refused."""
    with pytest.raises(BadInput) as caught:
        parse(body, within, kind)
    return caught.value.status, str(caught.value)


def found(form: Form) -> tuple[Any, Any]:
    """Fields, and the files by name, name of the file and content."""
    return form.fields, tuple((file.name, file.filename, file.data) for file in form.files)


# -- content types ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; Boundary="a b"', b"a b"),
        ("multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", None),
        (f"multipart/form-data; boundary={'a' * 70}", b"a" * 70),
        ('multipart/form-data; boundary="a:b;c,d=?"', b"a:b;c,d=?"),
    ],
)
def test_a_boundary_may_be_quoted(content_type: str, boundary: bytes | None) -> None:
    assert form_type(content_type) == "multipart/form-data"
    assert boundary_of(content_type) == (boundary or content_type.partition("=")[2].encode())


@pytest.mark.parametrize(
    ("content_type", "status", "sentence"),
    [
        (
            "",
            415,
            "the body is not declared as application/x-www-form-urlencoded or multipart/form-data",
        ),
        (
            "multipart/mixed; boundary=a",
            415,
            "the body is not declared as application/x-www-form-urlencoded or multipart/form-data",
        ),
        ("multipart/form-data", 400, "the Content-Type of the form has no boundary"),
        (
            "multipart/form-data; boundary=a; boundary=b",
            400,
            "the Content-Type of the form has no boundary",
        ),
        (
            f"multipart/form-data; boundary={'a' * 71}",
            400,
            "the boundary of the form is not one of 1 to 70 characters (RFC 2046)",
        ),
        (
            'multipart/form-data; boundary="a "',
            400,
            "the boundary of the form is not one of 1 to 70 characters (RFC 2046)",
        ),
        (
            'multipart/form-data; boundary="é"',
            400,
            "the boundary of the form is not one of 1 to 70 characters (RFC 2046)",
        ),
    ],
)
def test_what_is_declared_as_no_form_is_refused(
    content_type: str, status: int, sentence: str
) -> None:
    assert refusal(END, kind=content_type) == (status, sentence)


# -- bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "fields", "files"),
    [
        (END, (), ()),
        (END[:-2], (), ()),
        (form(part(NAME, b"1")), (("a", "1"),), ()),
        (form(part(NAME)), (("a", ""),), ()),
        (form(part(NAME, b"1"), part(NAME, b"2")), (("a", "1"), ("a", "2")), ()),
        (form(part(NAME, b"\r\n1\r\n")), (("a", "\r\n1\r\n"),), ()),
        (form(part(NAME, "é€".encode())), (("a", "é€"),), ()),
        (form(part('name=""', b"1")), (("", "1"),), ()),
        (form(part(FILE, b"\0\xff\r\n--xYzZ")), (), (("f", "b.bin", b"\0\xff\r\n--xYzZ"),)),
        (form(part(FILE)), (), (("f", "b.bin", b""),)),
        (form(part('name="f"; filename=""')), (), ()),
        (form(part('name="f"; filename=""', b"x")), (), (("f", "", b"x"),)),
        (form(part(NAME, b"1", "X: y", "Content-Type: text/plain")), (("a", "1"),), ()),
        (
            form(part(FILE, b"1"), part(NAME, b"2"), part('name="g"; filename="c"', b"3")),
            (("a", "2"),),
            (("f", "b.bin", b"1"), ("g", "c", b"3")),
        ),
        (b"preamble\r\n-- and more" + part(NAME, b"1") + b"\r\n" + END, (("a", "1"),), ()),
        (b"--xYzZ\r\n" + form(part(NAME, b"1")), (("a", "1"),), ()),
        (b"\r\n" + form(part(NAME, b"1")), (("a", "1"),), ()),
        (form(part(NAME, b"1")) + b"epilogue\r\n--xYzZY\r\n", (("a", "1"),), ()),
        (form(part(NAME, b"1")).replace(b"ZY\r\n", b"ZY \t\r\n"), (("a", "1"),), ()),
        (form(part(NAME, b"1\r\n--xYzZYno")), (("a", "1\r\n--xYzZYno"),), ()),
        (form(part(NAME, b"1\r\n--xYzZY-no")), (("a", "1\r\n--xYzZY-no"),), ()),
        (form(part(NAME, b"1\n--xYzZY\n2")), (("a", "1\n--xYzZY\n2"),), ()),
    ],
)
def test_a_body_is_these_fields_and_files(body: bytes, fields: Any, files: Any) -> None:
    assert found(parse(body)) == (fields, files)


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 400, "the body of the form has no boundary"),
        (b"a=1&b=2", 400, "the body of the form has no boundary"),
        (form(part(NAME, b"1"))[:-4], 400, "the body of the form ends before its last boundary"),
        (
            form(part(NAME, b"1")).replace(b"\r\n", b"\n"),
            400,
            "the body of the form has no boundary",
        ),
        (
            form(part(NAME, b"1")).replace(b"xYzZY\r\n", b"xYzZY x\r\n"),
            400,
            "a boundary of the form is not followed by a line end",
        ),
        (
            form(part(NAME, b"1")).replace(b"xYzZY\r\n", b"xYzZY" + b" " * 17 + b"\r\n"),
            400,
            "a boundary of the form has more than 16 blanks behind it",
        ),
        (form(part(NAME, b"1", "no colon")), 400, "part 1 of the form has a malformed header"),
        (form(part(NAME, b"1", "a b: c")), 400, "part 1 of the form has a malformed header"),
        (form(part(NAME, b"1", " folded")), 400, "part 1 of the form has a malformed header"),
        (form(part(NAME, b"1", ": c")), 400, "part 1 of the form has a malformed header"),
        (
            form(part(NAME, b"1", f"X:{' ' * 17}y")),
            400,
            "part 1 of the form has a malformed header",
        ),
        (
            form(part(NAME), part(NAME).replace(b"form-data", b"inline")),
            400,
            "part 2 of the form has no Content-Disposition that is form-data",
        ),
        (form(part(NAME, b"\xff")), 400, "the field 'a' of the form is not UTF-8"),
        (
            form(part('name="_charset_"', b"koi8-r")),
            415,
            "the form is in the charset 'koi8-r', and only UTF-8 is read",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(body: bytes, status: int, sentence: str) -> None:
    assert refusal(body) == (status, sentence)


def test_what_is_refused_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    refusal(form(part(NAME, b"1", "a b: c")))
    assert caplog.records == []


def test_an_urlencoded_form_has_no_files() -> None:
    kind = "application/x-www-form-urlencoded"
    assert parse(b"a=1&b=x+y&a=2", content_type=kind) == Form(
        (("a", "1"), ("b", "x y"), ("a", "2")), ()
    )
    assert refusal(b"a=\xff", kind=kind) == (400, "the body is not UTF-8")
    assert refusal(b"a=12", bounds(max_form_len=3), kind)[0] == 413


# -- what others write -----------------------------------------------------------------------------

NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='"\\%\ufffd'), max_size=12
)
ENTRIES = st.lists(
    st.tuples(NAMES, st.none() | NAMES.filter(bool), st.binary(max_size=60)), max_size=6
)


def is_text(data: bytes) -> bool:
    try:
        return data.decode() is not None
    except UnicodeDecodeError:
        return False


@given(ENTRIES.filter(lambda rows: all(file or is_text(data) for _, file, data in rows)))
@example([("é€", "日本.txt", b"\r\n--"), ("", None, b"")])
def test_what_httpx_has_encoded_comes_back(rows: list[tuple[str, str | None, bytes]]) -> None:
    request = httpx.Request(
        "POST", "http://a/", files=[(name, (file, data)) for name, file, data in rows] or {"a": b""}
    )
    form = parse(request.read(), content_type=request.headers["content-type"])
    if rows:
        fields = tuple((name, data.decode()) for name, file, data in rows if file is None)
        files = tuple(row for row in rows if row[1] is not None)
        assert found(form) == (fields, files)


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4))
def test_what_the_email_package_has_encoded_comes_back(contents: list[bytes]) -> None:
    message = EmailMessage()
    message["Content-Type"] = "multipart/form-data"
    boundary = "=_x" + "y" * 20
    body = b""
    for data in contents:
        inner = EmailMessage()
        inner["Content-Disposition"] = 'form-data; name="f"; filename="a.bin"'
        inner["Content-Type"] = "application/octet-stream"
        head = inner.as_bytes().replace(b"\n", b"\r\n")
        body += b"--" + boundary.encode() + b"\r\n" + head + data + b"\r\n"
    body += b"--" + boundary.encode() + b"--"
    kind = f'multipart/form-data; boundary="{boundary}"'
    assert [file.data for file in parse(body, content_type=kind).files] == contents


# -- bounds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "within", "beyond", "refused"),
    [
        ({"max_form_fields": 2}, [part(NAME)] * 2, [part(NAME)] * 3, (400, "more than 2 fields")),
        (
            {"max_form_files": 2},
            [part(FILE)] * 2,
            [part(FILE)] * 3,
            (400, "the form has more than 2 files"),
        ),
        (
            {"max_part_headers": 2},
            [part(NAME, b"", "X: y")],
            [part(NAME), part(NAME, b"", "X: y", "X: z")],
            (431, "part 2 of the form has more than 2 headers"),
        ),
        (
            {"max_part_header_len": 50},
            [part(NAME, b"", "X: " + "y" * 47)],
            [part(NAME), part(NAME, b"", "X: " + "y" * 48)],
            (431, "part 2 of the form has a header of more than 50 bytes"),
        ),
        (
            {"max_form_len": 1_000},
            [part(FILE, bytes(5_000)), part(NAME, bytes(700)), part(FILE, bytes(5_000))],
            [part(FILE, bytes(5_000)), part(NAME, bytes(900))],
            (413, "the form has more than 1000 bytes beside its files"),
        ),
    ],
)
def test_up_to_a_bound_all_is_well(
    limit: dict[str, int], within: list[bytes], beyond: list[bytes], refused: tuple[int, str]
) -> None:
    assert parse(form(*within), bounds(**limit))
    assert refusal(form(*beyond), bounds(**limit)) == refused


@pytest.mark.parametrize("unit", [b"\r\n--xYzZYx", b"\r\n--xYzZY-", b"\r\n--xYzZY\r"])
def test_what_looks_like_a_boundary_is_counted(unit: bytes) -> None:
    within = bounds(max_form_fields=2, max_form_files=2)
    assert parse(form(part(FILE, unit * 4 + b"\n" * unit.endswith(b"x"))), within)
    assert refusal(form(part(FILE, unit * 9)), within) == (400, "the form has too many boundaries")


def test_the_memory_of_a_form_is_that_of_its_files_once_more() -> None:
    body = form(part(FILE, bytes(8 * MIB)), part(NAME, b"x" * 100_000))
    parse(END)
    tracemalloc.start()
    try:
        parse(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * MIB


def test_the_memory_of_the_most_parts_there_may_be_is_small() -> None:
    parts = [part(NAME, b"x")] * 1_000 + [part(FILE, b"x", *["Abc: d"] * 7)] * 1_000
    tracemalloc.start()
    try:
        parse(form(*parts))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


COSTLY = {
    "a million parts": part(NAME, b"x") * 100_000,
    "what looks like boundaries": part(FILE) + b"\r\n--xYzZYx" * 500_000,
    "blanks behind a boundary": part(FILE) + b"\r\n--xYzZY" + b" " * 5_000_000,
    "blanks before a value": part(NAME, b"", "X:" + " " * 5_000_000),
    "a header without an end": part(NAME, b"", "x" * 5_000_000),
    "a value without an end": part(NAME, b"", "x:" + "y" * 5_000_000),
    "what stands before the first boundary": b"x" * 5_000_000,
    "nearly a boundary": part(FILE) + b"\r\n--xYzZ" * 600_000,
    "carriage returns": part(FILE) + b"\r" * 5_000_000,
}
COUNT = """
import sys
sys.path.insert(0, {root!r})
from sigil.core.http.decoding import BadInput
from sigil.core.http.multipart import parse_form
from tests.support.forms import BOUNDS, CONTENT_TYPE
from tests.core.http.test_multipart import COSTLY

lines = 0


def trace(frame, event, argument):
    global lines
    lines += 1
    return trace


parse_form(b"--xYzZY--", CONTENT_TYPE, BOUNDS)
sys.settrace(trace)
try:
    parse_form(COSTLY[{name!r}], CONTENT_TYPE, BOUNDS)
except BadInput:
    pass
sys.settrace(None)
print(lines)
"""


@pytest.mark.parametrize("name", COSTLY)
def test_no_body_takes_more_steps_than_the_most_parts_there_may_be(name: str) -> None:
    source = COUNT.format(root=str(ROOT), name=name)
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert int(result.stdout) < 1_000_000


# -- without the package ---------------------------------------------------------------------------

WITHOUT = """
import sys
sys.path.insert(0, {root!r})
sys.modules["python_multipart"] = None
from sigil.core.http.decoding import DEFAULT_BOUNDS
from sigil.core.http.multipart import parse_form
parse_form(b"a=1", "application/x-www-form-urlencoded", DEFAULT_BOUNDS)
try:
    parse_form(b"--a--", "multipart/form-data; boundary=a", DEFAULT_BOUNDS)
except ModuleNotFoundError as error:
    print(error)
"""


def test_without_the_package_only_a_multipart_form_needs_it_and_the_error_names_it() -> None:
    source = WITHOUT.format(root=str(ROOT))
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert result.stdout == MISSING + "\n"
