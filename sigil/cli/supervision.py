"""Which processes are to serve, as a value: what happened goes in, what is to be done comes out.

Theory: a parent of processes decides, all day long, by how many there are and should be, who is
ready, who has died how soon, and what it was told by signals. None of that needs a process: so it
is a fold, like the core. `step` takes a team, an event and the time, and returns the next team and
orders. Whatever happens is first noted; then `_settle` compares what is with what should be.

Rules: the first worker starts alone, so that an application that cannot be loaded says so once, and
if nobody serves and nobody is starting, the command ends with the status of the last who tried. One
that dies is replaced at once, one that dies again soon after its start a while later, twice as long
each time. In a restart one after another, a new worker serves before an old one leaves, and if it
cannot, the old ones stay. SIGHUP is such a restart unless there are certificates, which are read
again instead, where they are, since a restart ends WebSockets; SIGUSR2 always is one. While files
are watched there is one process at a time, since the next one may need what the last one holds, and
whoever ended by itself is not replaced before a change. Whoever was told to leave and does not is
killed.

It does not know processes, sockets or signals' numbers beyond their meaning.
"""

import logging
import math
import signal
from typing import TypeAlias

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
    Vacancy,
    Worker,
    find_worker,
    live_workers,
    with_vacancy,
    with_worker,
    without_vacancy,
)

Orders: TypeAlias = tuple[Order, ...]
Step: TypeAlias = tuple[Team, Orders]

KILL_AFTER_SECONDS = 3.0
"""How long a process may take to exit beyond its grace period: a handler that never returns must
not be waited for.
"""
HURRY_SECONDS = 1.0
"""How long it may take to exit when it was to do so at once."""
SOON_SECONDS = 10.0
"""Who dies before it has served so long has died soon."""
MAX_DELAY_SECONDS = 30.0
"""The longest time until one that dies again and again is replaced."""
START_STATUS = 3
"""The exit status of a command whose worker was ended by a signal before it served."""


def step(team: Team, event: Event, now: float) -> Step:
    """The team after an event, and what is to be done."""
    match event:
        case Ready():
            team, noted = _note_ready(team, event, now)
        case Exited():
            team, noted = _note_exit(team, event, now)
        case Signalled():
            team, noted = _note_signal(team, event.signal, now)
        case Changed():
            team, noted = _note_change(team, event.paths, now)
        case TimePassed():
            noted = ()
    team, orders = _settle(team, now)
    return team, (*noted, *orders)


def next_deadline(team: Team) -> float:
    """When `TimePassed` is due."""
    vacancies = [vacancy.at for vacancy in team.vacancies if _may_start(team)]
    return min([*vacancies, *(worker.kill_at for worker in team.workers)], default=math.inf)


# -- what is noted ---------------------------------------------------------------------------------


def _note_ready(team: Team, event: Ready, now: float) -> Step:
    found = find_worker(team, event.number)
    if found is None or found.phase is not Phase.STARTING:
        return team, ()
    orders: Orders = () if team.has_served else (Announce(event.number),)
    if not team.is_watching:
        orders += (Log(logging.DEBUG, f"worker {event.pid} serves"),)
    serving = found._replace(phase=Phase.SERVING, since=now)
    return with_worker(team, serving)._replace(has_served=True), orders


def _note_exit(team: Team, event: Exited, now: float) -> Step:
    found = find_worker(team, event.number)
    if found is None:
        return team, ()
    left = tuple(worker for worker in team.workers if worker is not found)
    outdated = tuple(number for number in team.outdated if number != event.number)
    team = team._replace(workers=left, outdated=outdated)
    if found.phase is Phase.LEAVING:
        return team, ()
    if team.is_watching:
        text = f"the server has exited with status {event.status}; waiting for a change"
        return team._replace(wanted=0), (Log(logging.WARNING, text),)
    if found.phase is Phase.STARTING:
        return _note_failure(team, found, event, now)
    return _note_death(team, found, event, now)


def _note_failure(team: Team, worker: Worker, event: Exited, now: float) -> Step:
    """One has ended before it served."""
    what = f"worker {event.pid} {ending(event.status)} before it served"
    if not live_workers(team):
        status = event.status if event.status > 0 else START_STATUS
        return team._replace(is_stopping=True, status=status), (Log(logging.ERROR, what),)
    if team.outdated:
        text = f"{what}: the others stay as they are"
        return team._replace(outdated=()), (Log(logging.ERROR, text),)
    failures = worker.failures + 1
    delay = delay_after(failures + 1)
    text = f"{what}; another is started in {delay:g} s"
    return with_vacancy(team, now + delay, failures), (Log(logging.ERROR, text),)


def _note_death(team: Team, worker: Worker, event: Exited, now: float) -> Step:
    """One has ended that served."""
    what = f"worker {event.pid} {ending(event.status)}"
    if event.status == 0:  # it was asked to, by the program or after so many requests
        text = f"{what}: another takes its place"
        return with_vacancy(team, now, 0), (Log(logging.INFO, text),)
    failures = worker.failures + 1 if now - worker.since < SOON_SECONDS else 1
    delay = delay_after(failures)
    when = f"in {delay:g} s" if delay else "now"
    text = f"{what}; another is started {when}"
    return with_vacancy(team, now + delay, failures), (Log(logging.WARNING, text),)


def _note_signal(team: Team, number: int, now: float) -> Step:
    if number in (signal.SIGINT, signal.SIGTERM):
        return _note_stop(team, now)
    if team.is_stopping:
        return team, ()
    match number:
        case signal.SIGHUP if team.has_certificates:
            numbers = tuple(worker.number for worker in live_workers(team))
            return team, (ReadCertificates(numbers),)
        case signal.SIGHUP | signal.SIGUSR2:
            outdated = tuple(worker.number for worker in live_workers(team))
            text = f"restarting {len(outdated)} workers, one after another"
            return team._replace(outdated=outdated), (Log(logging.INFO, text),)
        case signal.SIGTTIN:
            return _note_wanted(team, team.wanted + 1)
        case signal.SIGTTOU:
            return _note_wanted(team, max(1, team.wanted - 1))
    return team, ()


def _note_wanted(team: Team, count: int) -> Step:
    text = f"{count} workers are wanted, there were {team.wanted}"
    return team._replace(wanted=count), (Log(logging.INFO, text),)


def _note_stop(team: Team, now: float) -> Step:
    """Stop, or, the second time, at once."""
    if not team.is_stopping:
        return team._replace(is_stopping=True), ()
    hurried = tuple(
        worker._replace(kill_at=min(worker.kill_at, now + HURRY_SECONDS)) for worker in team.workers
    )
    return team._replace(workers=hurried), tuple(Stop(each.number) for each in hurried)


def _note_change(team: Team, paths: tuple[str, ...], now: float) -> Step:
    if team.is_stopping:
        return team, ()
    text = f"{', '.join(paths)} changed: restarting"
    team, orders = _retire(team._replace(wanted=1), live_workers(team), now)
    return team, (Log(logging.INFO, text), *orders)


# -- what is, and what should be -------------------------------------------------------------------


def _settle(team: Team, now: float) -> Step:
    team, orders = _kill_overdue(team, now)
    if team.is_stopping:
        return _go_on_stopping(team, orders, now)
    team, retired = _retire_surplus(team, now)
    is_anybody_leaving = len(live_workers(team)) < len(team.workers)
    needed = team.wanted + (bool(team.outdated) and not is_anybody_leaving)
    missing = needed - len(live_workers(team)) - len(team.vacancies)
    team = team._replace(vacancies=team.vacancies + (Vacancy(now),) * missing)
    team, started = _start_due(team, now)
    return team, (*orders, *retired, *started)


def _kill_overdue(team: Team, now: float) -> Step:
    """Kill whoever was told to leave, and has not."""
    orders: Orders = ()
    for worker in team.workers:
        if worker.kill_at <= now:
            team = with_worker(team, worker._replace(kill_at=math.inf))
            text = f"{'the server' if team.is_watching else 'a worker'} does not exit: it is killed"
            orders += (Log(logging.WARNING, text), Kill(worker.number))
    return team, orders


def _go_on_stopping(team: Team, orders: Orders, now: float) -> Step:
    first: Orders = ()
    if not team.has_stopped:
        first = (StopListening(tuple(worker.number for worker in team.workers)),)
    team = team._replace(vacancies=(), has_stopped=True)
    team, retired = _retire(team, live_workers(team), now)
    end: Orders = () if team.workers else (End(team.status),)
    return team, (*orders, *first, *retired, *end)


def _retire_surplus(team: Team, now: float) -> Step:
    """Have leave whoever is too many: an old one that is replaced by now, else the youngest."""
    live = live_workers(team)
    serving = [worker for worker in live if worker.phase is Phase.SERVING]
    if team.outdated and len(serving) > team.wanted:
        old = tuple(worker for worker in live if worker.number == team.outdated[0])
        return _retire(team._replace(outdated=team.outdated[1:]), old, now)
    allowed = team.wanted + bool(team.outdated)
    surplus = max(0, len(live) + len(team.vacancies) - allowed)
    kept = team.vacancies[: max(0, len(team.vacancies) - surplus)]
    surplus -= len(team.vacancies) - len(kept)
    team = team._replace(vacancies=kept)
    return _retire(team, live[len(live) - surplus :], now)


def _retire(team: Team, workers: tuple[Worker, ...], now: float) -> Step:
    """Tell these to leave."""
    kill_at = now + team.grace + KILL_AFTER_SECONDS
    for worker in workers:
        team = with_worker(team, worker._replace(phase=Phase.LEAVING, since=now, kill_at=kill_at))
    return team, tuple(Stop(worker.number) for worker in workers)


def _start_due(team: Team, now: float) -> Step:
    """Start those whose time has come."""
    orders: Orders = ()
    for vacancy in team.vacancies:
        if vacancy.at > now or not _may_start(team):
            continue
        number = team.next_number
        team = team._replace(
            workers=(*team.workers, Worker(number, Phase.STARTING, now, vacancy.failures)),
            vacancies=without_vacancy(team.vacancies, vacancy),
            next_number=number + 1,
        )
        orders += (Start(number),)
    return team, orders


def _may_start(team: Team) -> bool:
    """True if another process may be started now: beside others, once one has served."""
    if team.is_watching:
        return not team.workers
    return team.has_served or not team.workers


# -- words and delays -----------------------------------------------------------------------------


def delay_after(failures: int) -> float:
    """Seconds until the next one is started, when so many have died soon, one after the other."""
    if failures < 2:
        return 0.0
    return min(MAX_DELAY_SECONDS, 2.0 ** min(failures - 2, 10))


def ending(status: int) -> str:
    """How a process ended, in words: `ended with status 1`, `was ended by SIGKILL`."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
