"""The turns of a server in memory are kept, and make a recording of it."""

import pytest

from sigil import Request, Response
from sigil.core.events import Received
from sigil.testing import Client, World
from sigil.testing.turns import recording_of


def app(request: Request) -> Response:
    return Response.upgrade() if request.path == "/ws" else Response.text(request.path)


def test_a_recording_is_what_happened() -> None:
    client = Client(app, keeps_turns=True)
    client.get("/a")
    websocket = client.websocket("/ws")
    client.server.broadcast("news")
    assert websocket.receive() == "news"
    recording = client.recording()
    assert recording.first.slots.used == 0
    assert recording[-1] == client.state
    assert recording.verify() is None
    received = [event for turn in recording.turns for event in turn.events]
    assert b"GET /a" in b"".join(one.data for one in received if isinstance(one, Received))
    assert [turn.number for turn in recording.turns] == list(range(1, len(recording)))


def test_nothing_has_happened_yet() -> None:
    client = Client(app, keeps_turns=True)
    assert len(client.recording()) == 1
    assert client.recording().first == client.state


def test_turns_that_were_not_kept() -> None:
    with pytest.raises(ValueError, match="keeps_turns=True"):
        Client(app).recording()


def test_somebody_looks_behind_every_turn() -> None:
    client, seen = Client(app, keeps_turns=True), list[int]()
    assert client.turns is not None
    client.turns.looks = seen.append
    client.get("/a")
    assert seen == list(range(1, len(client.recording())))


def test_the_turns_of_a_world_are_a_recording() -> None:
    world = World(4)
    world.run()
    assert world.server.turns
    assert recording_of(world.server.first, world.server.turns).verify() is None
