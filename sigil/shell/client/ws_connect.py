"""Opening a WebSocket: `ws_connect`, whose arguments are checked here.

Rules: what is wrong with an argument is a ValueError or TypeError with a sentence, at the call. It
does not know what becomes of it: `websocket` does.
"""

from collections.abc import Iterable, Sequence

from ...core.client.limits import Timeouts
from ...core.client.websocket_limits import WebSocketLimits
from ...core.client.websocket_retry import Backoff
from .client import Client
from .settings import HeadersLike, checked_headers, parse_uri
from .websocket import NO_CALLBACKS, WebSocket, WebSocketCallbacks
from .websocket_settings import (
    WebSocketSettings,
    check_handshake,
    checked_backoff,
    checked_history,
    checked_limits,
    checked_text,
    checked_texts,
)

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
    topics: str | Iterable[str] = (),
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
    offered, fields = checked_texts("protocols", protocols), checked_headers(headers)
    names, history = checked_texts("topics", topics), checked_history(history)
    for name, text in (("origin", origin), ("after", after)):
        if text is not None:
            checked_text(name, text)
    check_handshake(offered, origin, fields)
    limits, backoff = checked_limits(limits), checked_backoff(backoff)
    callbacks = _checked_callbacks(callbacks)
    owns_client, client = client is None, _checked_client(client)
    if after is None and (names or history is not None):
        after = ""
    settings = WebSocketSettings(
        uri=uri,
        protocols=offered,
        origin=origin,
        headers=fields,
        is_stream=after is not None,
        after=after or None,
        topics=names,
        history=history,
        reconnects=reconnect,
        compresses=compress,
        backoff=backoff,
        limits=limits,
        options={"timeouts": NO_TIMEOUTS, "follow_redirects": False, "retries": 0},
    )
    try:
        way = client.route(proxy, proxy_verify, verify, ssl_context)
    except BaseException:
        if owns_client:
            client.close()
        raise
    settings = settings._replace(options={**settings.options, **way})
    return WebSocket(settings, client, callbacks, owns_client)


def _checked_callbacks(callbacks: object) -> WebSocketCallbacks:
    """The callbacks of a program; TypeError for what are none."""
    if callbacks is None:
        return NO_CALLBACKS
    if not isinstance(callbacks, WebSocketCallbacks):
        raise TypeError(f"callbacks is a WebSocketCallbacks, not {type(callbacks).__name__}")
    for name, function in callbacks._asdict().items():
        if function is not None and not callable(function):
            raise TypeError(f"the callback {name} is a function, not {type(function).__name__}")
    return callbacks


def _checked_client(client: object) -> Client:
    """The client of a program, or one for this WebSocket alone; TypeError for what is none."""
    if client is None:
        return Client()
    if not isinstance(client, Client):
        raise TypeError(f"client is a Client, not {type(client).__name__}")
    return client
