"""The client's core, driven by hand: an agent, its clock, and the effects that it has ordered.

Theory: a test of the fold is a short story of events; what it looks at are the effects of the last
of them. Rules: nothing is hidden but the numbers of requests. It does not know sockets.
"""

from typing import TypeVar

from sigil.core.client.agent import Agent, make_agent
from sigil.core.client.connection import Connection
from sigil.core.client.effects import ClientEffect, SendData
from sigil.core.client.events import ClientEvent, RequestMade
from sigil.core.client.fold import advance
from sigil.core.client.limits import DEFAULT_LIMITS, ClientLimits
from sigil.core.client.proxies import NO_PROXIES, Proxies
from sigil.core.client.requests import (
    DEFAULT_OPTIONS,
    OutgoingRequest,
    RequestOptions,
    make_request,
)
from sigil.core.client.uri import Uri, split_uri
from sigil.core.events import InputRead, TimeRead
from sigil.core.http.headers import Pairs

SEED = bytes(32)
URL = "http://127.0.0.1:80/"

EffectType = TypeVar("EffectType")


def uri_of(text: str) -> Uri:
    """The URI of a text that is one."""
    uri = split_uri(text)
    assert isinstance(uri, Uri), uri
    return uri


def request_to(
    url: str = URL,
    method: str = "GET",
    fields: Pairs = (),
    body: bytes | None = b"",
    length: int = 0,
    can_rewind: bool = False,
    options: RequestOptions = DEFAULT_OPTIONS,
) -> OutgoingRequest:
    """A request that is one."""
    request = make_request(method, uri_of(url), fields, body, length, can_rewind, options)
    assert isinstance(request, OutgoingRequest), request
    return request


class Driven:
    """An agent, and what it has ordered."""

    def __init__(
        self, limits: ClientLimits = DEFAULT_LIMITS, proxies: Proxies = NO_PROXIES
    ) -> None:
        self.agent: Agent = make_agent(limits, "test", proxies, now=100.0, unix_time=1_000_000)
        self.effects: list[ClientEffect] = []
        self.all: list[ClientEffect] = []
        self.requests = 0

    def tell(self, *events: ClientEvent) -> list[ClientEffect]:
        """The effects of these events."""
        self.agent, self.effects = advance(self.agent, events)
        self.all += self.effects
        return self.effects

    def ask(self, request: OutgoingRequest | str = URL) -> int:
        """The number of a request that is made now."""
        number = self.requests
        self.requests += 1
        outgoing = request_to(request) if isinstance(request, str) else request
        self.tell(RequestMade(number, outgoing, SEED))
        return number

    def at(self, now: float) -> list[ClientEffect]:
        """The effects of this time, so many seconds after the beginning."""
        return self.tell(TimeRead(100.0 + now, 1_000_000 + int(now)), InputRead())

    def connection(self, number: int) -> Connection:
        """The connection of this number."""
        return self.agent.connections[number]

    def of(self, kind: type[EffectType]) -> list[EffectType]:
        """Those of the last effects that are of one kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def sent(self) -> bytes:
        """What the last events have led to being sent."""
        return b"".join(
            bytes(segment) for effect in self.of(SendData) for segment in effect.segments
        )
