"""Topics of a query, of the commands that stream: what nobody can be subscribed to is a 400."""

from collections.abc import Callable
from typing import Any

import pytest

from sigil.apps.relay import app as relay
from sigil.apps.stream import app as stream
from sigil.testing import Client

TOO_LONG = "/poll?topic=" + "a" * 257
TOO_MANY = "/poll?" + "&".join(f"topic={number}" for number in range(257))


@pytest.mark.parametrize(
    "make",
    [
        lambda: relay.Edge(relay.Rules("/live")).handle,
        lambda: stream.LineStream(stream.Rules(10, "", 1_000)).handle,
    ],
)
def test_topics_that_nobody_can_be_subscribed_to_are_the_mistake_of_the_client(
    make: Callable[[], Any],
) -> None:
    client = Client(make())
    too_long, too_many = client.get(TOO_LONG), client.get(TOO_MANY)
    assert (too_long.status, too_many.status) == (400, 400)
    assert too_long.text == "400 Bad Request: a topic has 256 bytes at most, not 257\n"
    assert too_many.text == "400 Bad Request: there may be 256 topics, not 257\n"
