"""Which processes are to serve: what happened goes in, orders come out; no processes, no clock."""

import math
import signal
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.cli.supervision import (
    HURRY_SECONDS,
    KILL_AFTER_SECONDS,
    MAX_DELAY_SECONDS,
    delay_after,
    ending,
    next_deadline,
    step,
)
from sigil.cli.team import (
    Announce,
    Changed,
    End,
    Event,
    Exited,
    Kill,
    Log,
    Order,
    Phase,
    ReadCertificates,
    Ready,
    Signalled,
    Start,
    Stop,
    StopListening,
    Team,
    TimePassed,
)

GRACE = 5.0
TERM, HUP = Signalled(signal.SIGTERM), Signalled(signal.SIGHUP)


class Play:
    """A team, and what was ordered since that was asked last."""

    def __init__(
        self, wanted: int = 2, is_watching: bool = False, has_certificates: bool = False
    ) -> None:
        self.team = Team(wanted, GRACE, is_watching, has_certificates)
        self.now = 100.0
        self._orders: list[Order] = []
        self.tell(TimePassed(self.now))

    def tell(self, *events: Event) -> "Play":
        for event in events:
            self.team, orders = step(self.team, event, self.now)
            self._orders += orders
        return self

    def wait(self, seconds: float) -> "Play":
        self.now += seconds
        return self.tell(TimePassed(self.now))

    def orders(self) -> list[Order]:
        """What was ordered but lines of the log."""
        taken, self._orders = self._orders, []
        return [order for order in taken if not isinstance(order, Log)]

    def lines(self) -> list[str]:
        """The lines of the log that were ordered."""
        taken, self._orders = self._orders, []
        return [order.text for order in taken if isinstance(order, Log)]


def ready(*numbers: int) -> Iterable[Event]:
    return [Ready(number, 1000 + number) for number in numbers]


def died(number: int, status: int = -9) -> Event:
    return Exited(number, 1000 + number, status)


def serving(wanted: int = 2, has_certificates: bool = False) -> Play:
    """A team whose workers, 1 to `wanted`, all serve, and have for a while."""
    play = Play(wanted, has_certificates=has_certificates)
    play.tell(*ready(*range(1, wanted + 1))).wait(60.0)
    play.orders()
    return play


# -- starting --------------------------------------------------------------------------------------


def test_the_first_starts_alone_and_the_others_when_it_serves() -> None:
    play = Play(3)
    assert play.orders() == [Start(1)]
    assert play.wait(60.0).orders() == []
    assert play.tell(*ready(1)).orders() == [Announce(1), Start(2), Start(3)]
    assert play.tell(*ready(3, 2)).orders() == []


@pytest.mark.parametrize(("ended", "status"), [(3, 3), (1, 1), (-11, 3), (0, 3)])
def test_if_the_first_cannot_serve_that_is_the_end(ended: int, status: int) -> None:
    play = Play(3).tell(died(1, ended))
    assert play.orders() == [Start(1), StopListening(()), End(status)]


def test_if_another_cannot_serve_it_is_tried_again_later_and_later() -> None:
    play = Play(2).tell(*ready(1))
    play.orders()
    for number, delay in ((2, 1.0), (3, 2.0), (4, 4.0)):
        assert play.tell(died(number, 3)).orders() == []
        assert next_deadline(play.team) == play.now + delay
        assert play.wait(delay / 2).orders() == []
        assert play.wait(delay / 2).orders() == [Start(number + 1)]


def test_if_nobody_serves_any_more_and_none_can_that_is_the_end() -> None:
    play = serving(2).tell(died(1), died(2))
    assert play.orders() == [Start(3), Start(4)]
    assert play.tell(died(3, 3)).orders() == []
    assert play.tell(died(4, 3)).orders() == [StopListening(()), End(3)]


# -- dying -----------------------------------------------------------------------------------------


def test_who_dies_is_replaced_at_once() -> None:
    assert serving().tell(died(1)).orders() == [Start(3)]
    assert serving().tell(died(1), died(2)).orders() == [Start(3), Start(4)]


def test_who_dies_soon_again_and_again_is_replaced_later_and_later() -> None:
    play, number, delays = serving(), 1, []
    for _ in range(9):
        at = play.now
        play.tell(died(number))
        while play.team.vacancies:
            play.wait(0.5)
        delays.append(play.now - at)
        number = play.team.next_number - 1
        play.tell(*ready(number))
    assert delays == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    play.wait(60.0).tell(died(number))
    assert play.team.vacancies == ()  # it has served for a minute


def test_who_ends_with_0_was_asked_to_and_is_replaced_at_once() -> None:
    play = Play().tell(*ready(1, 2))
    for number in (1, 2, 3, 4):
        play.orders()
        assert play.tell(died(number, 0), *ready(number + 2)).orders() == [Start(number + 2)]


def test_the_log_says_who_died_and_how() -> None:
    play = serving()
    play.tell(died(1), died(2, 0))
    assert play.lines() == [
        "worker 1001 was ended by SIGKILL; another is started now",
        "worker 1002 ended with status 0: another takes its place",
    ]
    assert ending(1) == "ended with status 1"
    assert ending(-250) == "was ended by signal 250"


# -- stopping --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_drain_together_and_the_last_one_is_the_end(number: int) -> None:
    play = serving().tell(Signalled(number))
    assert play.orders() == [StopListening((1, 2)), Stop(1), Stop(2)]
    assert play.tell(died(2, 0)).orders() == []
    assert play.tell(died(1, 0)).orders() == [End(0)]


def test_a_second_signal_ends_all_at_once() -> None:
    play = serving().tell(TERM)
    play.orders()
    assert play.tell(TERM).orders() == [Stop(1), Stop(2)]
    assert next_deadline(play.team) == play.now + HURRY_SECONDS
    assert play.wait(HURRY_SECONDS).orders() == [Kill(1), Kill(2)]
    assert play.tell(died(1), died(2)).orders()[-1] == End(0)


def test_who_does_not_exit_is_killed_once() -> None:
    play = serving().tell(TERM)
    play.orders()
    assert play.wait(GRACE).orders() == []
    assert play.wait(KILL_AFTER_SECONDS).orders() == [Kill(1), Kill(2)]
    assert play.wait(60.0).orders() == []
    assert next_deadline(play.team) == math.inf


def test_one_that_is_being_started_is_stopped_as_well_and_none_is_started_any_more() -> None:
    play = serving().tell(died(1), TERM)
    assert play.orders() == [Start(3), StopListening((2, 3)), Stop(2), Stop(3)]
    assert play.tell(*ready(3), died(3, -15), died(2, 0)).orders()[-1] == End(0)
    assert Play().tell(TERM, died(1, -15)).orders()[-1] == End(0)


# -- one after another -----------------------------------------------------------------------------


def test_a_restart_has_a_new_one_serve_before_an_old_one_leaves() -> None:
    play = serving(2).tell(HUP)
    assert play.orders() == [Start(3)]
    assert play.tell(*ready(3)).orders() == [Stop(1)]
    assert play.wait(1.0).orders() == []  # it drains
    assert play.tell(died(1, 0)).orders() == [Start(4)]
    assert play.tell(*ready(4)).orders() == [Stop(2)]
    assert play.tell(died(2, 0)).orders() == []
    assert [worker.number for worker in play.team.workers] == [3, 4]


def test_if_a_new_one_cannot_serve_the_old_ones_stay() -> None:
    play = serving(2).tell(HUP, died(3, 3))
    assert play.orders() == [Start(3)]
    assert play.wait(60.0).orders() == []
    assert [worker.phase for worker in play.team.workers] == [Phase.SERVING] * 2
    assert play.tell(HUP).orders() == [Start(4)]


def test_an_old_one_that_dies_in_a_restart_is_one_less_to_replace() -> None:
    play = serving(2).tell(HUP, died(1))
    assert play.orders() == [Start(3), Start(4)]
    assert play.tell(*ready(3, 4)).orders() == [Stop(2)]
    assert play.tell(died(2, 0)).orders() == []


def test_certificates_are_read_again_in_place_and_another_signal_restarts() -> None:
    play = serving(2, has_certificates=True).tell(HUP)
    assert play.orders() == [ReadCertificates((1, 2))]
    assert play.team.outdated == ()
    assert play.tell(Signalled(signal.SIGUSR2)).orders() == [Start(3)]
    assert play.tell(*ready(3)).orders() == [Stop(1)]
    assert play.tell(HUP).orders() == [ReadCertificates((2, 3))]  # in the middle of a restart
    assert play.tell(died(1, 0)).orders() == [Start(4)]
    assert play.tell(TERM).orders()[0] == StopListening((2, 3, 4))
    assert play.tell(HUP).orders() == []


def test_without_certificates_both_signals_restart() -> None:
    assert serving(2).tell(Signalled(signal.SIGUSR2)).orders() == [Start(3)]


# -- more and fewer --------------------------------------------------------------------------------


def test_signals_add_a_worker_and_take_one_away_but_not_the_last() -> None:
    play = serving(1).tell(Signalled(signal.SIGTTIN))
    assert play.orders() == [Start(2)]
    assert play.tell(*ready(2), Signalled(signal.SIGTTOU)).orders() == [Stop(2)]
    assert play.tell(died(2, 0), Signalled(signal.SIGTTOU)).orders() == []
    assert play.team.wanted == 1


def test_who_is_wanted_no_more_is_not_started_any_more() -> None:
    play = serving(2).tell(died(1), *ready(3), died(3))
    assert len(play.team.vacancies) == 1
    assert play.tell(Signalled(signal.SIGTTOU)).team.vacancies == ()
    assert [worker.number for worker in play.team.workers] == [2]


# -- files that change -----------------------------------------------------------------------------


def test_a_change_has_the_old_one_drain_before_the_next_one_starts() -> None:
    play = Play(1, is_watching=True).tell(*ready(1))
    assert play.orders() == [Start(1), Announce(1)]
    assert play.tell(Changed(("a.py", "b.py"))).orders() == [Stop(1)]
    assert play.tell(Changed(("a.py",))).orders() == []
    assert play.wait(GRACE + KILL_AFTER_SECONDS).orders() == [Kill(1)]
    assert play.tell(died(1)).orders() == [Start(2)]
    assert play.tell(*ready(2)).orders() == []  # announced already


def test_who_ends_by_itself_is_not_replaced_before_a_change() -> None:
    play = Play(1, is_watching=True).tell(died(1, 3))
    assert play.lines() == ["the server has exited with status 3; waiting for a change"]
    assert play.wait(60.0).orders() == []
    play.tell(Changed(("a.py",)))
    assert play.lines() == ["a.py changed: restarting"]
    assert play.tell(*ready(2), died(2, 0), TERM).orders()[-1] == End(0)


# -- laws ------------------------------------------------------------------------------------------

HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("ready"), st.integers(0, 5)),
        st.tuples(st.just("exit"), st.integers(0, 5), st.sampled_from([0, 1, 3, -9])),
        st.tuples(st.just("hup")),
        st.tuples(st.just("usr2")),
        st.tuples(st.just("ttin")),
        st.tuples(st.just("ttou")),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 5.0, 40.0])),
    ),
    max_size=40,
)
SIGNALS = {
    "hup": signal.SIGHUP,
    "usr2": signal.SIGUSR2,
    "ttin": signal.SIGTTIN,
    "ttou": signal.SIGTTOU,
}


def happen(play: Play, happening: tuple[object, ...]) -> None:
    """Tell a team of this, about a worker that there is."""
    kind, *rest = happening
    workers = play.team.workers
    if kind == "wait":
        play.wait(float(rest[0]))  # type: ignore[arg-type]
    elif kind in SIGNALS:
        play.tell(Signalled(SIGNALS[str(kind)]))
    elif workers:
        number = workers[int(rest[0]) % len(workers)].number  # type: ignore[call-overload]
        if kind == "ready":
            play.tell(*ready(number))
        else:
            play.tell(died(number, int(rest[1])))  # type: ignore[call-overload]


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4), HAPPENINGS)
def test_whatever_happens_enough_serve_in_the_end_and_all_end_at_a_stop(
    wanted: int, happenings: list[tuple[object, ...]]
) -> None:
    play = Play(wanted)
    for happening in happenings:
        if not play.team.is_stopping:
            happen(play, happening)
            live = [each for each in play.team.workers if each.phase is not Phase.LEAVING]
            assert len(live) <= play.team.wanted + 1
    if not play.team.is_stopping:
        for _ in range(40):  # everybody does as told
            for worker in play.team.workers:
                if worker.phase is Phase.STARTING:
                    play.tell(*ready(worker.number))
                elif worker.phase is Phase.LEAVING:
                    play.tell(died(worker.number, 0))
            play.wait(MAX_DELAY_SECONDS)
        phases = [worker.phase for worker in play.team.workers]
        assert phases == [Phase.SERVING] * play.team.wanted
        assert play.team.outdated == ()
        play.tell(TERM)
    play.tell(*(died(worker.number, 0) for worker in play.team.workers))
    assert play.orders()[-1] == End(play.team.status)
    assert play.team.workers == ()


def test_delays_double_up_to_a_bound() -> None:
    assert [delay_after(count) for count in (0, 1, 2, 3, 4, 99)] == [0, 0, 1, 2, 4, 30]
