"""Names for requests, by which lines of several logs are found to be about one of them.

Theory: whoever is first to see a request names it, and all behind use that name. So a name that
comes with a request is taken, if it is one; else it is given one.

Rules: a name is up to `ID_MAX` letters, digits and marks that mean nothing in logs, shells, markup
and field values. Anything else is replaced, not repaired. It makes no names: the core has no
randomness.
"""

import re
from typing import Final

from ..http.request import Request, with_field
from ..http.response import Response
from ..http.tokens import TOKEN
from ..http.validate import safe_repr
from .fields import with_fields

ID_MAX: Final = 128
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~+/=:@\-]{0,127}")


def is_request_id(text: object) -> bool:
    """True for the name of a request."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def incoming_id(request: Request, header: str) -> str | None:
    """The name that a request came with; None if it has none, or several."""
    text = request.headers.get(header)
    return text if is_request_id(text) else None


def with_request_id(request: Request, header: str, name: str) -> Request:
    """The request under this name, which the handler finds in the field."""
    return with_field(request, header, name)


def with_id_of(request: Request, response: Response, header: str) -> Response:
    """The response with the name of its request."""
    return with_fields(response, (header, request.headers.get(header, "")))


def check_header_name(header: object) -> str | None:
    """None for the name of a field, or a sentence."""
    if isinstance(header, str) and TOKEN.fullmatch(header) is not None:
        return None
    return f"{safe_repr(header)} is not a header name"
