"""The server as a record: a new one, and what its update functions change."""

import pytest

from sigil.core.limits import Limits
from sigil.core.server import state
from sigil.core.server.eviction import NO_CANDIDATES
from sigil.core.server.oldest import NOBODY
from sigil.core.server.state import Server, ServerState, make_server
from tests.support.builds import needs_pure_sources
from tests.support.records import updated, updates_of

COMPUTED = {"at_time": {"unix_time", "tick_started_at"}}
"""By function: fields that change though no argument has their name."""


@needs_pure_sources
@pytest.mark.parametrize("name", updates_of(state, Server))
def test_an_update_changes_the_fields_it_names_and_no_others(name: str) -> None:
    update = updated(getattr(state, name), Server)
    assert update.changed == update.named | COMPUTED.get(name, set())
    assert update.misplaced == set()


def test_a_new_server_has_no_clients_and_serves() -> None:
    server = make_server(Limits(), 7.0, 3, epoch=5)
    assert (server.running, server.now, server.tick_started_at) == (ServerState.SERVING, 7.0, 7.0)
    assert server.date.endswith(b"00:00:03 GMT\r\n\r\n")
    assert server.broadcast.ring.epoch == 5
    assert (server.candidates, server.oldest) == (NO_CANDIDATES, NOBODY)
