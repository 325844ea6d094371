"""Whatever may stand in a recording, for Hypothesis; and all calls of the core in a world."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, get_args

from hypothesis import strategies as st

from sigil.core.conn import Conn
from sigil.core.connection.context import Parse
from sigil.core.effects import Effect
from sigil.core.events import Event
from sigil.core.http.bodies import EventStream, FileBody, Poll, StreamedBody, Upgrade
from sigil.core.http.headers import Headers
from sigil.core.http.params import Params
from sigil.core.http.request import Request
from sigil.core.http.response import Response
from sigil.core.server.fold import advance
from sigil.core.server.state import Server
from sigil.core.topics import ALL_TOPICS, AllTopics, ManyTopics, topics_of
from sigil.core.trace.placeholder import Placeholder
from sigil.testing.world import Violation, World

texts = st.text(max_size=12)
numbers = st.integers(0, 2**40)
conns = st.builds(Conn, st.integers(0, 9_999), st.integers(0, 2**50))
pairs = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
topics = st.lists(texts | st.just(ALL_TOPICS), max_size=3).map(tuple)
upgrades = st.builds(
    Upgrade, texts | st.none(), topics, numbers, texts | st.booleans() | st.none(), texts
)
bodies = st.one_of(
    st.binary(max_size=40),
    st.builds(StreamedBody, st.just(Placeholder("builtins.generator")), st.booleans()),
    st.builds(FileBody, st.just(Placeholder("pathlib.PosixPath"))),
    upgrades,
    st.builds(EventStream, topics, numbers, texts | st.none(), numbers | st.none()),
    st.builds(Poll, topics, texts | st.none(), st.floats(0, 9), numbers),
)
responses = st.builds(Response, st.integers(200, 599), pairs, bodies, texts)
requests = st.builds(
    Request,
    method=texts,
    target=texts,
    path=texts,
    query=texts,
    version=st.integers(0, 1),
    headers=st.builds(Headers, pairs),
    body=st.binary(max_size=20),
    params=st.builds(lambda name, value: Params((name,), (value,)), texts, texts),
    chunks=st.none() | st.just(Placeholder("sigil.shell.web.pieces.Pieces")),
)
for kind, strategy in (
    (float, st.floats(allow_nan=False)),
    (int, numbers),
    (ManyTopics, st.sets(texts, max_size=100).map(topics_of)),
    (Conn, conns),
    (AllTopics, st.just(ALL_TOPICS)),
    (Response, responses),
    (Request, requests),
    (memoryview, st.binary().map(memoryview)),
):
    st.register_type_strategy(kind, strategy)


def events_of(kind: Any) -> st.SearchStrategy[Any]:
    """Events of a kind, with whatever its constructor says that they may hold."""
    return st.from_type(kind)


EVENT_KINDS: tuple[type, ...] = get_args(Event)
any_event = st.one_of([st.deferred(lambda kind=kind: events_of(kind)) for kind in EVENT_KINDS])


class Call:
    """One call of the core: the server before it, the events, and what came of it."""

    def __init__(
        self, before: Server, events: tuple[Event, ...], after: Server, effects: list[Effect]
    ) -> None:
        self.before, self.events, self.after, self.effects = before, events, after, effects


def calls_of(seed: int) -> list[Call]:
    """All calls of the core in the world of a seed."""
    calls: list[Call] = []

    def kept(server: Server, events: Sequence[Event], parse: Parse) -> tuple[Server, list[Effect]]:
        given = tuple(events)
        after, effects = advance(server, given, parse)
        calls.append(Call(server, given, after, list(effects)))
        return after, effects

    world = World(seed)
    world.server._engine._advance = kept
    with suppress(Violation):  # what was called until then is as good
        world.run()
    return calls
