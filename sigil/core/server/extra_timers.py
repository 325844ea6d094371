"""Timers of clients whose deadline is nearer than the period of the wheel.

Theory: no deadline is nearer than the period, so one place in the wheel is enough for each client;
but one that has ended its side has little time, and a program may give any client less. Such a
client is put into the wheel once more, and how often that was done for a timeout of the program is
remembered, so that the places are given up when they come up and are needed no more. Else a client
whose timeout is set for each message would have more of them all the time.

Rules: there are no more than `EXTRA_TIMERS_MAX` for one client: a timeout that is moved to and fro
more often within one period is noticed late, by a period at most. A place is given up only where
another one, which is in the wheel, is soon enough. This file does not know what is due.
"""

from typing import Final

from ..connection.client import Client, with_outgoing
from ..connection.control import control_of
from ..connection.deadlines import deadline_of
from ..connection.outgoing import asked_of, with_control
from .state import Server
from .timer_wheel import schedule

EXTRA_TIMERS_MAX: Final = 3


def look_in_time(
    server: Server, before: Client, after: Client, now: float
) -> tuple[Server, Client]:
    """The server and the client after an event that may have given it a nearer deadline."""
    if after.incoming.peer_half_closed and not before.incoming.peer_half_closed:
        deadline = deadline_of(after, server.limits)
        return server.replace(wheel=schedule(server.wheel, after.conn, now, deadline)), after
    control = after.outgoing.control
    if control is None or control is before.outgoing.control or control.timeout is None:
        return server, after
    was, until = asked_of(before.outgoing).timeout, control.timeout.until
    is_nearer = was is None or until < was.until
    is_soon = until < now + server.wheel.period
    if not (is_nearer and is_soon) or control.extra_timers >= EXTRA_TIMERS_MAX:
        return server, after
    wheel = schedule(server.wheel, after.conn, now, until)
    control = control.replace(extra_timers=control.extra_timers + 1)
    after = with_outgoing(after, with_control(after.outgoing, control))
    return server.replace(wheel=wheel), after


def gives_up_timer(client: Client, deadline: float, now: float, period: float) -> bool:
    """True if a client that was looked at need not be put into the wheel again: it is there once
    more, which is soon enough for its deadline.
    """
    return asked_of(client.outgoing).extra_timers > 0 and deadline >= now + period


def without_extra_timer(client: Client) -> Client:
    """The client with one extra timer fewer."""
    control = asked_of(client.outgoing)
    control = control.replace(extra_timers=control.extra_timers - 1)
    return with_outgoing(client, with_control(client.outgoing, control_of(control)))
