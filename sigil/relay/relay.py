"""A relay: what follows an origin for a server, and publishes there what comes.

Theory: a relay is a member of its server, as another server or a client may be: it is ticked along
with it. In it is a client with one WebSocket after another; what came over that in one tick is read
into facts (`core.broadcast.upstream`), and the core of the server is advanced by these. When the
connection is lost the server goes on with what it has, and the next one goes on behind it.

Rules: one attempt at a time, after delays that grow (`Backoff`), without an end: an origin that is
not there, or answers 404, may be there tomorrow. A message that is longer than the relay takes is a
gap: behind the position before it, it would come again and again. What is wrong is logged when it
begins, and when it is over. An upstream that sends no positions is followed all the same: then
those that clients are sent are the relay's own, and each loss of the connection is a gap. It does
not know what the server answers its clients.
"""

import logging
import os
import random
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

from ..client import Client, ClientError, MessageTooLarge, parse_uri
from ..core.broadcast.upstream import (
    Following,
    UpstreamEvent,
    UpstreamJoined,
    UpstreamPublished,
    make_following,
    passed_over,
    position_of,
    read_messages,
    reconnected,
)
from ..core.client.uri import Uri
from ..core.client.websocket_limits import WebSocketLimits
from ..core.client.websocket_positions import stream_target
from ..core.client.websocket_retry import DEFAULT_BACKOFF, Backoff
from ..core.effects import SERVER_LOG
from ..core.http.request import Request
from ..core.http.response import Response
from ..shell.client.settings import HeadersLike, checked_headers
from ..shell.client.websocket_settings import (
    check_handshake,
    checked_backoff,
    checked_history,
    checked_limits,
    checked_texts,
)
from ..shell.server import HttpServer
from .links import names_in, remembered, via_of
from .status import RelayStatus

_LOG = logging.getLogger(SERVER_LOG)

RELAY_QUERY = "sigil-relay=1"
MESSAGE_LEN_MAX = 2**26
"""Bytes of a message of the origin, at most, which are held once. One that is longer is a gap, and
so is one that does not fit on the ring of the edge.
"""
RETRY_AFTER = "1"
"""Seconds after which a client is to ask again, while there is no stream yet."""

Headers = Iterable[tuple[str, str]]


class Connection(Protocol):
    """A connection to an origin."""

    def close(self) -> object:
        """Close it."""


class Observer(Protocol):
    """Who is told what comes of a connection."""

    def opened(self) -> None:
        """The origin has accepted it."""

    def received(self, message: str | bytes) -> None:
        """A message has come."""

    def refused(self) -> None:
        """A message that comes next is longer than is taken; `ended` follows."""

    def ended(self, why: str) -> None:
        """It is over, or did not come about."""


Connect = Callable[[Client, str, Headers, Observer], Connection]
"""What connects to an origin: with this client, at this address, with these fields."""


class Relay:
    """What follows an origin for a server; made by `relay`."""

    def __init__(
        self,
        server: HttpServer,
        url: str,
        *,
        topics: str | Iterable[str] = (),
        history: int | None = None,
        headers: HeadersLike = (),
        backoff: Backoff = DEFAULT_BACKOFF,
        verify: object = True,
        ssl_context: object = None,
        proxy: str | bool | None = None,
        max_message_len: int = MESSAGE_LEN_MAX,
        connect: Connect | None = None,
    ) -> None:
        self._uri = _checked(url)
        self._server = _checked_server(server)
        self._topics, self._history = checked_texts("topics", topics), checked_history(history)
        self._headers = checked_headers(headers)
        check_handshake((), None, self._headers)
        self._backoff = checked_backoff(backoff)
        own = WebSocketLimits(max_message_len=max_message_len)
        self._connect = connect or partial(connect_by_websocket, limits=checked_limits(own))
        self._name = os.urandom(8).hex()
        self._others: tuple[str, ...] = ()
        limits = server.state.limits
        self._following: Following = make_following(limits, time.time_ns() // 1_000)
        self._received: list[str | bytes] = []
        self._connection: Connection | None = None
        self._attempt: _Attempt | None = None
        self._retry_at: float | None = time.monotonic()
        self._opened_at: float | None = None
        self._failures = 0
        self._has_begun = False
        self._has_stream = False
        self._messages = self._gaps = self._connections = 0
        self._error = ""
        self.running = True
        self._client = Client(
            server=self,  # type: ignore[arg-type]  # it is ticked in the tick of the relay
            verify=verify,
            ssl_context=ssl_context,
            proxy=proxy,
        )
        try:
            server.attach(self)
        except BaseException:
            self._client.close()
            raise

    # -- as a member of its server -----------------------------------------------------------------

    def attach(self, client: Client) -> None:
        """The client is ticked along."""

    def detach(self, client: Client) -> None:
        """The client is closed."""

    def fileno(self) -> int:
        """The descriptor that is readable while a tick has something to do."""
        return self._client.fileno()

    def next_deadline(self) -> float | None:
        """When a tick is needed though nothing is ready, on `time.monotonic()`; None if never."""
        deadlines = [self._client.next_deadline(), self._retry_at]
        return min([at for at in deadlines if at is not None], default=None)

    def tick(self, timeout: float = 0.0) -> bool:
        """Connect if it is time, take what has come and publish it; True if there was anything."""
        has_work = self._client.tick(timeout) if self.running else False
        if self._retry_at is not None and time.monotonic() >= self._retry_at and self.running:
            self._retry_at = None
            self._start()
            has_work = True
        return self._publish() or has_work

    # -- questions ---------------------------------------------------------------------------------

    @property
    def status(self) -> RelayStatus:
        """How the relay stands with its origin."""
        return RelayStatus(
            url=self._uri.shown,
            is_connected=self._has_begun,
            has_stream=self._has_stream,
            position=position_of(self._following),
            messages=self._messages,
            gaps=self._gaps,
            connections=self._connections,
            error=self._error,
        )

    def refusal(self, request: Request) -> Response | None:
        """What a request for the stream is answered with if it cannot have it: 508 for one that
        comes from this relay itself, by way of others perhaps; 503 while the origin has not been
        reached yet. Else None. For handlers.
        """
        names = names_in(request.headers.get("via", ""))
        if self._name in names:
            return Response.error(508, "this relay follows itself")
        self._others = remembered(self._others, names)
        if self._has_stream:
            return None
        headers = (("Retry-After", RETRY_AFTER),)
        return Response.error(503, "the origin has not been reached yet", headers=headers)

    def close(self) -> None:
        """Follow the origin no more; twice is once. The server keeps what it has."""
        if not self.running:
            return
        self.running, self._retry_at, self._attempt = False, None, None
        if self._connection is not None:
            self._connection.close()
        self._server.detach(self)
        self._client.close()

    # -- one connection after another --------------------------------------------------------------

    def _start(self) -> None:
        """Connect, behind the position that was reached."""
        self._following = reconnected(self._following)
        after = position_of(self._following)
        history = None if after else self._history
        target = self._uri.path + (f"?{self._uri.query}" if self._uri.query else "")
        target = stream_target(target, self._topics, history, after)
        url = f"{self._uri.scheme}://{_authority(self._uri)}{target}&{RELAY_QUERY}"
        via = "Via", via_of((self._name, *self._others))
        self._attempt = attempt = _Attempt(self)
        self._connections += 1
        try:
            self._connection = self._connect(self._client, url, (*self._headers, via), attempt)
        except (ClientError, OSError, ValueError) as error:
            attempt.ended(str(error))

    def opened(self, attempt: "_Attempt") -> None:
        """A connection was accepted."""
        if attempt is self._attempt:
            self._opened_at = time.monotonic()

    def received(self, attempt: "_Attempt", message: str | bytes) -> None:
        """A message has come."""
        if attempt is self._attempt:
            self._received.append(message)

    def refused(self, attempt: "_Attempt") -> None:
        """A message is longer than is taken: the stream goes on behind it, with a gap."""
        if attempt is not self._attempt:
            return
        self._publish()
        self._following, gap = passed_over(self._following)
        if gap is not None:
            self._server._publish_upstream([gap])
            self._count(gap)

    def ended(self, attempt: "_Attempt", why: str) -> None:
        """A connection is over: what came over it is published, and the next one is due."""
        if attempt is not self._attempt:
            return
        self._publish()
        now = time.monotonic()
        if self._opened_at is not None and now - self._opened_at >= self._backoff.steady:
            self._failures = 0
        bound = min(
            self._backoff.maximum, self._backoff.first * self._backoff.factor**self._failures
        )
        delay = random.random() * bound
        self._failures = min(self._failures + 1, 64)
        self._connection = self._attempt = self._opened_at = None
        self._retry_at = now + delay
        was_connected, self._has_begun = self._has_begun, False
        if why != self._error or was_connected:
            state = "is lost" if was_connected else "cannot be followed"
            _LOG.warning("%s %s: %s; trying again", self._uri.shown, state, why)
        self._error = why

    # -- what came ---------------------------------------------------------------------------------

    def _publish(self) -> bool:
        """Publish what has come; True if anything has."""
        if not self._received:
            return False
        messages, self._received = self._received, []
        before = self._following
        self._following, events = read_messages(before, messages)
        self._server._publish_upstream(events)
        for event in events:
            self._count(event)
        if self._following.has_started and not self._has_begun:
            self._begin()
        return True

    def _count(self, event: UpstreamEvent) -> None:
        """Count what was published, and log a gap."""
        if isinstance(event, UpstreamPublished):
            self._messages += len(event.messages)
        elif isinstance(event, UpstreamJoined):
            if self._has_stream:
                self._gaps += 1
                _LOG.warning(
                    "a gap: %s goes on at %d-%d", self._uri.shown, event.epoch, event.number
                )
            self._has_stream = True

    def _begin(self) -> None:
        """The origin has sent where its stream is."""
        self._has_begun, self._error = True, ""
        if self._following.is_numbered_here:
            text = "it sends no positions, so they are this relay's, and a loss of it is a gap"
            _LOG.warning("following %s: %s", self._uri.shown, text)
        else:
            _LOG.info("following %s from %s", self._uri.shown, position_of(self._following))

    def __repr__(self) -> str:
        state = "following" if self._has_begun else "waiting for"
        return f"<Relay {state} {self._uri.shown}>"


class _Attempt:
    """One connection of a relay, or the attempt of one."""

    __slots__ = ("_relay",)

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def opened(self) -> None:
        """The origin has accepted it."""
        self._relay.opened(self)

    def received(self, message: str | bytes) -> None:
        """A message has come."""
        self._relay.received(self, message)

    def refused(self) -> None:
        """A message that comes next is longer than is taken."""
        self._relay.refused(self)

    def ended(self, why: str) -> None:
        """It is over, or did not come about."""
        self._relay.ended(self, why)


def _checked(url: str) -> Uri:
    """The parts of the address of an origin; ValueError, with a sentence, for what is none."""
    uri = parse_uri(url)
    if uri.scheme not in ("ws", "wss"):
        raise ValueError(f"an origin is followed over ws or wss, not over {uri.scheme}")
    return uri


def _checked_server(server: HttpServer) -> HttpServer:
    """The server of a relay. TypeError for what is none, RuntimeError for one that another thread
    serves, or that follows an origin already: there would be two streams in one.
    """
    if not isinstance(server, HttpServer):
        raise TypeError(f"a relay is of an HttpServer, not of {type(server).__name__}")
    if any(isinstance(member, Relay) for member in server.members):
        raise RuntimeError("this server follows an origin already: close that relay first")
    if server._is_served_elsewhere():
        raise RuntimeError(
            "relay() was called while another thread serves: use "
            "server.call_soon(relay, server, url)"
        )
    return server


def _authority(uri: Uri) -> str:
    """The host, the port and the credentials of an address."""
    user = f"{uri.userinfo}@" if uri.userinfo else ""
    return user + uri.host_field


def connect_by_websocket(
    client: Client,
    url: str,
    headers: Headers,
    observer: Observer,
    limits: WebSocketLimits,
) -> Connection:
    """A WebSocket to an origin, which is not opened again when it is lost."""
    from ..client import WebSocketCallbacks, ws_connect

    reasons: list[str] = []

    def failed(ws: Any, error: BaseException) -> None:
        reasons[:] = [str(error)]
        if isinstance(error, MessageTooLarge):
            observer.refused()

    def closed(ws: Any, code: int, reason: str, retry_after: float | None) -> None:
        ending = f"closed with {code}" + (f": {reason}" if reason else "")
        observer.ended(reasons[0] if reasons else ending)

    callbacks = WebSocketCallbacks(
        open=lambda ws: observer.opened(),
        message=lambda ws, data: observer.received(data),
        error=failed,
        close=closed,
    )
    return ws_connect(
        url,
        headers=headers,
        client=client,
        callbacks=callbacks,
        reconnect=False,
        limits=limits,
    )


def relay(server: HttpServer, url: str, **options: Any) -> Relay:
    """Make an edge of a server: from its next tick on it publishes what the origin at this address
    (`ws:` or `wss:`) does, with the positions of the origin. What the program broadcasts is
    `DROPPED` from then on.

    `topics` and `history` are asked for in the query, as `ws_connect` does; `headers` are sent with
    the handshake, and `verify`, `ssl_context` and `proxy` are those of `Client`. `backoff` has the
    delays between attempts. A message of more than `max_message_len` bytes is a gap. On the thread
    that ticks. ValueError or TypeError for what makes no sense, RuntimeError for a server that
    follows an origin already.
    """
    return Relay(server, url, **options)
