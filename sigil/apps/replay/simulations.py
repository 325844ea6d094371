"""Simulated networks as recordings: which one a page shows, by its name and its seed.

Theory: a simulation follows from its seed, so it need not be stored: it is run when somebody asks
for it, and what happened is a recording like any other. A page can ask for another seed at any
time, and goes back to one that it has shown.

Rules: a few are kept, those that were asked for last. What a query asks for that makes no sense is
a `BadInput` with a sentence. One is run by whatever thread makes the view, and what is asked for is
looked up by another. It does not know what a simulation is like.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Lock, get_ident
from typing import Any, NamedTuple

from sigil import BadInput, Callbacks, Handler, Limits, Request
from sigil.apps.replay.documents import View, make_view
from sigil.apps.replay.market import Market
from sigil.testing import Violation, World

KEPT_MAX = 6
"""Simulations that are kept: some megabytes each."""
SEED_MAX = 2**32 - 1
SEED = re.compile(r"[0-9]{1,10}")


class Simulated(NamedTuple):
    """A simulation that was run: what the page shows, and what happened in a sentence."""

    view: View
    sentence: str


LOGGERS = ("sigil.server", "sigil.error", "sigil.access")


@contextmanager
def unlogged() -> Iterator[None]:
    """Nothing that this thread does is logged meanwhile: the page shows the log of a simulation,
    and it is no news of this server.
    """
    own = get_ident()

    def is_of_another(record: logging.LogRecord) -> bool:
        return record.thread != own

    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.addFilter(is_of_another)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_of_another)


def run_market(seed: int) -> Simulated:
    """A market, run."""
    market = Market(seed)
    with unlogged():
        outcome = market.run()
    view = make_view(market.recording(), f"Market {seed}", market.wires)
    return Simulated(view, _sentence(outcome))


def run_unreliable(seed: int) -> Simulated:
    """The world of the tests with this seed, run: its network does all that a real one may do."""
    return _run_world(World(seed), f"World {seed}")


def of_program(
    handler: Handler, callbacks: Callbacks, limits: Limits | None, clients: int
) -> Callable[[int], Simulated]:
    """A function that runs a program of somebody's own among so many clients, by a seed."""

    def run(seed: int) -> Simulated:
        world = World(handler, clients=clients, seed=seed, callbacks=callbacks, limits=limits)
        return _run_world(world, f"Your program, seed {seed}")

    return run


def _run_world(world: Any, title: str) -> Simulated:
    """A world, run to its end or to the rule that was broken."""
    network, wires = world.server.network, dict[int, dict[int, tuple[int, int]]]()

    def note_wires(turn: int) -> None:
        wires[turn] = network.under_way()

    world.server.look_behind_turns(note_wires)
    with unlogged():
        try:
            sentence = _sentence(world.run())
        except Violation as violation:
            sentence = f"seed {world.seed}: the rule {violation.check} was broken, {violation}"
    return Simulated(make_view(world.recording(), title, wires), sentence)


def _sentence(outcome: NamedTuple) -> str:
    """What has happened, in a line."""
    words = []
    for name, value in outcome._asdict().items():
        words.append(f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}")
    return ", ".join(words)


Networks = Mapping[str, Callable[[int], Simulated]]

NETWORKS: Networks = {
    "market": run_market,
    "unreliable": run_unreliable,
}
"""The networks by name."""


class Simulations:
    """The views of simulated networks, by the query of a request: `?seed=7&network=market`."""

    def __init__(self, network: str, seed: int, networks: Networks = NETWORKS) -> None:
        self._network, self._seed, self._networks = network, seed, networks
        self._kept: dict[tuple[str, int], View] = {}
        self._lock = Lock()

    def __call__(self, request: Request) -> View | Callable[[], View]:
        """The view that a request asks for, or what makes it, if it is not kept."""
        network = request.args.get("network", self._network)
        if network not in self._networks:
            raise BadInput(f"network is one of {', '.join(self._networks)}")
        text = request.args.get("seed", str(self._seed))
        if not SEED.fullmatch(text) or int(text) > SEED_MAX:
            raise BadInput(f"seed is a number from 0 to {SEED_MAX}")
        kept = self._find(network, int(text))
        return partial(self.view, network, int(text)) if kept is None else kept

    def view(self, network: str, seed: int) -> View:
        """The view of a network, run if it is not kept."""
        view = self._find(network, seed)
        if view is None:
            extra = {"seed": seed, "network": network, "networks": list(self._networks)}
            view = self._networks[network](seed).view._replace(extra=extra)
            with self._lock:
                self._kept[network, seed] = view
                if len(self._kept) > KEPT_MAX:
                    del self._kept[next(iter(self._kept))]
        return view

    def _find(self, network: str, seed: int) -> View | None:
        """The view of a network, if it is kept; it is the one that was asked for last then."""
        with self._lock:
            view = self._kept.pop((network, seed), None)
            if view is not None:
                self._kept[network, seed] = view
            return view
