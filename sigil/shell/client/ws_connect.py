"""Opening a WebSocket: `ws_connect`, whose arguments are checked here.

Rules: what is wrong with an argument is a ValueError or TypeError with a sentence, at the call. It
does not know what becomes of it: `websocket` does.
"""

from collections.abc import Iterable, Sequence

from ...core.client.limits import Timeouts
from ...core.client.websocket_handshake import UpgradeOffer, check_offer
from ...core.client.websocket_limits import (
    DEFAULT_LIMITS,
    WebSocketLimits,
    check_websocket_limits,
)
from ...core.client.websocket_retry import DEFAULT_BACKOFF, Backoff
from .client import Client
from .settings import HeadersLike, checked_headers, parse_uri
from .websocket import NO_CALLBACKS, WebSocket, WebSocketCallbacks
from .websocket_settings import WebSocketSettings

SCHEMES = ("ws", "wss", "http", "https")
NO_TIMEOUTS = Timeouts(None, None, None, None, None, None, None)
"""The handshake has one time for all its phases, `WebSocketLimits.open_timeout`."""


def ws_connect(
    url: str,
    protocols: str | Sequence[str] = (),
    origin: str | None = None,
    headers: HeadersLike = (),
    after: str | None = None,
    *,
    topics: Iterable[str] = (),
    history: int | None = None,
    reconnect: bool = True,
    compress: bool = True,
    callbacks: WebSocketCallbacks | None = None,
    client: Client | None = None,
    limits: WebSocketLimits | None = None,
    backoff: Backoff | None = None,
    verify: object = None,
    ssl_context: object = None,
    proxy: str | bool | None = None,
    proxy_verify: object = None,
) -> WebSocket:
    """A WebSocket to this address (`ws:` or `wss:`), which connects again when it is lost.

    In a script: `with ws_connect(url) as ws`, then `ws.send`, `ws.recv` and `for message in ws`.
    Under asyncio: `async with`, and the same with `await` and `async for`. With `callbacks`, and a
    `client` that somebody ticks, functions are called. The first attempt begins at once; if it
    fails, `with` and `async with` raise, and callbacks are told.

    `protocols` are the subprotocols to offer. `after` is a position of a sigil server, behind which
    it goes on, empty for from now on: then positions are asked for, and with `topics` and `history`
    in the query; None leaves the address as it is, and the WebSocket is a plain one. `compress`
    offers permessage-deflate. `verify`, `ssl_context`, `proxy` and `proxy_verify` are those of
    `Client`, by default what the client has.
    """
    uri = parse_uri(url)
    if uri.scheme not in SCHEMES:
        raise ValueError(f"a WebSocket is at ws or wss, not at {uri.scheme}")
    topics, fields = tuple(topics), checked_headers(headers)
    offered = (protocols,) if isinstance(protocols, str) else tuple(protocols)
    problem = check_offer(UpgradeOffer("", offered, compress), origin, fields)
    limits = DEFAULT_LIMITS if limits is None else limits
    problem = problem or check_websocket_limits(limits)
    if after is None and (topics or history is not None):
        after = ""
    if history is not None and (type(history) is not int or history < 0):
        problem = problem or f"history is a whole number from 0, not {history!r}"
    if problem is not None:
        raise ValueError(problem)
    owns_client = client is None
    if client is None:
        client = Client()
    settings = WebSocketSettings(
        uri=uri,
        protocols=offered,
        origin=origin,
        headers=fields,
        is_stream=after is not None,
        after=after or None,
        topics=topics,
        history=history,
        reconnects=reconnect,
        compresses=compress,
        backoff=DEFAULT_BACKOFF if backoff is None else backoff,
        limits=limits,
        options={
            "timeouts": NO_TIMEOUTS,
            "follow_redirects": False,
            "retries": 0,
            **client.route(proxy, proxy_verify, verify, ssl_context),
        },
    )
    return WebSocket(settings, client, callbacks or NO_CALLBACKS, owns_client)
