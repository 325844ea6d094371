"""Links lead somewhere, files that are named exist, and the pages are written as pages are here.

What it is: every page is read, its fenced blocks apart.  It does not know the pages that other
people keep.
"""

import re
from pathlib import Path

from tests.docs.blocks import DOCS, FENCE, PAGES, ROOT
from tests.support.tables import of_each

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
OUTPUT = re.compile(r"^```text\n.*?^```$", re.MULTILINE | re.DOTALL)
WIDTH = 100
METAPHORS = re.compile(
    r"\b(?:hears?|heard|whispers?|farewells?|greets?|at the door|newcomers?|conversations?|"
    r"the last word|what was said|said to|told to|is told|are told|turn of the|in one turn|"
    r"in a turn|end of the turn|owed|whoever)\b"
)
"""Words for which the field has others: subscriber, message, close, accept, client, tick."""
RECORDS = DOCS / "adr"
every_page = of_each(PAGES, lambda page: str(page.relative_to(ROOT)))


def prose_of(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors_of(page: Path) -> set[str]:
    """The anchors that headings get where these pages are read."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(prose_of(page))
    }


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose_of(page)):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors_of(target), f"{link}: no such heading"


@every_page
def test_pages_name_files_that_exist_and_no_machine_paths(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:sigil|tests|docs|notebooks|\.ci)/[\w./]*)`", text):
        assert (ROOT / name).exists(), f"{name} does not exist"
    assert not re.search(r"(?<![\w.])/(?:home|root|work|Users)/", text)


@every_page
def test_lines_are_not_wider_than_a_page(page: Path) -> None:
    text = OUTPUT.sub("", page.read_text(encoding="utf-8"))
    wide = [line for line in text.splitlines() if len(line) > WIDTH]
    assert [line for line in wide if not line.startswith(("|", "python3 -m venv"))] == []


@every_page
def test_the_words_are_those_of_the_field(page: Path) -> None:
    prose = re.sub(r"`[^`]*`", "", prose_of(page))
    if page.name == "close-reasons.md":
        prose = re.sub(r"^\|.*", "", prose, flags=re.MULTILINE)  # sentences of the code
    assert METAPHORS.findall(prose) == []


def test_every_page_of_the_site_is_in_its_contents() -> None:
    listed = set()
    for page in PAGES:
        for block in FENCE.findall(page.read_text(encoding="utf-8")):
            if block[1] == "{toctree}":
                lines = [
                    line for line in block[2].splitlines() if line and not line.startswith(":")
                ]
                listed |= {
                    path.resolve() for line in lines for path in page.parent.glob(f"{line}.md")
                }
    site = {page for page in PAGES if DOCS in page.parents} - {DOCS / "index.md"}
    assert site - listed == set()


def test_the_records_of_decisions_are_numbered_and_have_the_three_parts() -> None:
    records = sorted(RECORDS.glob("0*.md"))
    numbers = [int(record.name.partition("-")[0]) for record in records]
    assert len(set(numbers)) == len(numbers), "no number is given twice"
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
            "Context",
            "Decision",
            "Consequences",
        ], record.name


@of_each(sorted((DOCS / "essays").glob("*.md")), lambda page: page.name)
def test_an_essay_asks_chooses_and_rejects(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name != "index.md":
        assert text.count("?") >= 1 and "**The question.**" in text and "**What we chose.**" in text
        assert text.partition("\n## What was rejected\n")[2].count("\n* **") >= 3
