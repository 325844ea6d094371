"""How long the body of a request may be for one route.

Theory: `Limits.max_body_len` is for the whole server; a route that takes a name needs less than one
that takes a video.

Rules: a body that is longer is refused with 413, by what is declared before it is read, and by what
has come else. It does not know routes.
"""

from ..http.request import Request
from ..http.response import Response
from ..http.validate import declared_length


def refuse_long_body(request: Request, max_len: int) -> Response | None:
    """The 413 for a request whose body is longer than `max_len` bytes; None for any other."""
    length = len(request.body)
    declared = declared_length(request.headers.pairs)
    if isinstance(declared, int) and declared > length:
        length = declared
    if length <= max_len:
        return None
    return too_long(max_len)


def too_long(max_len: int) -> Response:
    """The 413 for a body that is longer than `max_len` bytes."""
    return Response.error(413, too_long_sentence(max_len))


def too_long_sentence(max_len: int) -> str:
    """What is wrong with a body that is longer than `max_len` bytes."""
    return f"the body is longer than {max_len} bytes"
