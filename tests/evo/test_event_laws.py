"""Laws of the order of events, tried on whatever clients and programs may do.

Theory: whoever handles events relies on what has come before them. So random conversations are
held, in which clients send, end and vanish at any time, and the program answers in any way that it
may, late, in parts, or never; and each id must have a story that the laws allow.

Rules: in memory, so that nothing depends on time. It does not know what is answered.
"""

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.evo import Event, WebServer
from sigil.testing import Client
from tests.support.evo import Diary
from tests.support.requests import UPGRADE
from tests.support.websocket_client import close_frame, text

LETTERS = {
    "HTTP_REQUEST_STARTED": "s",
    "HTTP_DATA_RECEIVED": "d",
    "HTTP_REQUEST_FINISHED": "f",
    "HTTP_CONNECTION_WRITABLE": "w",
    "HTTP_CONNECTION_ABORTED": "a",
    "WEBSOCKET_CONNECTION_ESTABLISHED": "E",
    "WEBSOCKET_MESSAGE_RECEIVED": "M",
    "WEBSOCKET_CONNECTION_CLOSED": "C",
    "WEBSOCKET_BACKPRESSURE": "B",
}
STORY = re.compile(r"sd*f?a?|E[MB]*C")
"""What one id may live through, but for WRITABLE, which may be anywhere between the beginning and
the end.
"""
GET = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
BYTES = (GET % b"a", GET % b"b", POST, POST + b"abc", b"def", CHUNKED, b"0\r\n\r\n", UPGRADE)
BYTES = (*BYTES, text("hi"), close_frame(1000), b"\0\0")

HOW = ("send", "write", "stream")
sends = st.tuples(st.just("send"), st.integers(0, 2), st.sampled_from(BYTES), st.booleans())
answers = st.tuples(st.just("answer"), st.integers(0, 5), st.sampled_from(HOW), st.booleans())
leaves = st.tuples(
    st.just("leave"), st.integers(0, 2), st.sampled_from(["reset", "half_close"]), st.booleans()
)
steps = st.one_of(sends, sends, sends, answers, answers, answers, leaves)
"""What is done, by whom, and whether events are drained behind it."""


class Conversation:
    """Three clients, and a program that answers at some time or another."""

    def __init__(self) -> None:
        self.server = WebServer(max_buffered_len=4)
        self.server.add_route("/*")
        self.valid: list[tuple[str, bool]] = []
        """By name of an event: whether its id was valid when it was delivered."""
        self.diary = Diary(self.server, **dict.fromkeys(LETTERS, self.look))
        self.client = Client(
            self.server.handler, callbacks=self.server.callbacks, raise_errors=False
        )
        self.connections = [self.client.connect() for _ in range(3)]
        for connection, data in zip(self.connections, (GET % b"a", POST, UPGRADE), strict=True):
            connection.send(data)
        self.server.process_deferred_events()

    def look(self, event: Event[Any]) -> None:
        """Remember whether the id is valid."""
        is_valid = self.server.has_request_details(event.client_id)
        self.valid.append((event.type.name, is_valid))

    def take(self, kind: str, number: int, what: Any, drains: bool) -> None:
        """Take one step."""
        connection = self.connections[number % 3]
        over = connection.wire.has_half_closed or connection.wire.has_reset
        if kind == "send" and not over:
            connection.send(what)
        elif kind == "leave" and not over:
            getattr(connection, what)()
        elif kind == "answer":
            self.answer(self.diary.ids[-1 - number % len(self.diary.ids)], what)
        if drains:
            self.server.process_deferred_events()
            self.client.run_until_idle()

    def answer(self, id: str, how: str) -> None:
        """Answer a request, in one of three ways; what is out of order is refused, and no more."""
        try:
            if how == "stream":
                pending = self.server._requests.get(id)
                offset = 0 if pending is None else pending.offset
                self.server.stream_response(id, b"0123456789"[offset : offset + 3], offset, 10)
            else:
                getattr(self.server, f"{how}_response")(id, "x")
        except RuntimeError:
            pass
        self.client.run_until_idle()


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=30))
def test_every_id_has_a_story_that_the_laws_allow(taken: list[tuple[str, int, Any, bool]]) -> None:
    here = Conversation()
    for step in taken:
        here.take(*step)
    here.client.stop(0.0)
    while here.server.process_deferred_events():
        pass
    stories = dict.fromkeys(range(1, len(here.diary.ids) + 1), "")
    for name, number, *_ in here.diary.lines:
        if number != "SERVER":
            stories[number] += LETTERS[name]
    for story in stories.values():
        assert STORY.fullmatch(story.replace("w", "")), story
        assert not re.search("^w|aw", story), story
    for name, is_valid in here.valid:
        assert not is_valid or name not in ("HTTP_CONNECTION_ABORTED",)
    assert here.diary.names[0] == "SERVER_STARTED_LISTENING"
    assert here.diary.names[-1] == "SERVER_STOPPED_LISTENING"
    # nothing is left of anybody
    assert not here.server._requests and not here.server._seen and not here.server._clients
    assert not here.server._behind and here.server.get_num_connected_clients() == 0
