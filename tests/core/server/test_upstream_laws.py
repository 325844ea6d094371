"""The laws of a server that publishes what another one does: what a client of an edge is sent is
what a client of the origin would be, or a gap that says so.

The origin publishes at random, on topics and with options; edges hear some topics or all, lose the
origin and come back, have small rings or large ones, and feed each other; clients come, go, and
come back to whichever server. What was published is the oracle.
"""

from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.broadcast.entry import PublishOptions
from sigil.core.events import Publish
from sigil.core.limits import Limits
from sigil.core.topics import ALL_TOPICS
from tests.support.core_relay import Edge, Follower, Heard, Node

TOPICS: tuple[str | None, ...] = (None, "a", "b", "ü\ud800")
RETAINED = (None, "a")
"""On these topics what is published with `latest` is retained too, and on the others never: one
that is retained, and superseded by one that is not, does not come to an edge that is behind.
"""
SMALL = Limits(max_ws_send_frame_cnt=4, history_messages=3)
LARGE = Limits(history_messages=3)


class Said(NamedTuple):
    """What the origin has published."""

    text: str
    topic: str | None
    latest: bool


PUBLISHED = st.tuples(st.sampled_from(TOPICS), st.booleans(), st.booleans(), st.booleans())
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.lists(PUBLISHED, min_size=1, max_size=3)),
        st.tuples(st.sampled_from(["pump", "lose", "connect", "restart"]), st.integers(0, 1)),
        st.tuples(st.sampled_from(["join", "leave"]), st.integers(0, 3)),
        st.tuples(st.just("move"), st.integers(0, 3)),
    ),
    max_size=40,
)
HEARD = st.sampled_from([ALL_TOPICS, ("a",), ("a", "b"), ()])


class Net:
    """An origin, an edge of it, and an edge of either, with clients."""

    def __init__(self, heard: list[Any], limits: list[Limits], chained: bool, history: int) -> None:
        self.epoch, self.logs = 7, dict[int, list[Said]]()
        self.restart(0)
        first = Edge(self.origin, heard[0], limits[0], history)
        second = Edge(first if chained else self.origin, heard[1], limits[1], history)
        self.edges = [first, second]
        self.followers = [
            Follower([first, second, self.origin][number % 3], topics)
            for number, topics in enumerate((ALL_TOPICS, ("a",), ("b",), ("a", "b")))
        ]
        self.heard_by = heard

    def restart(self, which: int) -> None:
        """The origin is started anew, with another epoch."""
        self.epoch += 1
        self.origin, self.logs[self.epoch] = Node(LARGE, self.epoch), []

    def publish(self, messages: list[tuple[str | None, bool, bool, bool]]) -> None:
        """The origin publishes these in one tick."""
        log = self.logs[self.epoch]
        for topic, latest, asks_retain, is_empty in messages:
            retain = topic in RETAINED if latest else asks_retain
            text = "" if retain and is_empty else f"{topic!r}:{self.epoch}:{len(log)}"
            log.append(Said(text, topic, latest))
            options = PublishOptions(latest=latest, retain=retain)
            self.origin.apply(Publish(((1, text.encode(), topic, options),)))
        self.origin.flush()

    def do(self, step: tuple[str, Any]) -> None:
        """One thing happens."""
        name, value = step
        if name == "publish":
            self.publish(value)
        elif name == "pump":
            self.edges[value].pump()
        elif name == "lose":
            self.edges[value].disconnect()
        elif name == "connect" and self.edges[value].conn is None:
            self.edges[value].connect()
        elif name == "restart" and value:
            self._restart()
        elif name in ("join", "leave", "move"):
            self._act(name, self.followers[value])

    def _restart(self) -> None:
        """The origin is started anew, and whoever was connected is not any more."""
        before = self.origin
        for follower in self.followers:
            if follower.node is before:
                follower.read()
                follower.conn = None
        self.restart(0)
        for edge in self.edges:
            if edge.origin is before:
                edge.conn, edge.origin = None, self.origin
        for follower in self.followers:
            if follower.node is before:
                follower.node = self.origin

    def _act(self, name: str, follower: Follower) -> None:
        """A client joins, leaves, or goes to the next server."""
        if name == "join" and follower.conn is None:
            follower.connect()
        elif name != "join":
            follower.read()
            follower.disconnect()
            if name == "move":
                nodes = [*self.edges, self.origin]
                follower.node = nodes[(nodes.index(follower.node) + 1) % 3]
                follower.connect()

    def settle(self) -> None:
        """Everybody is connected, and all that is under way arrives."""
        for edge in self.edges:
            if edge.conn is None:
                edge.connect()
        for edge in (*self.edges, *self.edges):
            edge.pump()
        for follower in self.followers:
            if follower.conn is None:
                follower.connect()
            follower.node.flush()
            follower.read()

    def passes(self, follower: Follower, said: Said) -> bool:
        """True if a message is for this client where it is."""
        edges, node = [follower.response.body.topics], follower.node
        while isinstance(node, Edge):
            edges.append(node.response.body.topics)
            node = node.origin
        return said.topic is None or all(
            topics is ALL_TOPICS or ALL_TOPICS in topics or said.topic in topics for topics in edges
        )


def place(position: str) -> tuple[int, int]:
    """The epoch and the number of a position."""
    epoch, _, number = position.partition("-")
    return int(epoch), int(number.partition(".")[0])


def check(net: Net, follower: Follower) -> None:
    """Whatever a client was sent stands in the log where its position says, in order; and between
    two positions nothing is missing but what was superseded, or is not for it.
    """
    at: tuple[int, int] | None = None
    for item in follower.log:
        if isinstance(item, dict):
            at = place(item["position"])
        elif isinstance(item, str):
            at = moved(net, follower, at, place(item))
        elif item.position:
            epoch, number = place(item.position)
            assert net.logs[epoch][number - 1].text == item.text
            assert at is not None
            assert at <= (epoch, number - 1), "nothing comes twice"
            moved(net, follower, at, (epoch, number - 1))
            at = epoch, number


def moved(
    net: Net, follower: Follower, at: tuple[int, int] | None, to: tuple[int, int]
) -> tuple[int, int]:
    """The place after a client was told another one, between which nothing was for it."""
    if at is None or at[0] not in net.logs:  # of an edge that had no upstream yet
        return to
    assert at[0] == to[0] and at[1] <= to[1]
    log = net.logs[at[0]]
    for number in range(at[1], to[1]):
        said = log[number]
        is_superseded = said.latest and any(
            later.topic == said.topic and later.latest for later in log[number + 1 :]
        )
        assert is_superseded or not net.passes(follower, said), (number, said)
    return to


@settings(deadline=None, max_examples=150)
@given(
    steps=STEPS,
    heard=st.lists(HEARD, min_size=2, max_size=2),
    limits=st.lists(st.sampled_from([SMALL, LARGE]), min_size=2, max_size=2),
    chained=st.booleans(),
    history=st.integers(0, 3),
)
def test_a_client_of_an_edge_is_sent_what_one_of_the_origin_is(
    steps: list[tuple[str, Any]],
    heard: list[Any],
    limits: list[Limits],
    chained: bool,
    history: int,
) -> None:
    net = Net(heard, limits, chained, history)
    for step in steps:
        net.do(step)
    net.settle()
    for follower in net.followers:
        check(net, follower)
        follower.log = [item for item in follower.log if isinstance(item, Heard)][-1:]
    net.publish([(None, False, False, False)])
    net.settle()
    last = net.logs[net.epoch][-1].text
    for follower in net.followers:
        heard_last = follower.log[-1]
        assert isinstance(heard_last, Heard)
        assert heard_last == Heard(f"{net.epoch}-{len(net.logs[net.epoch])}", last)
    for edge in net.edges:
        assert_same_as_origin(net, edge)


def assert_same_as_origin(net: Net, edge: Edge) -> None:
    """An edge that hears all topics retains what the origin does, and has its position."""
    ring = edge.server.broadcast.ring
    assert ring.head_number - ring.tail_number <= ring.max_frames
    topics = [edge.response.body.topics]
    if isinstance(edge.origin, Edge):
        topics.append(edge.origin.response.body.topics)
    there = net.origin.server.broadcast.retained.messages
    here = edge.server.broadcast.retained.messages
    for topic, message in there.items():
        if all(topic is None or ALL_TOPICS in heard or topic in heard for heard in topics):
            assert here[topic].frame == message.frame
    assert set(here) <= set(there)
