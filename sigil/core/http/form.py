"""What a form holds: its text fields, and the files that were sent with it.

Theory: a form is a list of entries (WHATWG XMLHttpRequest, `FormData`), each a name with a text or
with a file. The two are kept apart here, each in the order in which they came, since nobody who
wants the one knows what to do with the other.

Rules: what a client says about a file (its name, its type) is given as it was sent, and nothing of
it may be believed: `safe_filename` is what a name may be used for. It does not know how a form is
written (`multipart`).
"""

import re
from typing import Final, final

from ..value import Value
from .decoding import BadInput
from .headers import Headers, Pairs

FILENAME_LEN_MAX: Final = 255
"""Bytes of a file's name in UTF-8, as most file systems have it."""

_HIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffd]")
"""Characters that a name is better without: controls, and what changes the order of those shown."""
_SPECIAL: Final = re.compile(r'[:*?"<>|]')
"""Characters that mean something to a file system or a shell."""
_DEVICE: Final = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\xb9\xb2\xb3]) *(?:\.|\Z)", re.IGNORECASE
)
"""Names that are devices wherever they stand, for one system, whatever suffix they have; to that a
blank before it is nothing, and a superscript digit a digit.
"""
NAMELESS: Final = "file"
"""The name of a file that has none."""


@final
class FormFile(Value):
    """A file that was sent with a form.

    `name` is that of the field, `filename` that of the file as it was sent, both decoded from
    UTF-8; `content_type` is the media type that the client has declared, lower-case and without
    parameters, or empty; `headers` are those of the part of the form; `data` is the content.
    """

    __match_args__ = ("name", "filename", "content_type", "headers", "data")
    __slots__ = __match_args__

    def __init__(
        self, name: str, filename: str, content_type: str, headers: Headers, data: bytes
    ) -> None:
        self.name: Final = name
        self.filename: Final = filename
        self.content_type: Final = content_type
        self.headers: Final = headers
        self.data: Final = data

    @property
    def safe_filename(self) -> str:
        """`safe_filename(filename)`: a name for a file in a folder of yours."""
        return safe_filename(self.filename)

    def text(self) -> str:
        """The content as UTF-8; `BadInput` if it is not."""
        try:
            return self.data.decode()
        except UnicodeDecodeError as error:
            raise BadInput(f"the file of the field {self.name!r} is not UTF-8") from error


@final
class Form(Value):
    """A form: `fields` are (name, text) pairs and `files` are `FormFile`, both in order."""

    __match_args__ = ("fields", "files")
    __slots__ = __match_args__

    def __init__(self, fields: Pairs, files: tuple[FormFile, ...]) -> None:
        self.fields: Final = fields
        self.files: Final = files


def safe_filename(filename: str) -> str:
    """A name that may be given to a file: what stands behind the last slash or backslash, without
    control characters, without dots at its beginning, and never empty.

    What means something to a file system (`:*?"<>|`, the names of devices) is replaced, and it is
    cut to 255 bytes of UTF-8 before its last suffix. Two files may have the same: it is the folder
    that has to be asked whether the name is free.
    """
    behind_folders = max(filename.rfind("/"), filename.rfind("\\")) + 1
    name = _HIDDEN.sub("", filename[behind_folders:])
    name = _SPECIAL.sub("_", name).lstrip(". ").rstrip(". ")
    if not name:
        return NAMELESS
    if _DEVICE.match(name) is not None:
        name = f"_{name}"
    if len(name.encode("utf-8", "replace")) <= FILENAME_LEN_MAX:
        return name
    return _cut(name)


def _cut(name: str) -> str:
    """A long name, cut before its suffix."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode("utf-8", "replace")) > FILENAME_LEN_MAX // 4:
        stem, dot, suffix = name, "", ""
    room = FILENAME_LEN_MAX - len((dot + suffix).encode("utf-8", "replace"))
    kept = stem.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    return f"{kept.rstrip('. ')}{dot}{suffix}"
