"""Which simulation a query asks for, and what is kept of them."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from sigil import Callbacks, Request, Response
from sigil.apps.replay import simulations
from sigil.apps.replay.documents import about_document, turn_document
from sigil.apps.replay.simulations import (
    NETWORKS,
    Simulated,
    Simulations,
    of_program,
    run_market,
    run_unreliable,
    unlogged,
)
from sigil.cli import flags
from sigil.testing import Client


def refused(query: str) -> str:
    found = Simulations("market", 1)

    def app(request: Request) -> Response:
        found(request)
        return Response.text("")

    return Client(app).get(f"/{query}").text


def test_what_makes_no_sense_is_refused_in_a_sentence() -> None:
    assert "seed is a number from 0 to 4294967295" in refused("?seed=-1")
    assert "seed is a number from 0 to 4294967295" in refused("?seed=4294967296")
    assert "network is one of market, unreliable" in refused("?network=%3Cb%3E")


def test_the_last_few_are_kept(monkeypatch: Any) -> None:
    made: list[int] = []

    def run(seed: int) -> Simulated:
        made.append(seed)
        return run_unreliable(seed)

    monkeypatch.setitem(simulations.NETWORKS, "market", run)
    monkeypatch.setattr(simulations, "KEPT_MAX", 2)
    found = Simulations("market", 1)
    for seed in (4, 7, 4, 9, 4, 7):
        view = found.view("market", seed)
        assert about_document(view)["seed"] == seed
    assert made == [4, 7, 9, 7]
    assert about_document(view)["networks"] == ["market", "unreliable"]


def test_a_world_of_the_tests_is_a_recording() -> None:
    simulated = run_unreliable(4)
    assert simulated.sentence.startswith("seed 4, digest ")
    assert simulated.view.recording.verify() is None
    assert simulated.view.title == "World 4"


def hello(request: Request) -> Response:
    return Response.upgrade(topics=["a"]) if request.is_upgrade else Response.text("hello")


@pytest.mark.parametrize(
    "run",
    [run_unreliable, run_market, of_program(hello, Callbacks(), None, 20)],
    ids=["unreliable", "market", "a program"],
)
def test_what_is_on_the_wires_is_known_of_every_simulation(
    run: Callable[[int], Simulated],
) -> None:
    view = run(3).view
    wires = view.wires
    assert wires is not None and about_document(view)["has_wires"]
    turns = range(1, view.timeline.turns + 1)
    assert set(wires) == set(turns)
    some = [(turn, conn) for turn in turns for conn in wires[turn]]
    assert some
    for turn, conn in some:
        assert any(wires[turn][conn]) and conn in view.timeline.lives
    document = turn_document(view, some[0][0])
    assert document["wires"][str(some[0][1])] == list(wires[some[0][0]][some[0][1]])


def test_the_command_knows_all_networks() -> None:
    assert tuple(NETWORKS) == flags.NETWORKS


def test_a_simulation_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with unlogged():
        logging.getLogger("sigil.server").error("hidden")
    logging.getLogger("sigil.server").error("shown")
    assert caplog.messages == ["shown"]
