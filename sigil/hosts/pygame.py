"""A server in the loop of a game: pygame, at so many frames a second.

    for events in sigil.hosts.pygame.frames(server, fps=60):
        ...  # handle the events, move, draw, broadcast
        pygame.display.flip()

Theory: a game has a loop of its own, and what is left of a frame's time is spent waiting for the
next one. Here it is spent waiting for the server: requests are answered between two frames as they
come, and what a frame broadcasts leaves when it has been drawn.

Rules: it ends behind the frame that has seen `pygame.QUIT`, when the server has ended, and when the
loop is left; the server has ended then. A frame that takes longer than its time is followed by the
next one at once, behind one tick.
"""

import time
from collections.abc import Iterator
from typing import Any

from .hosting import Hosted, begin, end_now, is_running


def frames(hosted: Hosted, fps: float = 60.0) -> Iterator[list[Any]]:
    """The events of pygame that have come since the last frame, once a frame; meanwhile the server
    is ticked, which listens from now on. OSError if it cannot, RuntimeError if something else
    drives it.
    """
    import pygame

    begin(hosted, "frames")
    due_at = time.monotonic()
    try:
        while is_running(hosted):
            events = pygame.event.get()
            yield events
            if any(event.type == pygame.QUIT for event in events):
                return
            due_at = max(due_at + 1.0 / fps, time.monotonic())
            tick_until(hosted, due_at)
    finally:
        end_now(hosted)


def tick_until(hosted: Hosted, due_at: float) -> None:
    """Tick a server until this time on `time.monotonic()`, at least once, or until it has ended."""
    while is_running(hosted):
        left = due_at - time.monotonic()
        hosted.tick(max(0.0, left))
        if left <= 0.0:
            return
