"""What is in a text of HTML, as a parser reads it: its elements, its attributes, its texts."""

from html.parser import HTMLParser


class _Reader(HTMLParser):
    """Collects all that a parser finds."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if not self.tags or self.tags[-1] != "style" or not data.startswith("\n.sigil"):
            self.texts.append(data)


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def tags_of(html: str) -> set[str]:
    """The names of all elements."""
    return set(_read(html).tags)


def attributes_of(html: str) -> list[tuple[str, str | None]]:
    """All attributes, with their values."""
    return _read(html).attributes


def text_of(html: str) -> str:
    """All that is shown, but for titles."""
    return "".join(_read(html).texts)
