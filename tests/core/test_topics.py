"""Topics: every str is a name, and `ALL_TOPICS` is none."""

import copy
import pickle
import subprocess
import sys
from random import Random

import pytest

from sigil import ALL_TOPICS, Limits, Request, Response
from sigil.core.topics import (
    FEW_TOPICS_MAX,
    AllTopics,
    ManyTopics,
    Topic,
    in_order,
    missing,
    names_of,
    topics_of,
    unshared,
    with_more,
    without,
)
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


# -- sets of topics --------------------------------------------------------------------------------

SIZES = [0, 1, FEW_TOPICS_MAX, FEW_TOPICS_MAX + 1, 500, 1_024, 1_025, 3_000]


def named(count: int) -> list[Topic]:
    """So many topics, all of them among them."""
    return [ALL_TOPICS, *(f"topic {number}" for number in range(count - 1))][:count]


@pytest.mark.parametrize("count", SIZES)
def test_a_set_of_topics_has_these_however_many_they_are_and_however_it_came_about(
    count: int,
) -> None:
    names = named(count)
    made, grown = topics_of(names), with_more(with_more(frozenset(), names[:1]), names)
    assert isinstance(made, ManyTopics) is (count > FEW_TOPICS_MAX)
    for topics in (made, grown, with_more(grown, names[:5])):
        assert len(topics) == count and set(topics) == set(names)
        assert all(name in topics for name in names)
        assert "no such topic" not in topics and None not in topics
    backwards = topics_of(reversed(names))
    assert made == grown == backwards == frozenset(names)
    assert hash(made) == hash(grown) == hash(backwards)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_comes_and_goes_a_set_is_what_a_set_of_python_is(seed: int) -> None:
    dice, names = Random(seed), named(1_400)
    topics, expected = topics_of(names[:1_000]), set(names[:1_000])
    for _ in range(1_500):
        before, topic = topics, dice.choice(names)
        if topic in expected:
            topics = without(topics, topic)
            expected.remove(topic)
            assert list(missing(before, topics)) == [topic] and not missing(topics, before)
        else:
            topics = with_more(topics, (topic,))
            expected.add(topic)
            assert list(missing(topics, before)) == [topic] and not missing(before, topics)
        assert len(topics) == len(expected) and before != topics
    assert topics == topics_of(expected) and hash(topics) == hash(topics_of(expected))
    while expected:
        topics = without(topics, expected.pop())
    assert topics == frozenset()


def test_sets_that_have_nothing_in_common_are_compared_as_well() -> None:
    few, many, more = topics_of(named(3)), topics_of(named(100)), topics_of(named(2_000))
    assert set(missing(more, many)) == set(named(2_000)) - set(named(100))
    assert set(missing(more, few)) == set(named(2_000)) - set(named(3))
    assert not missing(few, more) and not missing(many, more)
    other = topics_of(f"other {number}" for number in range(100))
    assert many != other and many != few and other != 5
    assert hash(many) != hash(other)


@pytest.mark.parametrize("count", [3, 100, 2_000])
def test_a_set_is_itself_again_when_it_was_pickled(count: int) -> None:
    topics = topics_of(named(count))
    again = pickle.loads(pickle.dumps(topics))
    assert again == topics and all(name in again for name in named(count))
    assert again == with_more(without(topics, "topic 1"), ("topic 1",))


def test_a_set_of_many_topics_shows_how_many() -> None:
    assert repr(topics_of(named(100))) == "ManyTopics(100 topics)"


def test_what_a_set_shares_with_another_takes_no_memory() -> None:
    before = topics_of(f"topic {number}" for number in range(1_000))
    after = with_more(before, ["one more"])
    own = unshared(after, before)
    assert "one more" in own and len(own) < 200
    assert set(own) <= set(after)
    assert len(unshared(after, after)) == 0
    few = topics_of(["a", "b"])
    assert set(unshared(few, before)) == {"a", "b"} == set(unshared(few, None))
    assert len(unshared(after, few)) == len(unshared(after, None)) == 1_001
    assert len(unshared(few, few)) == 0
