"""The loop of `sigil stream`: standard input is read on, and the server is ticked, by one thread.

Theory: whoever writes to the other end of a pipe is a program that has something else to do than
wait for a browser on a telephone. So what can be read is read at once, and said; who is too slow to
hear it is the ring's business. And the server is turned after every read, so that a flood of lines
keeps nobody from being served.

Rules: one wait for everything: the input, the server's descriptor, signals; no longer than until
the server has something to do at a given time. One read, of a bounded length, between two ticks,
and none while lines of the last one are waiting. The end of the input is the end of the server,
unless it is to linger; a signal is the end of both, after what was read has been said, be it a line
without its end. Either way clients have a time of grace to take it, which a second signal cuts
short; the end of the input is nobody's impatience, so the first signal after it only agrees with
it. A read that fails is the end of the input (a directory never gets so far: the interpreter
refuses to start with one).

The input is waited for with `select`, which knows every kind of it (epoll does not know regular
files, nor some systems' poll terminals). It is left in the mode in which it was inherited: who
shares it would not expect another one.

It does not know what a line is, nor who hears it.
"""

import logging
import os
import selectors
import sys
import time

from sigil import HttpServer
from sigil.apps.stream.app import LineStream
from sigil.apps.terminal import CommandError, print_note
from sigil.shell.loop.mailbox import Mailbox
from sigil.shell.loop.signals import waking_on_signals

_LOG = logging.getLogger("sigil.server")

READ_LEN = 65_536
"""Bytes of one read: as much as a pipe holds."""
STANDARD_INPUT = 0
USAGE_STATUS = 2


def input_to_read(listener: int | None) -> int | None:
    """The descriptor of standard input; None if it is closed.

    `CommandError` if it is the one that was given as a socket to listen on, `listener`.
    """
    if listener == STANDARD_INPUT:
        raise CommandError(
            "--fd 0 is standard input, of which the lines are read: pass the socket as another descriptor",
            USAGE_STATUS,
        )
    if sys.stdin is None:
        # Whatever is opened next must not take its place and be read.
        os.open(os.devnull, os.O_RDONLY)
        return None
    return sys.stdin.fileno()


class Loop:
    """The server and the input, turned together."""

    def __init__(
        self,
        server: HttpServer,
        stream: LineStream,
        descriptor: int | None,
        *,
        is_lingering: bool,
        grace_seconds: float,
    ) -> None:
        self._server = server
        self._stream = stream
        self._descriptor = descriptor
        self._is_lingering = is_lingering
        self._grace_seconds = grace_seconds
        self._selector = selectors.SelectSelector()
        self._alarm: Mailbox[None] = Mailbox(lambda word: None)
        self._calls = 0
        """How often somebody has asked for the end; only `stop` counts them, which may come between
        any two lines.
        """
        self._is_over = False
        """The input has ended, all of it is said, and that is the end."""
        self._stops = 0
        """How often the server was told to stop."""
        self._is_explained = False
        """Whoever called after the end of the input was told that it has begun."""

    def stop(self) -> None:
        """End after what was read has been said; a second time, at once. May be called from a
        signal handler.
        """
        self._calls += 1

    def run(self) -> None:
        """Turn until the server has stopped."""
        with self._selector as selector:
            selector.register(self._server.fileno(), selectors.EVENT_READ, self._server)
            self._alarm.open(selector)
            self._open_input()
            try:
                with waking_on_signals(self._alarm.fileno()):
                    while self._server.running:
                        self._turn()
            finally:
                self._alarm.close()

    def _turn(self) -> None:
        """Wait, read, say, tick."""
        ready = [key.data for key, _ in self._selector.select(self._patience_seconds())]
        if self._alarm in ready:
            self._alarm.drain_wakeup()
        if self._calls:
            self._leave_input()
            self._stream.break_off()
            self._explain()
        if self._stream in ready and self._descriptor is not None and not self._stream.is_waiting:
            self._read(self._descriptor)
        self._stream.publish(self._server)
        if self._calls > 1 or not self._stream.is_waiting:
            self._end_if_asked()
        self._server.tick(0.0)

    def _patience_seconds(self) -> float | None:
        """How long to wait at most: not at all while there is something to say, or the end to be
        told.
        """
        if self._stream.is_waiting or self._stops_due > self._stops:
            return 0.0
        at = self._server.next_deadline()
        return None if at is None else max(0.0, at - time.monotonic())

    # -- the input ---------------------------------------------------------------------------------

    def _open_input(self) -> None:
        """Wait for the input from now on, if there is one."""
        if self._descriptor is None:
            _LOG.warning("standard input is closed: there is nothing to stream")
            self._finish_input()
            return
        if os.isatty(self._descriptor):
            print_note("reading what is typed, line by line; Ctrl-D ends it")
        self._selector.register(self._descriptor, selectors.EVENT_READ, self._stream)

    def _read(self, descriptor: int) -> None:
        """Take what there is, or the end of it."""
        try:
            data = os.read(descriptor, READ_LEN)
        except (BlockingIOError, InterruptedError):  # it is shared, and somebody else was quicker
            return
        except OSError as error:
            _LOG.warning("standard input cannot be read: %s", error.strerror)
            data = b""
        if data:
            self._stream.take(data)
        else:
            self._finish_input()

    def _leave_input(self) -> None:
        """Read no more of it."""
        if self._descriptor is not None:
            self._selector.unregister(self._descriptor)
            self._descriptor = None

    def _finish_input(self) -> None:
        """There is no more of it; its last line may be waiting."""
        self._leave_input()
        self._stream.end()
        self._is_over = not self._is_lingering

    # -- the end -----------------------------------------------------------------------------------

    @property
    def _stops_due(self) -> int:
        """How often the server is to be told by now: the end of the input and the first call are
        the same word.
        """
        return max(self._calls, int(self._is_over))

    def _end_if_asked(self) -> None:
        """Tell the server to stop, as often as was asked."""
        while self._stops < self._stops_due:
            self._stops += 1
            self._server.stop(self._grace_seconds)

    def _explain(self) -> None:
        """Say, once, why the first call ends nothing: the end has begun already."""
        if self._is_over and self._calls == 1 and not self._is_explained:
            self._is_explained = True
            print_note(
                "the input has ended, and clients are being sent the rest; once more ends it at once"
            )
