"""Multipart bodies, written here by hand, for whoever has to be sent one."""

from sigil.core.http.decoding import DEFAULT_BOUNDS, DecodingBounds
from sigil.core.limits import Limits

BOUNDARY = b"xYzZY"
CONTENT_TYPE = "multipart/form-data; boundary=xYzZY"
BOUNDS: DecodingBounds = DEFAULT_BOUNDS


def part(disposition: str, data: bytes = b"", *lines: str) -> bytes:
    """A part with its boundary before it: what it is, its content, and its other header lines."""
    head = "\r\n".join((f"Content-Disposition: form-data; {disposition}", *lines))
    return b"\r\n--" + BOUNDARY + b"\r\n" + head.encode() + b"\r\n\r\n" + data


def form(*parts: bytes) -> bytes:
    """A body of these parts."""
    return b"".join(parts)[2:] + b"\r\n--" + BOUNDARY + b"--\r\n" if parts else END


END = b"--" + BOUNDARY + b"--\r\n"
"""The body of a form that is empty, as browsers send it."""


def bounds(**limits: int) -> DecodingBounds:
    """The default bounds, with these limits in their places."""
    values = Limits()._replace(**limits)._asdict()  # type: ignore[arg-type]
    return DecodingBounds(**{name: values[name] for name in DecodingBounds._fields})
