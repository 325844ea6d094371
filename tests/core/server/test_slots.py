"""The slot table: small numbers that are in use or free, exactly once, and names that are never
mistaken.
"""

from sigil.core.conn import Conn
from sigil.core.connection.client import make_client
from sigil.core.server.slots import EMPTY, Draft, Slots, clients_of, find_client, free_slots
from tests.support.core_driver import PEER, same


def filled(count: int) -> Slots:
    """A table with so many clients, named (0, 0), (1, 1) and so on."""
    draft = Draft(EMPTY)
    for number in range(count):
        draft.add(make_client(Conn(draft.next_slot(), number), PEER, 0.0))
    return draft.finish()


def without(slots: Slots, *numbers: int) -> Slots:
    """A table after the clients in these slots have left, in this order."""
    draft = Draft(slots)
    for number in numbers:
        entry = slots.entries[number]
        assert not isinstance(entry, int)
        draft.remove(entry)
    return draft.finish()


def test_an_empty_table_knows_nobody_and_has_no_free_slots() -> None:
    assert (list(clients_of(EMPTY)), free_slots(EMPTY), find_client(EMPTY, Conn(0, 0))) == (
        [],
        [],
        None,
    )


def test_slots_are_given_out_in_order() -> None:
    slots = filled(3)
    assert [client.conn for client in clients_of(slots)] == [Conn(0, 0), Conn(1, 1), Conn(2, 2)]
    assert (slots.used, slots.free, free_slots(slots)) == (3, -1, [])


def test_the_slot_freed_last_is_used_first() -> None:
    slots = without(filled(4), 1, 3, 0)
    assert (slots.used, free_slots(slots)) == (1, [0, 3, 1])
    draft = Draft(slots)
    used = []
    for turn in (10, 11, 12, 13):
        used.append(draft.next_slot())
        draft.add(make_client(Conn(draft.next_slot(), turn), PEER, 0.0))
    assert used == [0, 3, 1, 4]
    assert (draft.finish().used, free_slots(draft.finish())) == (5, [])


def test_a_name_of_a_recycled_slot_finds_nobody() -> None:
    draft = Draft(without(filled(1), 0))
    draft.add(make_client(Conn(0, 7), PEER, 0.0))
    slots = draft.finish()
    assert find_client(slots, Conn(0, 0)) is None
    assert draft.find_client(Conn(0, 0)) is None
    found = find_client(slots, Conn(0, 7))
    assert found is not None
    assert same(found, make_client(Conn(0, 7), PEER, 0.0))


def test_names_of_slots_that_never_were_find_nobody() -> None:
    slots = filled(2)
    for conn in (Conn(2, 2), Conn(-1, 1), Conn(10**9, 0)):
        assert find_client(slots, conn) is None
        assert Draft(slots).find_client(conn) is None


def test_a_draft_leaves_the_table_it_was_made_from_as_it_was() -> None:
    slots = filled(2)
    before = list(slots.entries)
    draft = Draft(slots)
    draft.put(make_client(Conn(0, 0), PEER, 9.0))
    without(slots, 1)
    draft.add(make_client(Conn(2, 2), PEER, 0.0))
    assert (draft.used, slots.used) == (3, 2)
    assert same(list(slots.entries), before)
    assert same(draft.find_client(Conn(0, 0)), make_client(Conn(0, 0), PEER, 9.0))


def test_a_finished_draft_has_every_field_of_a_table() -> None:
    assert Draft(EMPTY).finish() == EMPTY
