"""Which of a host's addresses is tried when (RFC 8305, "Happy Eyeballs").

Theory: a host has addresses of two families, and often one family does not work where a client is.
To try one after the other would take a timeout for each; to try all at once is a burden on
everybody. So they take turns, each begins a moment after the one before, or at once when that has
failed, and the first that connects is kept.

Rules: a race is a value, and each decision is a function of it and of the time. The families
alternate, beginning with that of the first address, and within a family the order is the
resolver's. It does not know sockets, nor what an address means.
"""

from typing import Final, NamedTuple, final

from ..value import Value


class Address(NamedTuple):
    """An address of a host: 4 or 6, the address as text, the port, and the zone of a link-local
    one.
    """

    family: int
    host: str
    port: int
    zone: int = 0


@final
class Race(Value):
    """Attempts to connect. `addresses` are those that can be tried, `begun` how many of them were;
    `running` are the attempts that have not failed, by their place; `errors` what the others failed
    with, and `next_at` when the next one begins.
    """

    __match_args__ = ("addresses", "begun", "running", "errors", "next_at")
    __slots__ = __match_args__

    def __init__(
        self,
        addresses: tuple[Address, ...],
        begun: int,
        running: tuple[int, ...],
        errors: tuple[str, ...],
        next_at: float,
    ) -> None:
        self.addresses: Final = addresses
        self.begun: Final = begun
        self.running: Final = running
        self.errors: Final = errors
        self.next_at: Final = next_at

    @property
    def is_lost(self) -> bool:
        """True if every address was tried, and failed."""
        return not self.running and self.begun >= len(self.addresses)


def alternate(addresses: tuple[Address, ...], max_count: int) -> tuple[Address, ...]:
    """The addresses in the order in which they are tried, each once: the families take turns."""
    unique = tuple(dict.fromkeys(addresses))
    if not unique:
        return ()
    first = unique[0].family
    ours = [address for address in unique if address.family == first]
    others = [address for address in unique if address.family != first]
    turns: list[Address] = []
    for place in range(max(len(ours), len(others))):
        turns += ours[place : place + 1]
        turns += others[place : place + 1]
    return tuple(turns[:max_count])


def start_race(addresses: tuple[Address, ...], max_count: int, now: float) -> Race:
    """The race for these addresses, of which the first is to be tried now."""
    return Race(alternate(addresses, max_count), 0, (), (), now)


def due_attempt(race: Race, now: float) -> int | None:
    """The place of the address that is to be tried now; None if none is."""
    return race.begun if race.begun < len(race.addresses) and race.next_at <= now else None


def after_begin(race: Race, now: float, delay: float) -> Race:
    """The race in which the next address is being tried."""
    place = race.begun
    return Race(race.addresses, place + 1, (*race.running, place), race.errors, now + delay)


def after_failure(race: Race, place: int, error: str, now: float) -> Race:
    """The race in which an attempt has failed: the next one begins at once."""
    running = tuple([other for other in race.running if other != place])
    return Race(race.addresses, race.begun, running, (*race.errors, error), now)
