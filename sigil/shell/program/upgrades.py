"""What a handler has given with a WebSocket: the response for the core, and what stays here.

Theory: a response that upgrades has objects of the program in it, callbacks and a context, and what
it leaves out comes from the protocol that is agreed on. The core is given a value: which
subprotocol it is, whether long messages come in pieces, and how long they may be.

Rules: what cannot be is a sentence, for a 500. It does not know what becomes of either.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ...core.http.bodies import Upgrade, without_objects
from ...core.http.request import Request
from ...core.http.response import Response
from ...core.http.validate import check_callbacks
from .callback_table import CallbackTable
from .connection_programs import Own
from .guard import Guard
from .protocols import Protocol, choose_protocol
from .tracebacks import EXIT_EXCEPTIONS


class Unmade(NamedTuple):
    """Why no WebSocket comes of a response, for the log."""

    text: str
    error: BaseException | None = None


class Upgrades:
    """What the WebSockets of one server have in common."""

    __slots__ = ("_callbacks", "_guard", "protocols", "user")

    def __init__(self, callbacks: CallbackTable, guard: Guard) -> None:
        self._callbacks = callbacks
        self._guard = guard
        self.protocols: Sequence[Protocol] = ()
        self.user: object = None
        """What the program has given with them."""

    def prepare(
        self, request: Request, response: Response, body: Upgrade
    ) -> tuple[Response, Own] | Unmade:
        """The response as the core gets it, and what belongs to the connection."""
        problem = check_callbacks(body.callbacks)
        if problem is not None:
            return Unmade(problem)
        protocol, subprotocol, max_len = None, body.subprotocol, None
        callbacks, context = body.callbacks, body.context
        if self.protocols:
            protocol, subprotocol = choose_protocol(self.protocols, body, request)
        if protocol is not None:
            max_len = protocol.max_message_len
            callbacks = protocol.callbacks if callbacks is None else callbacks
            if context is None and protocol.initial_state is not None:
                made = self._new_state(protocol, request)
                if isinstance(made, Unmade):
                    return made
                context = made
        takes_pieces = (self._callbacks if callbacks is None else callbacks).ws_fragment is not None
        has_objects = any(made is not None for made in (callbacks, context, body.refused))
        if has_objects or takes_pieces or protocol is not None:
            value = without_objects(body, subprotocol, takes_pieces, max_len)
            response = response.replace(body=value)
        return response, Own(callbacks, context, body.refused, protocol)

    def _new_state(self, protocol: Protocol, request: Request) -> object | Unmade:
        """The state of a session that begins, or what the program has raised."""
        assert protocol.initial_state is not None
        try:
            with self._guard.user_code():
                return protocol.initial_state(request)
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            return Unmade(f"initial_state of the protocol {protocol.name} raised", error)
