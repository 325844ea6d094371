"""What the functions that move a client on change: the fields that they name, and no others."""

import pytest

from sigil.core.connection import client, outgoing
from sigil.core.connection.client import Client, Incoming
from sigil.core.connection.outgoing import Outgoing
from tests.support.builds import needs_pure_sources
from tests.support.records import updated, updates_of

pytestmark = needs_pure_sources

COMPUTED = {
    "with_read": {"bytes_in"},
    "with_requests": {"outstanding", "bytes_in"},
    "after_responses": {"outstanding", "responded", "bytes_out", "waiting_since"},
    "after_sending": {"bytes_out"},
    "after_send": {"bytes_out"},
    "with_body": {"scan"},
    "after_body": {"phase", "scan", "head", "body", "body_mode"},
    "with_body_mode": {"scan"},
    "after_last": {"outstanding", "responded", "bytes_out"},
    "discarding": {"body_mode", "buffer", "scan", "head", "body", "discarded"},
    "lingering": {
        "phase",
        "buffer",
        "scan",
        "head",
        "body",
        "expects_continue",
        "final_error",
        "pace",
        "body_mode",
    },
    "ending": {"streaming", "is_full"},
}
"""By function: fields that change though no argument has their name."""


@pytest.mark.parametrize("name", updates_of(client, Client))
def test_an_update_changes_the_fields_it_names_and_no_others(name: str) -> None:
    update = updated(getattr(client, name), Client)
    assert update.changed == update.named | COMPUTED.get(name, set())
    assert update.misplaced == set()


@pytest.mark.parametrize("name", updates_of(client, Incoming))
def test_an_update_of_incoming_data_changes_the_fields_it_names(name: str) -> None:
    update = updated(getattr(client, name), Incoming)
    assert update.changed == update.named | COMPUTED.get(name, set())
    assert update.misplaced == set()


@pytest.mark.parametrize("name", updates_of(outgoing, Outgoing))
def test_an_update_of_outgoing_data_changes_the_fields_it_names(name: str) -> None:
    update = updated(getattr(outgoing, name), Outgoing)
    assert update.changed == update.named | COMPUTED.get(name, set())
    assert update.misplaced == set()


@pytest.mark.parametrize("name", ["after_send", "after_sending"])
def test_bytes_that_were_sent_are_added(name: str) -> None:
    update = updated(getattr(client, name), Client)
    assert update.after.bytes_out == update.before.bytes_out + update.arguments["length"]


def test_bytes_are_added_and_the_time_is_the_one_that_is_given() -> None:
    update = updated(client.after_responses, Client)
    before, after, arguments = update.before, update.after, update.arguments
    moved = after.bytes_in - before.bytes_in + after.bytes_out - before.bytes_out
    assert moved == arguments["length"]
    assert after.waiting_since == arguments["now"]
