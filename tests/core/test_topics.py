"""Topics: every str is a name, and `ALL_TOPICS` is none."""

import copy
import pickle
import subprocess
import sys

import pytest

from sigil import ALL_TOPICS, Limits, Request, Response
from sigil.core.topics import AllTopics, in_order, names_of
from sigil.testing import Client


def test_it_is_one_object_that_says_what_it_is() -> None:
    assert repr(ALL_TOPICS) == str(ALL_TOPICS) == "ALL_TOPICS"
    assert AllTopics() == ALL_TOPICS and hash(ALL_TOPICS) == hash(AllTopics())
    assert ALL_TOPICS != "*" and ALL_TOPICS != "ALL_TOPICS"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_itself_when_it_was_pickled(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(ALL_TOPICS, protocol)) is ALL_TOPICS


def test_it_is_itself_when_it_was_copied() -> None:
    assert copy.copy(ALL_TOPICS) is ALL_TOPICS
    assert copy.deepcopy([ALL_TOPICS])[0] is ALL_TOPICS


def test_its_hash_is_the_same_in_every_process() -> None:
    program = "from sigil import ALL_TOPICS; print(hash(ALL_TOPICS))"
    hashes = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert hashes == {f"{hash(ALL_TOPICS)}\n"}


def test_it_is_shown_before_all_names() -> None:
    topics = ["b", "", "*", ALL_TOPICS, "a"]
    assert in_order(topics) == [ALL_TOPICS, "", "*", "a", "b"]
    assert names_of(topics) == ["ALL_TOPICS", "", "*", "a", "b"]


def chat(request: Request) -> Response:
    """A chat of rooms that strangers may name."""
    return Response.upgrade(topics=request.args.get("room", "lobby"))


def monitor(request: Request) -> Response:
    """What is sent what is said in all rooms."""
    return Response.upgrade(topics=ALL_TOPICS)


def test_a_stranger_that_names_a_star_is_sent_nothing_of_another() -> None:
    client = Client(chat)
    stranger, member = client.websocket("/?room=*"), client.websocket("/?room=attic")
    client.server.broadcast("secret", topic="attic")
    client.server.broadcast("twinkle", topic="*")
    assert stranger.receive() == "twinkle"
    assert member.receive() == "secret"


@pytest.mark.parametrize("topics", [ALL_TOPICS, (ALL_TOPICS,), ["one", ALL_TOPICS]])
def test_a_program_subscribes_to_all_by_the_object(topics: object) -> None:
    client = Client(lambda request: Response.upgrade(topics=topics))
    subscriber = client.websocket("/")
    client.server.broadcast("1", topic="one")
    client.server.broadcast("2", topic="*")
    client.server.broadcast("3")
    assert [subscriber.receive() for _ in range(3)] == ["1", "2", "3"]


def test_who_is_sent_all_may_be_sent_less_later() -> None:
    client = Client(monitor)
    subscriber = client.websocket("/")
    (conn,) = client.server.clients()
    client.server.unsubscribe(conn, ALL_TOPICS)
    client.server.subscribe(conn, "one")
    client.server.broadcast("2", topic="two")
    client.server.broadcast("1", topic="one")
    assert subscriber.receive() == "1"
    client.server.subscribe(conn, ALL_TOPICS)
    client.server.broadcast("2", topic="two")
    assert subscriber.receive() == "2"


def test_it_is_one_of_the_topics_that_are_counted() -> None:
    client = Client(monitor, limits=Limits(max_ws_topics_per_client=0))
    assert client.get("/").status == 426
    with pytest.raises(Exception, match="subscribed to 1 topics"):
        client.websocket("/")


NO_TOPIC = r"a topic is a str or ALL_TOPICS|topics are an iterable"


@pytest.mark.parametrize("topics", [5, (5,), [None], {"a": 1, 2: 3}, b"ab"])
def test_what_is_no_topic_is_refused_at_the_call(topics: object) -> None:
    with pytest.raises(TypeError, match=NO_TOPIC):
        Response.upgrade(topics=topics)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=NO_TOPIC):
        Response.sse(topics=topics)  # type: ignore[arg-type]


def test_nothing_is_published_on_all_topics() -> None:
    server = Client(monitor).server
    with pytest.raises(TypeError, match="a message is published on one topic, or on none"):
        server.broadcast("x", topic=ALL_TOPICS)  # type: ignore[arg-type]
