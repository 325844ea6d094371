"""Forms that come in pieces: what is read, where it is kept, and what is left of it."""

import errno
import gc
import os
import resource
import shutil
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.http.decoding import BadInput, DecodingBounds
from sigil.core.http.multipart import parse_form
from sigil.shell.web.form_stream import FormReader, Spool, SpooledForm
from tests.support.descriptors import count_descriptors
from tests.support.forms import BOUNDS, CONTENT_TYPE, END, bounds, form, part

MIB = 2**20
URLENCODED = "application/x-www-form-urlencoded"
FIELD, FILE = 'name="a"', 'name="f"; filename="b.bin"'


def read_form(
    reader: FormReader, body: bytes, length: int = 7
) -> tuple[SpooledForm, list[tuple[str, str, bytes]]]:
    """The form of a body that comes in pieces of this length, and its files with their content."""
    for start in range(0, len(body), length):
        reader.feed(body[start : start + length])
    form = reader.finish()
    return form, [(file.name, file.filename, file.read()) for file in form.files]


def refusal(body: bytes, kind: str = CONTENT_TYPE, within: DecodingBounds = BOUNDS) -> object:
    """Status and sentence with which a body is refused, when it is whole and when it comes."""
    with pytest.raises(BadInput) as whole:
        parse_form(body, kind, within)
    with FormReader(kind, within) as reader, pytest.raises(BadInput) as caught:
        read_form(reader, body)
    assert (caught.value.status, str(caught.value)) == (whole.value.status, str(whole.value))
    return caught.value.status


BODY = form(
    part(FIELD, "é€".encode()),
    part(FILE, b"1\r\n--xYzZ" * 50, "Content-Type: Image/PNG; x=y"),
    part('name="f"; filename=""'),
    part(FIELD, b"2"),
    part('name="g"; filename="../c"', b"3"),
)


@pytest.mark.parametrize("length", [1, 7, 64, 10_000])
@pytest.mark.parametrize("spool_len", [0, 100, 10_000])
def test_a_form_in_pieces_is_the_form_of_the_whole(length: int, spool_len: int) -> None:
    whole = parse_form(BODY, CONTENT_TYPE, BOUNDS)
    with FormReader(CONTENT_TYPE, spool_len=spool_len) as reader:
        form, files = read_form(reader, BODY, length)
        assert form.fields == whole.fields == (("a", "é€"), ("a", "2"))
        assert files == [(file.name, file.filename, file.data) for file in whole.files]
        assert [file.length for file in form.files] == [450, 1]
        assert [file.safe_filename for file in form.files] == ["b.bin", "c"]
        assert form.files[0].content_type == "image/png"
        assert form.files[0].headers == whole.files[0].headers
        assert repr(form.files[1]) == "SpooledFile('g', '../c', 1 bytes)"


@given(st.lists(st.integers(0, len(BODY)), max_size=9), st.integers(0, 600))
@settings(max_examples=50)
def test_wherever_a_form_is_cut_it_is_the_same(places: list[int], spool_len: int) -> None:
    edges = [0, *sorted(places), len(BODY)]
    with FormReader(CONTENT_TYPE, spool_len=spool_len) as reader:
        for start, end in pairwise(edges):
            reader.feed(BODY[start:end])
        form = reader.finish()
        whole = parse_form(BODY, CONTENT_TYPE, BOUNDS)
        assert form.fields == whole.fields
        assert [file.read() for file in form.files] == [file.data for file in whole.files]


def test_an_urlencoded_form_comes_in_pieces_too() -> None:
    with FormReader(URLENCODED + "; charset=utf-8") as reader:
        assert read_form(reader, b"a=1&b=%C3%A9&a=2") == (
            ((("a", "1"), ("b", "é"), ("a", "2")), ()),
            [],
        )


@pytest.mark.parametrize(
    ("body", "kind", "within", "status"),
    [
        (b"a=1&b=2", URLENCODED, bounds(max_form_fields=1), 400),
        (b"a=12", URLENCODED, bounds(max_form_len=3), 413),
        (b"a=\xff", URLENCODED, BOUNDS, 400),
        (BODY[:-4], CONTENT_TYPE, BOUNDS, 400),
        (BODY, CONTENT_TYPE, bounds(max_form_files=2), 400),
        (BODY, CONTENT_TYPE, bounds(max_form_fields=1), 400),
        (BODY, CONTENT_TYPE, bounds(max_form_len=200), 413),
        (form(part(FIELD, b"\xff")), CONTENT_TYPE, BOUNDS, 400),
        (form(part('name="_charset_"', b"x")), CONTENT_TYPE, BOUNDS, 415),
    ],
)
def test_what_is_refused_of_the_whole_is_refused_in_pieces(
    body: bytes, kind: str, within: DecodingBounds, status: int
) -> None:
    assert refusal(body, kind, within) == status


def test_what_is_no_form_is_refused_before_it_comes() -> None:
    with pytest.raises(BadInput) as caught:
        FormReader("text/plain")
    assert caught.value.status == 415
    with pytest.raises(BadInput, match="is not declared as"):
        FormReader(None)  # what the headers have of a type that is not there


def test_a_body_may_have_a_bound() -> None:
    with FormReader(CONTENT_TYPE, max_len=len(END)) as reader:
        reader.feed(END)
        with pytest.raises(BadInput, match=f"longer than {len(END)} bytes") as caught:
            reader.feed(b"x")
        assert caught.value.status == 413


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_piece_is_bytes_of_whatever_kind(kind: Any) -> None:
    with FormReader(CONTENT_TYPE) as reader:
        piece = bytearray(BODY)
        reader.feed(kind(piece))
        piece[:] = bytes(len(piece))
        assert len(reader.finish().files) == 2
    with FormReader(CONTENT_TYPE) as reader, pytest.raises(TypeError, match="is bytes, not str"):
        reader.feed("x")  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["spool_len", "max_len"])
@pytest.mark.parametrize("value", [-1, 0.5, "1"])
def test_a_length_that_makes_no_sense_is_refused_at_once(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{option} is a number of bytes, not {value!r}"):
        FormReader(CONTENT_TYPE, **{option: value})


# -- where it is kept ------------------------------------------------------------------------------


def test_up_to_the_bound_nothing_is_on_disk(tmp_path: Path) -> None:
    spool = Spool(10, tmp_path)
    spool.append(memoryview(b"x" * 10))
    assert not spool.is_on_disk
    spool.append(memoryview(b"y"))
    assert spool.is_on_disk
    assert (spool.read(0, 99), spool.read(9, 1), spool.length) == (b"x" * 10 + b"y", b"x", 11)
    spool.close()


def test_a_form_has_one_descriptor_however_many_files_it_has() -> None:
    body = form(*[part(FILE, b"x" * 1_000)] * 500)
    before = count_descriptors()
    with FormReader(CONTENT_TYPE, spool_len=0) as reader:
        form_read, files = read_form(reader, body, 1_000)
        assert len(form_read.files) == 500
        assert all(data == b"x" * 1_000 for _, _, data in files)
        assert count_descriptors() == before + 1
    assert count_descriptors() == before


def test_the_file_has_no_name(tmp_path: Path) -> None:
    with FormReader(CONTENT_TYPE, spool_len=0, dir=tmp_path) as reader:
        read_form(reader, BODY)
        assert list(tmp_path.iterdir()) == []


def test_a_file_is_read_as_files_are(tmp_path: Path) -> None:
    with FormReader(CONTENT_TYPE, spool_len=0) as reader:
        body = form(part(FILE, b"one\ntwo\nthree"), part('name="g"; filename="c"', b"other"))
        spooled, _ = read_form(reader, body)
        first, second = spooled.files
        first.file.seek(0)
        assert (first.file.readline(), second.file.read()) == (b"one\n", b"")
        assert first.file.read(3) == b"two"
        assert first.file.seek(-5, os.SEEK_END) == 8
        assert first.file.read() == b"three"
        with pytest.raises(ValueError, match="no position -1"):
            first.file.seek(-1)
        first.file.seek(0)
        with open(tmp_path / "copy", "wb") as target:
            shutil.copyfileobj(first.file, target)
        assert (tmp_path / "copy").read_bytes() == first.read() == b"one\ntwo\nthree"


def test_a_file_is_saved_and_overwrites_nothing_unasked(tmp_path: Path) -> None:
    with FormReader(CONTENT_TYPE, spool_len=0) as reader:
        spooled, _ = read_form(reader, form(part(FILE, b"x" * 3_000_000)), 65_536)
        place = tmp_path / spooled.files[0].safe_filename
        spooled.files[0].save(place)
        assert place.read_bytes() == b"x" * 3_000_000
        with pytest.raises(FileExistsError):
            spooled.files[0].save(place)
        spooled.files[0].save(place, overwrite=True)


# -- the end ---------------------------------------------------------------------------------------


def test_what_is_closed_is_gone_and_takes_nothing() -> None:
    reader = FormReader(CONTENT_TYPE, spool_len=0)
    spooled, _ = read_form(reader, BODY)
    reader.close()
    reader.close()
    spooled.files[0].file.seek(0)
    with pytest.raises(ValueError, match="were removed"):
        spooled.files[0].file.read()
    for call in (reader.finish, lambda: reader.feed(b"x")):
        with pytest.raises(ValueError, match="takes no more bytes"):
            call()


def test_what_is_refused_leaves_nothing_behind() -> None:
    before = count_descriptors()
    reader = FormReader(CONTENT_TYPE, bounds(max_form_files=1), spool_len=0)
    with pytest.raises(BadInput):
        read_form(reader, BODY)
    assert count_descriptors() == before
    with pytest.raises(ValueError, match="was given up"):
        reader.feed(b"")


def test_a_reader_that_is_forgotten_is_let_go() -> None:
    before = count_descriptors()
    reader = FormReader(CONTENT_TYPE, spool_len=0)
    reader.feed(BODY[:200])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del reader
        gc.collect()
    assert count_descriptors() == before


def test_a_disk_without_room_is_an_error_of_the_system_and_leaves_nothing() -> None:
    before = count_descriptors()
    reader = FormReader(CONTENT_TYPE, spool_len=100)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        with pytest.raises(OSError) as caught:
            read_form(reader, BODY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert count_descriptors() == before


def test_a_long_file_takes_no_memory() -> None:
    head, rest = part(FILE), b"\r\n" + END
    chunk = os.urandom(MIB)
    with FormReader(CONTENT_TYPE) as reader:
        reader.feed(head)
        reader.feed(chunk)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(64):
            reader.feed(chunk)
        reader.feed(rest)
        assert reader.finish().files[0].length == 65 * MIB
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4_096
