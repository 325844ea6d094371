"""The spine: a server is a fold of events."""

from .fold import advance, make_server, next_deadline, stats, step

__all__ = ("advance", "make_server", "next_deadline", "stats", "step")
