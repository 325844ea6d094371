"""The page that lists a folder.

Theory: names of files are text that anybody may have chosen, so on a page they are escaped, and in
a link percent-encoded and preceded by `./`, which no scheme can begin with.

Rules: folders first, then names in the order of people (2 before 10). No script, nothing from
elsewhere; light or dark as the reader has it. It does not know the disk.
"""

import re
from collections.abc import Iterable
from html import escape
from typing import Final, NamedTuple
from urllib.parse import quote

from ..http.dates import format_date

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 52rem; padding: 0 1rem }
h1 { font-size: 1.25rem; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent);
  padding: .3rem .5rem; text-align: left }
th { font-weight: 600 }
td:first-child { overflow-wrap: anywhere }
td:nth-child(n+2), th:nth-child(n+2) { font-variant-numeric: tabular-nums; text-align: right;
  white-space: nowrap }
a { text-decoration: none } a:hover { text-decoration: underline }
@media (max-width: 40rem) { td:nth-child(3), th:nth-child(3) { display: none } }
"""
DIGITS_MAX: Final = 18
"""Digits of a number in a name by whose value it is put in order."""
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB")


class Entry(NamedTuple):
    """A name in a folder; a folder has no length. The time is in seconds since 1970, 0 if nobody
    knows it.
    """

    name: str
    is_folder: bool
    length: int
    modified: int


def readable_len(length: int) -> str:
    """A length as people read it, like `1.5 MiB`."""
    if length < 1024:
        return f"{length} B"
    amount, power = length / 1024, 0
    while amount >= 1023.95 and power + 1 < len(_UNITS):
        amount, power = amount / 1024, power + 1
    return f"{amount:.1f} {_UNITS[power]}"


def sort_key(entry: Entry) -> tuple[bool, list[tuple[bool, int, str]], str]:
    """Where an entry stands: folders first, numbers in a name by their value."""
    parts = re.findall(r"[0-9]+|[^0-9]+", entry.name.lower())
    numbers = [(not part.isdecimal(), _number(part), part) for part in parts]
    return not entry.is_folder, numbers, entry.name


def _number(part: str) -> int:
    """The value of digits, 0 for what is none, and for more digits than any count has."""
    return int(part) if part.isdecimal() and len(part) < DIGITS_MAX else 0


def listing_page(path: str, entries: Iterable[Entry], is_cut: bool = False) -> str:
    """The page of a folder at a path, decoded and with a slash at its end; `is_cut` if there are
    more entries than these.
    """
    rows = [_row("../", "../", "", "")] if path != "/" else []
    for entry in sorted(entries, key=sort_key):
        name = f"{entry.name}/" if entry.is_folder else entry.name
        length = "" if entry.is_folder else readable_len(entry.length)
        modified = format_date(entry.modified)[5:-4] if entry.modified else ""
        rows.append(_row(f"./{quote(name)}", name, length, modified))
    title = escape(path)
    note = "<p>There are more than these.</p>\n" if is_cut else ""
    table = "\n".join(rows)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n<h1>{title}</h1>\n"
        "<table>\n<tr><th>Name<th>Size<th>Modified (UTC)\n"
        f"{table}\n</table>\n{note}"
    )


def _row(link: str, name: str, length: str, modified: str) -> str:
    """One row of the table."""
    return f'<tr><td><a href="{escape(link)}">{escape(name)}</a><td>{length}<td>{modified}'
