"""A team of processes that serve, as a value; what may happen to it, and what may be ordered.

Theory: the records of `supervision`: who is there and what for, the events that its fold takes, and
the orders that it returns. Both sums are closed.

Rules: a team is rebuilt by the functions that stand beside it. It does not know what follows from
an event.
"""

import math
from enum import Enum
from typing import NamedTuple, TypeAlias


class Phase(Enum):
    """What a worker is doing."""

    STARTING = "it loads the application"
    SERVING = "it serves"
    LEAVING = "it was asked to end"


class Worker(NamedTuple):
    """One process."""

    number: int
    phase: Phase
    since: float
    failures: int = 0
    """How many before it, one after the other, have died soon."""
    kill_at: float = math.inf


class Vacancy(NamedTuple):
    """A worker that is to be started, and when."""

    at: float
    failures: int = 0


class Team(NamedTuple):
    """All workers, those that are to come, and what is wanted."""

    wanted: int
    grace: float
    is_watching: bool = False
    """Changes of files restart the one process that there is."""
    has_certificates: bool = False
    """There are files of certificates, which SIGHUP has read again."""
    workers: tuple[Worker, ...] = ()
    vacancies: tuple[Vacancy, ...] = ()
    outdated: tuple[int, ...] = ()
    """Workers that are to be replaced, one after another."""
    next_number: int = 1
    has_served: bool = False
    is_stopping: bool = False
    has_stopped: bool = False
    """The workers were asked to end, and no socket is kept for others."""
    status: int = 0


def find_worker(team: Team, number: int) -> Worker | None:
    """The worker with this number; None if it has ended."""
    return next((worker for worker in team.workers if worker.number == number), None)


def live_workers(team: Team) -> tuple[Worker, ...]:
    """Those that serve, or will."""
    return tuple(worker for worker in team.workers if worker.phase is not Phase.LEAVING)


def with_worker(team: Team, changed: Worker) -> Team:
    """The team with another record of a worker."""
    workers = (changed if each.number == changed.number else each for each in team.workers)
    return team._replace(workers=tuple(workers))


def with_vacancy(team: Team, at: float, failures: int) -> Team:
    """The team with another worker to be started."""
    return team._replace(vacancies=(*team.vacancies, Vacancy(at, failures)))


def without_vacancy(vacancies: tuple[Vacancy, ...], one: Vacancy) -> tuple[Vacancy, ...]:
    """All but one of these."""
    place = vacancies.index(one)
    return vacancies[:place] + vacancies[place + 1 :]


# -- what happens, and what is to be done ----------------------------------------------------------


class Ready(NamedTuple):
    """A worker serves."""

    number: int
    pid: int


class Exited(NamedTuple):
    """A process has ended; the status is negative for the signal that ended it."""

    number: int
    pid: int
    status: int


class Signalled(NamedTuple):
    """The parent was sent a signal."""

    signal: int


class Changed(NamedTuple):
    """Files have changed."""

    paths: tuple[str, ...]


class TimePassed(NamedTuple):
    """It is later, maybe late enough for something; or the parent has begun."""

    now: float


class Start(NamedTuple):
    """Start a process."""

    number: int


class Stop(NamedTuple):
    """Ask a process to drain and end; a second time, to end at once."""

    number: int


class Kill(NamedTuple):
    """End a process."""

    number: int


class ReadCertificates(NamedTuple):
    """Have these processes read the files of certificates again, and keep their connections."""

    numbers: tuple[int, ...]


class Announce(NamedTuple):
    """Print where somebody listens now: this worker, the first one."""

    number: int


class StopListening(NamedTuple):
    """Close the parent's listening sockets; when these workers have closed theirs, nobody does."""

    numbers: tuple[int, ...]


class Log(NamedTuple):
    """Write a line."""

    level: int
    text: str


class End(NamedTuple):
    """All is over."""

    status: int


Event: TypeAlias = Ready | Exited | Signalled | Changed | TimePassed
Order: TypeAlias = Start | Stop | Kill | ReadCertificates | Announce | StopListening | Log | End
