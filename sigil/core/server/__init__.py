"""The spine: a server is a value, and events are folded over it.

Theory: `step(server, event)` returns the next server and the effects that the world is to carry
out; `advance` does so for many events. That is all a server is: no sockets, no clock and no threads
are in here, so a run is a list of events, and the same list always has the same result.

From the record to the fold: `state` is the record, of which `slots`, `timer_wheel`, `budgets` and
`totals` are parts. `eviction` ranks clients, and `cohorts` records which subscriber is where.
`batch` applies a run of transitions; `flush`, `publish`, `lifecycle`, `clock` and `admission` do
what concerns the server as a whole, and `fold` has the tables of both. `stats` reads figures off
the record.

It does not know what connections do among themselves: they do not know each other.
"""

from .clock import next_deadline
from .fold import advance, step
from .state import make_server
from .stats import stats

__all__ = ("advance", "make_server", "next_deadline", "stats", "step")
