"""HTML and SVG made of texts: elements, one style for all cards, light and dark.

Theory: a notebook shows a value as markup if it has any. Everything in it may have come from a
stranger, and it is shown in a page that is trusted. So markup is a type of its own: a text becomes
markup only by `text`, which escapes it, and elements take markup alone, so that what was not
escaped is an error of types, not of attention.

Rules: no scripts, nothing from elsewhere, no ids: two cards may stand on one page, which may be
anybody's. Colours follow the page (JupyterLab, VS Code, Sphinx), else what the reader prefers.
Widths are parts of the whole, so that 300 pixels are enough. It does not know what is shown.
"""

from collections.abc import Iterable
from html import escape
from typing import Final, NewType

Markup = NewType("Markup", str)
"""Text that is HTML already."""

TEXT_CHARS_MAX: Final = 120
"""So much of a text is shown, if nobody says how much."""


def printable(text: str, max_chars: int = TEXT_CHARS_MAX) -> str:
    """A text from outside, cut to so many characters, each of which can be printed."""
    shown = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for char in text[: max_chars + 1]
    )
    return shown if len(shown) <= max_chars else shown[: max_chars - 1] + "…"


def text(content: object, max_chars: int = TEXT_CHARS_MAX) -> Markup:
    """A text as markup: cut, and escaped."""
    return Markup(escape(printable(str(content), max_chars)))


def tag(name: str, *inner: Markup, look: str = "", style: str = "", title: str = "") -> Markup:
    """An element; `look` is its class, `title` a text that is shown when the pointer rests on it.

    `name`, `look` and `style` are ours, never a stranger's.
    """
    shown = escape(printable(title, 300)) if title else ""
    pairs = (("class", look), ("style", style), ("title", shown))
    attributes = "".join([f' {key}="{value}"' for key, value in pairs if value])
    return Markup(f"<{name}{attributes}>{''.join(inner)}</{name}>")


def joined(parts: Iterable[Markup]) -> Markup:
    """Markup behind markup."""
    return Markup("".join(parts))


def count_of(number: int, noun: str) -> str:
    """A number of things, in words: `1 client`, `2,000 clients`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def size_of(length: float) -> str:
    """A length in bytes, short: `512 B`, `1.6 MiB`."""
    unit = 0
    while length >= 1_024 and unit < len(UNITS) - 1:
        length, unit = length / 1_024, unit + 1
    return f"{length:,.0f} {UNITS[unit]}" if unit == 0 else f"{length:,.1f} {UNITS[unit]}"


def seconds_of(seconds: float) -> str:
    """A duration, short: `12 ms`, `3.4 s`, `2 h 5 min`."""
    if seconds < 1:
        return f"{1_000 * seconds:,.0f} ms"
    if seconds < 60:
        return f"{seconds:,.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60} min"


# -- the style -------------------------------------------------------------------------------------

_LIGHT: Final = (
    "--g:#fff;--t:#1f2328;--q:#59636e;--l:#d8dee4;--f:#f3f5f7;--kept:#7fb0e0;--new:#e3b341;"
    "--ok:#2c8a4b;--behind:#d9702a;--bad:#b3367a;--idle:#b9c4d0"
)
_DARK: Final = (
    "--g:#151a21;--t:#e6edf3;--q:#9da7b3;--l:#3d444d;--f:#212830;--kept:#3f78b5;--new:#d4a72c;"
    "--ok:#57ab5a;--behind:#f0883e;--bad:#e05fa4;--idle:#56616e"
)
_DARK_PAGES: Final = '[data-jp-theme-light="false"],[data-theme="dark"],.vscode-dark'
_LIGHT_PAGES: Final = '[data-jp-theme-light="true"],[data-theme="light"],.vscode-light'

STYLE: Final = f"""<style>
.sigil-card{{{_LIGHT}}}
@media(prefers-color-scheme:dark){{.sigil-card{{{_DARK}}}}}
:is({_LIGHT_PAGES}) .sigil-card{{{_LIGHT}}}
:is({_DARK_PAGES}) .sigil-card{{{_DARK}}}
.sigil-card{{background:var(--g);color:var(--t);border:1px solid var(--l);border-radius:8px;
padding:12px 14px;max-width:760px;box-sizing:border-box;overflow:hidden;text-align:left;
font:13px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}}
.sigil-card *{{box-sizing:border-box}}
.sigil-card header{{display:flex;flex-wrap:wrap;gap:2px 8px;align-items:baseline;margin-bottom:8px}}
.sigil-card b{{font-weight:650;font-size:15px}}
.sigil-card h4{{margin:12px 0 4px;font-size:12px;font-weight:600;color:var(--q);line-height:1.3}}
.sigil-card .q{{color:var(--q)}}
.sigil-card code,.sigil-card .m{{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;
background:none;color:inherit;padding:0;overflow-wrap:anywhere}}
.sigil-card .p{{border-radius:9px;padding:0 8px;font-size:11px;background:var(--f);
border:1px solid var(--l);margin-right:6px}}
.sigil-card .tiles{{display:grid;gap:6px;
grid-template-columns:repeat(auto-fill,minmax(max(108px,23%),1fr))}}
.sigil-card .tiles div{{background:var(--f);border-radius:6px;padding:5px 9px;min-width:0}}
.sigil-card .tiles span{{display:block;color:var(--q);font-size:11px}}
.sigil-card .tiles div>div{{font-size:16px;font-variant-numeric:tabular-nums;padding:0;
background:none;overflow-wrap:anywhere}}
.sigil-card .row{{display:grid;grid-template-columns:minmax(60px,30%) 1fr minmax(116px,24%);gap:8px;
align-items:center;margin:2px 0;font-size:12px}}
.sigil-card .row>*{{min-width:0;overflow-wrap:anywhere}}
.sigil-card .row>:last-child{{text-align:right;font-variant-numeric:tabular-nums}}
.sigil-card .bar{{height:9px;border-radius:5px;background:var(--f);overflow:hidden;display:flex}}
.sigil-card .bar i,.sigil-card .key i{{display:block;height:100%}}
.sigil-card .key{{display:flex;flex-wrap:wrap;gap:2px 12px;font-size:11px;color:var(--q);
margin-top:4px}}
.sigil-card .key i{{width:9px;height:9px;border-radius:2px;display:inline-block;margin-right:4px}}
.sigil-card .slots{{display:flex;flex-wrap:wrap;gap:2px}}
.sigil-card .slots i{{width:11px;height:11px;border-radius:2px;display:block}}
.sigil-card svg{{display:block;width:100%;overflow:visible}}
.sigil-card dl{{display:grid;grid-template-columns:minmax(72px,auto) 1fr;gap:1px 12px;margin:0;
font-size:12px}}
.sigil-card dt{{color:var(--q);font-weight:400}}.sigil-card dd{{margin:0;min-width:0;
overflow-wrap:anywhere}}
.sigil-card ol{{list-style:none;margin:0;padding:0;font-size:12px}}
.sigil-card ol li{{display:grid;grid-template-columns:minmax(104px,18%) 1fr;gap:8px;padding:2px 0;
border-top:1px solid var(--f);overflow-wrap:anywhere;margin:0}}
.sigil-card .kept{{background:var(--kept);fill:var(--kept)}}
.sigil-card .new{{background:var(--new);fill:var(--new)}}
.sigil-card .ok{{background:var(--ok);fill:var(--ok)}}
.sigil-card .behind{{background:var(--behind);fill:var(--behind);stroke:none}}
.sigil-card .bad{{background:var(--bad);fill:var(--bad)}}
.sigil-card .idle{{background:var(--idle);fill:var(--idle)}}
.sigil-card .free{{background:var(--f);fill:var(--f);box-shadow:inset 0 0 0 1px var(--l)}}
.sigil-card .line{{stroke:var(--q);fill:none}}.sigil-card .mark{{stroke:var(--behind);fill:none}}
.sigil-card svg text{{fill:var(--t);font:11px ui-monospace,Menlo,Consolas,monospace}}
.sigil-card svg .qt{{fill:var(--q)}}
</style>"""
"""Of all cards: it stands in each, since a card may be the only one on its page."""


# -- parts of a card -------------------------------------------------------------------------------


def card(name: str, about: Markup, *parts: Markup) -> str:
    """A card: what it is, what is said of it beside that, and its parts."""
    head = tag("header", tag("b", text(name)), about)
    return STYLE + tag("div", head, *parts, look="sigil-card")


def badge(content: object) -> Markup:
    """A word in a frame."""
    return tag("span", text(content, 40), look="p")


def quiet(content: object, max_chars: int = TEXT_CHARS_MAX) -> Markup:
    """A text beside others."""
    return tag("span", text(content, max_chars), look="q")


def code(content: object, max_chars: int = TEXT_CHARS_MAX) -> Markup:
    """A text as it is written in a program, or on the wire."""
    return tag("code", text(content, max_chars))


def heading(content: str) -> Markup:
    """The heading of a part."""
    return tag("h4", text(content))


def tiles(pairs: Iterable[tuple[str, object]]) -> Markup:
    """Figures side by side, each with its name above it."""
    return tag(
        "div",
        *[tag("div", tag("span", text(name)), tag("div", text(value))) for name, value in pairs],
        look="tiles",
    )


def fields(pairs: Iterable[tuple[str, Markup]]) -> Markup:
    """A list of names and what each is."""
    rows = [joined((tag("dt", text(name, 40)), tag("dd", value))) for name, value in pairs]
    return tag("dl", *rows)


def bar(parts: Iterable[tuple[str, float]]) -> Markup:
    """A bar of parts, each with its look and its share of the whole, which is 1."""
    shares = [
        tag("i", look=look, style=f"width:{100 * min(max(share, 0.0), 1.0):.2f}%")
        for look, share in parts
    ]
    return tag("div", *shares, look="bar")


def row(name: Markup, middle: Markup, figure: Markup, title: str = "") -> Markup:
    """A row: a name, a bar or a text, and a figure at the right."""
    return tag("div", tag("span", name), middle, tag("span", figure), look="row", title=title)


def legend(pairs: Iterable[tuple[str, str]]) -> Markup:
    """What the colours mean: a look and its meaning."""
    return tag(
        "div",
        *[tag("span", tag("i", look=look), text(meaning)) for look, meaning in pairs],
        look="key",
    )


def more_than(count: int, noun: str) -> Markup:
    """How many more there are than are shown; nothing if none."""
    return quiet(f"and {count_of(count, noun)} more") if count > 0 else Markup("")
