"""Letting go of results that came too late: nobody will send them, but what they hold has an end.

Theory: a response may hold a stream, an open file, or a WebSocket that is refused now. Whoever made
them expects to be told.

Rules: what has no end of its own is dropped. It does not know why nobody waits.
"""

from ...core.http.bodies import FileBody, StreamedBody, Upgrade
from ...core.http.response import Response
from .body_sources import Spawn, close_iterator
from .connection_programs import call_refused
from .jobs import LateResult


def discard(item: object, spawn: Spawn | None = None) -> None:
    """Close the stream of a late result that nobody will take; nothing else needs an end."""
    if isinstance(item, LateResult) and issubclass(type(item.result), Response):
        body = item.result.body  # type: ignore[attr-defined]  # a response has one
        if issubclass(type(body), StreamedBody):
            close_iterator(body.chunks, spawn)
        elif issubclass(type(body), FileBody) and hasattr(body.file, "close"):
            body.file.close()
        elif issubclass(type(body), Upgrade) and body.refused is not None:
            call_refused(body.refused)
