"""The names of relays in `Via`, and how many are remembered."""

from sigil.relay.links import NAMES_MAX, names_in, remembered, via_of

ONE, TWO = "00000000000000aa", "00000000000000bb"


def test_names_are_written_and_read_among_those_of_proxies() -> None:
    assert names_in(f"1.1 a.example, {via_of([ONE, TWO])}, 1.1 varnish") == [ONE, TWO]
    assert names_in("1.1 sigil-relay-xyz, 1.1 sigil-relay-00000000000000aa00") == []


def test_so_many_names_are_remembered_once_each() -> None:
    assert remembered((ONE,), [TWO, ONE]) == (ONE, TWO)
    many = [f"{number:016x}" for number in range(2 * NAMES_MAX)]
    assert remembered((), many) == tuple(many[-NAMES_MAX:])
