"""The other end: an HTTP client for scripts, for servers' handlers, and for asyncio.

    from sigil.client import http_get

    print(http_get("http://127.0.0.1:8080/").text)

`Client` keeps connections and cookies, and is ticked like a server; `http_get` and its kin are for
scripts. What fails raises a `ClientError`.
"""

from ..core.client.cookies import Cookie
from ..core.client.limits import ClientLimits, Timeouts, client_footprint
from ..core.client.uri import Uri
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
from ..shell.program.deferred import Deferred
from ..shell.records import document_fields

document_fields(ClientLimits, Timeouts)

__all__ = [
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
    "HttpStatusError",
    "ProtocolError",
    "ProxyError",
    "ReadTimeout",
    "RedirectError",
    "RequestBodyError",
    "RequestCancelled",
    "RequestTimeout",
    "ResolveError",
    "ResponseTooLarge",
    "Timeouts",
    "TlsError",
    "TooManyRedirects",
    "TooManyRequests",
    "Uri",
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
]
