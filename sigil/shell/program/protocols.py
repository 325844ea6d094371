"""The protocols of the WebSockets of a server, each with callbacks and a state of its own.

Theory: what a WebSocket is for is agreed on in its handshake: the client offers subprotocols, and
the server chooses one (RFC 6455 section 1.9). So the choice decides which callbacks are called, and
what `server.context(conn)` is: a new state for each session.

Rules: what a response says for itself goes before what its protocol says. A client that offers none
is given the first protocol, as libwebsockets does it; one that offers only others is given none. A
name is that of one protocol. It does not know who is connected (`connection_programs`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...core.http.bodies import Upgrade
from ...core.http.request import Request
from ...core.http.tokens import TOKEN
from ...core.http.validate import check_callbacks
from .callback_table import CallbackTable


class Protocol(NamedTuple):
    """A protocol of WebSockets, by the name of its subprotocol.

    `callbacks` are called for its connections in the place of the server's, and
    `initial_state(request)` makes what `server.context(conn)` is for each. A message of more than
    `max_message_len` bytes ends its connection with 1009, if that is less than
    `Limits.max_ws_message_len`. `id` and `user` are yours: `server.get_protocol(conn)` has them.
    """

    name: str
    callbacks: CallbackTable | None = None
    initial_state: Callable[[Request], object] | None = None
    max_message_len: int | None = None
    id: int = 0
    user: object = None


def check_protocols(protocols: object) -> str | None:
    """None for protocols that a server can have, or a sentence about the first that is wrong."""
    if isinstance(protocols, str) or not isinstance(protocols, Sequence):
        return f"protocols are a sequence of Protocol, not {type(protocols).__name__}"
    names = set[str]()
    for protocol in protocols:
        if not isinstance(protocol, Protocol):
            return f"protocols are a sequence of Protocol, not of {type(protocol).__name__}"
        problem = _check(protocol) or check_callbacks(protocol.callbacks)
        if problem is not None:
            return problem
        if protocol.name in names:
            return f"the protocol {protocol.name} is there twice"
        names.add(protocol.name)
    return None


def _check(protocol: Protocol) -> str | None:
    """None for a protocol that is one, or a sentence."""
    name, make, max_len = protocol.name, protocol.initial_state, protocol.max_message_len
    if not isinstance(name, str) or not TOKEN.fullmatch(name):
        return f"the name of a protocol is a token as in a header, not {name!r}"
    if make is not None and not callable(make):
        return f"initial_state is a function of a request, not {type(make).__name__}"
    if max_len is not None and (type(max_len) is not int or max_len < 0):
        return f"max_message_len is a number of bytes, not {max_len!r}"
    return None


def choose_protocol(
    protocols: Sequence[Protocol], body: Upgrade, request: Request
) -> tuple[Protocol | None, str | None]:
    """The protocol of a WebSocket, if any is, and the subprotocol that is agreed on."""
    by_name = {protocol.name: protocol for protocol in protocols}
    if body.subprotocol is not None:
        return by_name.get(body.subprotocol), body.subprotocol
    offered = request.subprotocols
    for name in offered:
        if name in by_name:
            return by_name[name], name
    return (None, None) if offered or not protocols else (protocols[0], None)
