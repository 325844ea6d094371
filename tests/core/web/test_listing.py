"""The page of a folder: nothing in a name is anything but a name."""

from hypothesis import given
from hypothesis import strategies as st

from sigil.core.web.listing import Entry, listing_page, readable_len, sort_key


def test_folders_are_first_and_numbers_count_by_their_value() -> None:
    names = ["file10", "file2", "B", "a", "file 1", "\u0663", ".x"]
    entries = [Entry(name, name == "B", 0, 0) for name in names]
    ordered = [entry.name for entry in sorted(entries, key=sort_key)]
    assert ordered[0] == "B"
    assert ordered.index("file2") < ordered.index("file10")


def test_lengths_are_readable() -> None:
    lengths = (0, 1023, 1024, 1536, 2**20, 2**30 - 1, 5 * 2**50)
    assert [readable_len(length) for length in lengths] == [
        "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 GiB", "5120.0 TiB",
    ]  # fmt: skip


def test_a_page_links_what_is_there_and_the_folder_above() -> None:
    page = listing_page("/a/", [Entry("x y&.txt", False, 5, 1), Entry("sub", True, 0, 0)])
    assert '<a href="../">../</a>' in page
    assert '<a href="./x%20y%26.txt">x y&amp;.txt</a><td>5 B<td>01 Jan 1970 00:00:01' in page
    assert page.index("./sub/") < page.index("./x%20")
    assert "../" not in listing_page("/", [])
    assert "more than these" in listing_page("/", [], is_cut=True)


@given(st.text(min_size=1).filter(lambda name: "/" not in name))
def test_no_name_is_markup_or_a_scheme(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    page = listing_page("/", [Entry(name, False, 0, 0)])
    assert page.count("<a href=") == 1
    assert page.count('<a href="./') == 1
    assert page.count("<") == listing_page("/", [Entry("a", False, 0, 0)]).count("<")


def test_a_time_that_nobody_knows_is_left_out() -> None:
    page = listing_page("/", [Entry("a.txt", False, 5, 0)])
    assert page.count("<td>5 B<td>\n") == 1 and "1970" not in page
