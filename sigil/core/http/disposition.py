"""Content-Disposition: whether a body is displayed or saved, and under which name (RFC 6266).

Theory: a name may have any character, a field only some: so it is given twice, once in ASCII for
what is old, and once in UTF-8, percent-encoded (RFC 8187), which all that is newer prefers.

Rules: folders are cut off, and what could end a quoted string or a line is replaced, so a name can
do nothing but be a name. It does not know files.
"""

import re
from typing import Final
from urllib.parse import quote

_NOT_PLAIN: Final = re.compile(r"[^ !#$&\'()+,\-.0-9;=@A-Z\[\]^_`a-z{}~]")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ATTR_CHARS: Final = "!#$&+-.^_`|~"
"""What RFC 8187 leaves as it is, besides letters and digits."""


def content_disposition(kind: str, name: str = "") -> str:
    """The value of Content-Disposition: `kind` is `attachment` (to be saved) or `inline`; a name
    suggests one. ValueError for another kind.
    """
    if kind not in ("attachment", "inline"):
        raise ValueError(f"a disposition is attachment or inline, not {kind!r}")
    name = _CONTROLS.sub("_", name.replace("\\", "/").rpartition("/")[2]).strip()
    if not name:
        return kind
    plain = _NOT_PLAIN.sub("_", name)
    value = f'{kind}; filename="{plain}"'
    if plain == name:
        return value
    return f"{value}; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"
