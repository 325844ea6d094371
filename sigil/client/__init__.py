"""The other end: an HTTP client for scripts, for servers' handlers, and for asyncio.

    from sigil.client import http_get

    print(http_get("http://127.0.0.1:8080/").text)

`Client` keeps connections and cookies, and is ticked like a server; `http_get` and its kin are for
scripts. What fails raises a `ClientError`.
"""

from ..core.client.cookies import Cookie
from ..core.client.limits import ClientLimits, Timeouts, client_footprint
from ..core.client.uri import Uri
from ..core.client.websocket_limits import WebSocketLimits
from ..core.client.websocket_positions import Gap
from ..core.client.websocket_retry import Backoff, StreamState
from ..core.send_status import SendStatus
from ..shell.client.client import Client
from ..shell.client.errors import (
    CertificateError,
    ClientClosedError,
    ClientError,
    ClientTimeout,
    ConnectError,
    ConnectionClosed,
    ConnectTimeout,
    DecodingError,
    HttpStatusError,
    ProtocolError,
    ProxyError,
    ReadTimeout,
    RedirectError,
    RequestBodyError,
    RequestCancelled,
    RequestTimeout,
    ResolveError,
    ResponseTooLarge,
    TlsError,
    TooManyRedirects,
    TooManyRequests,
    WriteTimeout,
)
from ..shell.client.functions import (
    http_delete,
    http_get,
    http_head,
    http_patch,
    http_post,
    http_put,
    http_request,
)
from ..shell.client.response import ClientResponse
from ..shell.client.settings import parse_uri, set_proxy
from ..shell.client.websocket import WebSocket, WebSocketCallbacks
from ..shell.client.websocket_async import AsyncWebSocket
from ..shell.client.websocket_errors import (
    MessageTooLarge,
    WebSocketClosed,
    WebSocketRefused,
    WebSocketTimeout,
)
from ..shell.client.ws_connect import ws_connect
from ..shell.program.deferred import Deferred
from ..shell.records import document_fields

document_fields(Backoff, ClientLimits, Timeouts, WebSocketCallbacks, WebSocketLimits)

__all__ = [
    "AsyncWebSocket",
    "Backoff",
    "CertificateError",
    "Client",
    "ClientClosedError",
    "ClientError",
    "ClientLimits",
    "ClientResponse",
    "ClientTimeout",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionClosed",
    "Cookie",
    "DecodingError",
    "Deferred",
    "Gap",
    "HttpStatusError",
    "MessageTooLarge",
    "ProtocolError",
    "ProxyError",
    "ReadTimeout",
    "RedirectError",
    "RequestBodyError",
    "RequestCancelled",
    "RequestTimeout",
    "ResolveError",
    "ResponseTooLarge",
    "SendStatus",
    "StreamState",
    "Timeouts",
    "TlsError",
    "TooManyRedirects",
    "TooManyRequests",
    "Uri",
    "WebSocket",
    "WebSocketCallbacks",
    "WebSocketClosed",
    "WebSocketLimits",
    "WebSocketRefused",
    "WebSocketTimeout",
    "WriteTimeout",
    "client_footprint",
    "http_delete",
    "http_get",
    "http_head",
    "http_patch",
    "http_post",
    "http_put",
    "http_request",
    "parse_uri",
    "set_proxy",
    "ws_connect",
]
