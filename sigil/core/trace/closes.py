"""The ends of connections in a recording: who, when, why.

Theory: most questions about a server begin with an end that somebody did not expect. So the ends
are listed first, each with what is known of it, and each can be explained (`explain`).

Rules: times are in seconds since the recording began. It does not know why (`explain` does).
"""

from typing import Final, final

from ..close_reasons import CloseReason, close_reason_sentence
from ..conn import Conn, Peer
from ..connection.client import Client
from ..effects import CallClose, CallWsClose
from ..server.slots import find_client
from ..value import Value
from .lives import peer_in
from .states import Replayed, States


@final
class Close(Value):
    """The end of a connection: in which turn, when, of what kind it was (`http`, `websocket`,
    `event stream`, `long-poll`), why, with which close code and text if it was a WebSocket, and how
    many bytes it had received and been sent before that turn.
    """

    __match_args__ = (
        "turn", "at", "conn", "peer", "kind", "reason", "code", "text", "bytes_in", "bytes_out",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        turn: int,
        at: float,
        conn: Conn,
        peer: Peer | None,
        kind: str,
        reason: CloseReason,
        code: int,
        text: str,
        bytes_in: int,
        bytes_out: int,
    ) -> None:
        self.turn: Final = turn
        self.at: Final = at
        self.conn: Final = conn
        self.peer: Final = peer
        self.kind: Final = kind
        self.reason: Final = reason
        self.code: Final = code
        self.text: Final = text
        self.bytes_in: Final = bytes_in
        self.bytes_out: Final = bytes_out

    def __str__(self) -> str:
        who = f"connection {self.conn.generation} ({self.peer}, {self.kind})"
        why = f"{self.reason.name}: {close_reason_sentence(self.reason)}"
        return f"+{self.at:.3f} s turn {self.turn}: {who} closed, {why}"


def closes_in(states: States) -> tuple[Close, ...]:
    """All ends of connections, in order."""
    return tuple([close for step in states.walk() for close in closes_of(step, states.first.now)])


def closes_of(step: Replayed, begun_at: float) -> list[Close]:
    """The ends of connections in one turn; the recording began at this time of the server."""
    closes, codes = [], dict[Conn, tuple[int, str]]()
    for effect in step.effects:
        if type(effect) is CallWsClose:
            codes[effect.conn] = (effect.code, effect.text)
        elif type(effect) is CallClose:
            client = find_client(step.before.slots, effect.conn)
            code, text = codes.get(effect.conn, (0, ""))
            lengths = (0, 0) if client is None else (client.bytes_in, client.bytes_out)
            peer, at = peer_in(step, effect.conn), step.after.now - begun_at
            close = Close(
                step.turn.number, at, effect.conn, peer, kind_of(client), effect.reason,
                code, text, lengths[0], lengths[1],
            )  # fmt: skip
            closes.append(close)
    return closes


def kind_of(client: Client | None) -> str:
    """What a connection is used for."""
    if client is None or client.subscriber is None:
        return "http"
    if client.websocket is not None:
        return "websocket"
    return "event stream" if client.subscriber.polling is None else "long-poll"
