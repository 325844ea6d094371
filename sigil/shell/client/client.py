"""The client that a program uses.

Theory: a client is a loop that somebody ticks, as a server is: the program itself, the server that
it is attached to, asyncio, or the client itself while a script waits. What it promises is a
`Deferred`: a handler returns it, a coroutine awaits it, a script has `run` tick until it is there.

Rules: arguments are checked at the call. A client belongs to the thread that ticks it; requests may
be made from others. What is under way when it is closed fails, with a sentence. It does not know
how a request is carried out: `sigil.core.client` does.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from ...core.client.agent import Agent
from ...core.client.cookies import Cookie, cookies_in, with_cookie
from ...core.client.events import CookiesChanged, ProxiesChanged
from ...core.client.limits import ClientLimits
from ...core.client.proxies import every_proxy
from ...core.client.requests import OutgoingRequest, RequestOptions, make_request
from ...core.client.uri import Uri
from ...core.http.headers import Pairs
from ..program.deferred import Deferred
from .bodies import Body, make_body
from .loop import ClientLoop
from .receiver import Wish
from .resolver import Lookup, look_up
from .settings import (
    UNSET,
    HeadersLike,
    ParamsLike,
    TimeoutLike,
    Unset,
    check_server,
    checked_context,
    checked_count,
    checked_headers,
    checked_limits,
    checked_proxy,
    checked_timeouts,
    checked_url,
    checked_user_agent,
    cookie_pair,
    cookie_text,
    default_proxies,
    given,
    parse_uri,
)
from .sockets import UNVERIFIED, VERIFIED
from .takeover import TakenOver

if TYPE_CHECKING:
    from ..members import Hosting
    from .asyncio_host import AsyncioHost

REFUSAL_LEN = 1_024
"""Bytes of the answer of a server that does not switch protocols."""

ROUTE_OPTIONS = ("proxy", "uses_proxy", "tls", "proxy_tls")
"""The fields of `RequestOptions` that say on what way a server is reached."""

Options = Any
"""The keywords of a request: see `Client.request`."""


class Client:
    """An HTTP client. `Client()` is ticked by whoever uses it; `Client(server=server)` along with a
    server; `async with Client() as client` by asyncio.

    The keywords are what each request has unless it says otherwise. `headers` are sent with each,
    `base_url` is what a path is below of. `timeout` is a number of seconds for a whole request, or
    a `Timeouts`. `verify` is how the certificates of servers are looked at: True, False, or an
    `SSLContext`. `proxy` is `[user:password@]host:port`, with `https://` before it for one over
    TLS, whose certificate is looked at by `proxy_verify`; False is none, and None what the
    environment names, unless `trust_env` is False. `cookies` is False to keep none.
    """

    def __init__(
        self,
        *,
        server: "Hosting | None" = None,
        base_url: str = "",
        headers: HeadersLike = (),
        timeout: TimeoutLike | Unset = UNSET,
        limits: ClientLimits | None = None,
        verify: object = True,
        ssl_context: object = None,
        proxy: str | bool | None = None,
        proxy_verify: object = True,
        trust_env: bool = True,
        cookies: bool = True,
        follow_redirects: bool = True,
        user_agent: str = "",
        lookup: Lookup = look_up,
    ) -> None:
        from ... import __version__

        check_server(server)
        self.limits = checked_limits(limits)
        self._base = parse_uri(base_url) if base_url else None
        self._fields = checked_headers(headers)
        timeouts = checked_timeouts(timeout)
        tls = checked_context(verify, ssl_context)
        proxy_tls = checked_context(proxy_verify, None)
        proxies = default_proxies(proxy, trust_env)
        agent = checked_user_agent(user_agent) or f"sigil/{__version__}"
        self._loop = ClientLoop(self.limits, agent, proxies, lookup)
        self._host: AsyncioHost | None = None
        self._server = server
        self._options = RequestOptions(
            timeouts=timeouts,
            follow_redirects=follow_redirects,
            max_redirects=self.limits.max_redirects,
            retries=self.limits.max_retries,
            uses_cookies=cookies,
            tls=self._number_of(tls),
            proxy_tls=self._number_of(proxy_tls),
        )
        if server is not None:
            try:
                server.attach(self)
            except BaseException:
                self._loop.close()
                raise

    # -- requests ----------------------------------------------------------------------------------

    def get(self, url: str | Uri, **options: Options) -> Deferred:
        """A `Deferred` of the response to a GET; the keywords are those of `request`."""
        return self.request("GET", url, **options)

    def head(self, url: str | Uri, **options: Options) -> Deferred:
        """A `Deferred` of the response to a HEAD; the keywords are those of `request`."""
        return self.request("HEAD", url, **options)

    def options(self, url: str | Uri, **options: Options) -> Deferred:
        """A `Deferred` of the response to an OPTIONS; the keywords are those of `request`."""
        return self.request("OPTIONS", url, **options)

    def post(self, url: str | Uri, body: object = None, **options: Options) -> Deferred:
        """A `Deferred` of the response to a POST; the keywords are those of `request`."""
        return self.request("POST", url, body=body, **options)

    def put(self, url: str | Uri, body: object = None, **options: Options) -> Deferred:
        """A `Deferred` of the response to a PUT; the keywords are those of `request`."""
        return self.request("PUT", url, body=body, **options)

    def patch(self, url: str | Uri, body: object = None, **options: Options) -> Deferred:
        """A `Deferred` of the response to a PATCH; the keywords are those of `request`."""
        return self.request("PATCH", url, body=body, **options)

    def delete(self, url: str | Uri, **options: Options) -> Deferred:
        """A `Deferred` of the response to a DELETE; the keywords are those of `request`."""
        return self.request("DELETE", url, **options)

    def request(
        self,
        method: str,
        url: str | Uri,
        *,
        params: ParamsLike | None = None,
        headers: HeadersLike = (),
        body: object = None,
        data: object = None,
        json: object = None,
        form: object = None,
        timeout: TimeoutLike | Unset = UNSET,
        follow_redirects: bool | None = None,
        max_redirects: int | None = None,
        allow_downgrade: bool = False,
        retries: int | None = None,
        retry_after: bool = False,
        cookies: object = None,
        proxy: str | bool | None = None,
        proxy_verify: object = None,
        verify: object = None,
        ssl_context: object = None,
        stream: bool = False,
        on_body: Callable[[bytes], object] | None = None,
        max_response_len: int | None = None,
    ) -> Deferred:
        """A `Deferred` of the `ClientResponse` to a request; it fails with a `ClientError`.

        The body is `body` (or `data`): bytes, str, a file, or an iterable of bytes; or `json`, or
        `form`. With `stream` the response is there with its head, and its body is taken in pieces;
        with `on_body` each piece is given to that function, and the response is there at the end:
        if it returns a `Deferred`, no more is read until that is resolved. `retry_after` waits and
        tries again where a 429 or 503 asks for that.
        """
        if not isinstance(method, str):
            raise TypeError(f"a method is a str, not {type(method).__name__}")
        if body is not None and data is not None:
            raise TypeError("body and data are two names of one thing")
        if on_body is not None and (stream or not callable(on_body)):
            raise TypeError("on_body is a function of bytes, and not for a streamed response")
        for name, given_count in (
            ("max_redirects", max_redirects),
            ("retries", retries),
            ("max_response_len", max_response_len),
        ):
            checked_count(name, given_count)
        sent = make_body(data if body is None else body, json, form)
        old = self._options
        options = old._replace(
            timeouts=checked_timeouts(timeout, old.timeouts),
            follow_redirects=given(follow_redirects, old.follow_redirects),
            max_redirects=given(max_redirects, old.max_redirects),
            may_downgrade=allow_downgrade,
            retries=given(retries, old.retries),
            waits_as_asked=retry_after,
            is_streamed=stream or on_body is not None or max_response_len is not None,
            uses_cookies=old.uses_cookies and cookies is not False,
            cookies=cookie_text(cookies),
        )
        options = self._with_route(options, proxy, proxy_verify, verify, ssl_context)
        uri = checked_url(url, self._base, params)
        outgoing = self.prepare(method, uri, checked_headers(headers), sent, options)
        return self.send(outgoing, sent, Wish(stream, on_body, max_response_len))

    def _with_route(
        self,
        options: RequestOptions,
        proxy: object,
        proxy_verify: object,
        verify: object,
        context: object,
    ) -> RequestOptions:
        """The options with the proxy, and the ways to do TLS, of one request."""
        if proxy_verify is not None:
            number = self._number_of(checked_context(proxy_verify, None))
            options = options._replace(proxy_tls=number)
        if proxy is False:
            options = options._replace(uses_proxy=False)
        elif proxy is not None:
            options = options._replace(proxy=checked_proxy(proxy))
        if verify is None and context is None:
            return options
        return options._replace(tls=self._number_of(checked_context(verify, context)))

    def route(
        self, proxy: object, proxy_verify: object, verify: object, ssl_context: object
    ) -> dict[str, Any]:
        """The fields of `RequestOptions` for the proxy, and the ways to do TLS, of a WebSocket."""
        options = self._with_route(self._options, proxy, proxy_verify, verify, ssl_context)
        return {name: getattr(options, name) for name in ROUTE_OPTIONS}

    def _number_of(self, tls: object) -> int:
        """The loop's number for a way to do TLS."""
        if tls is True:
            return VERIFIED
        return UNVERIFIED if tls is False else self._loop.sockets.register_context(tls)  # type: ignore[arg-type]

    def prepare(
        self, method: str, uri: Uri, fields: Pairs, body: Body, options: RequestOptions
    ) -> OutgoingRequest:
        """The request that is to be sent; ValueError, with a sentence, for what cannot be."""
        if uri.scheme in ("ws", "wss") and not options.upgrade:
            raise ValueError(f"{uri.shown} is a WebSocket: it is opened with ws_connect")
        given = {name.lower() for name, _ in fields}
        fields = (*[pair for pair in self._fields if pair[0].lower() not in given], *fields)
        if body.content_type and "content-type" not in {name.lower() for name, _ in fields}:
            fields = (("Content-Type", body.content_type), *fields)
        request = make_request(
            method, uri, fields, body.data, body.length, body.can_rewind, options
        )
        if isinstance(request, str):
            raise ValueError(request)
        return request

    def send(self, outgoing: OutgoingRequest, body: Body, wish: Wish) -> Deferred:
        """A `Deferred` of the response to a request that was prepared."""
        self._be_hosted()
        return self._loop.submit(outgoing, body, wish).deferred

    def upgrade(
        self, uri: Uri, fields: Pairs, name: str, protocol: TakenOver, **changes: Any
    ) -> Deferred:
        """A `Deferred` of `protocol`, when it has the connection, or of the `ClientResponse` of a
        server that has not switched to the protocol of this name. `changes` are fields of
        `RequestOptions`. For protocols (`sigil.core.client.connection`).
        """
        options = self._options._replace(upgrade=name, **changes)
        given = (("Connection", "Upgrade"), ("Upgrade", name), *fields)
        body = make_body()
        outgoing = self.prepare("GET", uri, given, body, options)
        return self.send(outgoing, body, Wish(protocol=protocol, first_len=REFUSAL_LEN))

    # -- waiting -----------------------------------------------------------------------------------

    def run(self, deferred: Deferred) -> Any:
        """What a `Deferred` comes to, waited for: ticks the client until it is there, or raises
        what it fails with. For scripts, where nobody else ticks.
        """
        results: list[object] = []
        deferred.when_resolved(results.append)
        try:
            while not results:
                self._loop.wait()
        except BaseException:
            deferred.cancel()
            raise
        result = deferred.apply(results[0])
        if isinstance(result, Deferred):
            return self.run(result)
        if isinstance(result, BaseException):
            raise result
        return result

    def tick(self, timeout: float | None = 0.0) -> bool:
        """Wait up to `timeout` seconds (None: as long as it takes) for something to do, and do it.
        True if there was anything.
        """
        return self._loop.tick(timeout)

    def fileno(self) -> int:
        """The descriptor that is readable while a tick has something to do."""
        return self._loop.fileno()

    def next_deadline(self) -> float | None:
        """When a tick is needed though nothing is ready, on `time.monotonic()`; None if never."""
        return self._loop.next_deadline()

    def wake(self) -> None:
        """End the wait of a tick, from whatever thread."""
        self._loop.wake()

    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        """Call a function on the thread that ticks, in its next tick; from whatever thread."""
        self._loop.call_soon(lambda: function(*args))

    # -- questions ---------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """True until the client is closed."""
        return not self._loop.is_closed

    @property
    def is_hosted(self) -> bool:
        """True if asyncio, or a server, ticks it."""
        return self._host is not None or self._server is not None

    @property
    def loop(self) -> ClientLoop:
        """What carries out requests. For protocols."""
        return self._loop

    @property
    def state(self) -> Agent:
        """All that the client knows, as a value."""
        return self._loop.agent

    @property
    def cookies(self) -> tuple[Cookie, ...]:
        """The cookies that are kept."""
        return cookies_in(self._loop.agent.jar)

    def set_cookie(self, cookie: Cookie) -> None:
        """Keep a cookie as if a server had set it; ValueError for one that cannot be sent."""
        cookie_pair(cookie.name, cookie.value)
        agent = self._loop.agent
        jar = with_cookie(agent.jar, cookie, agent.unix_time, self.limits)
        self._loop.report(CookiesChanged(jar))

    def clear_cookies(self) -> None:
        """Forget all cookies."""
        self._loop.report(CookiesChanged(self._loop.agent.jar.replace(by_domain={}, count=0)))

    def set_proxy(self, address: str) -> int:
        """0; requests that are made from now on go through the proxy at this address,
        `[user:password@]host:port`, or through none if it is empty. ValueError for what is none.
        """
        proxies = every_proxy(checked_proxy(address)) if address else default_proxies(False, False)
        self._loop.report(ProxiesChanged(proxies))
        return 0

    # -- life --------------------------------------------------------------------------------------

    def _be_hosted(self) -> None:
        """Have the asyncio loop that runs here tick the client, unless somebody does."""
        if self._server is not None:
            return
        if self._host is not None and self._host.is_over:
            self._host.end()
            self._host = None
        if self._host is None:
            from .asyncio_host import begin_here

            self._host = begin_here(self._loop)

    def _set_before_close(self, function: Callable[[], object] | None) -> None:
        """Have this called when the descriptor is about to be closed; for a host loop."""
        self._loop.before_close = function

    def close(self) -> None:
        """End all that is under way, and close everything; twice is once."""
        if self._server is not None and self.running:
            self._server.detach(self)
        if self._host is not None:
            self._host.end()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        self._be_hosted()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        agent = self._loop.agent
        state = "open" if self.running else "closed"
        return (
            f"<Client {state}: {len(agent.calls)} requests, {agent.connection_count} connections>"
        )
