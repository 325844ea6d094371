"""The spine: a server is a fold of events."""

from .clock import next_deadline
from .fold import advance, step
from .state import make_server
from .stats import stats

__all__ = ("advance", "make_server", "next_deadline", "stats", "step")
