"""What is known of an upstream, for people and for health checks.

Rules: no credentials are in it. It does not know how an upstream is followed.
"""

from typing import Any, NamedTuple


class RelayStatus(NamedTuple):
    """How a relay stands with its origin.

    `is_connected`: the origin is followed now, or was lost otherwise. `has_stream`: there is
    something to be sent to clients. `position` is that of the last message, empty for none.
    `messages` were published, `gaps` told, and there were so many `connections`. `error` is why the
    last attempt failed or the last connection ended, empty while all is well.
    """

    url: str
    is_connected: bool
    has_stream: bool
    position: str
    messages: int
    gaps: int
    connections: int
    error: str

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, to be sent as JSON."""
        return self._asdict()
