"""The loop of `sigil stream`: one thread reads standard input and ticks the server.

Theory: the program that writes into the pipe should not have to wait for a browser on a phone. So
input is read and published as soon as it is there; slow clients are the ring's concern. The server
is ticked after every read, so that a flood of lines does not keep requests from being served.

Rules: there is one wait, for the input, the server's descriptor and signals, and no longer than
until the server's next deadline. Between two ticks there is one read, of a bounded length, and none
while lines of the last one are pending. The end of the input stops the server, unless it is to
linger; a signal stops both, after everything that was read has been published, a line without its
end too. In either case clients have a grace period to receive it, which a second signal cuts short.
The first signal after the end of the input changes nothing, because the server is stopping already.
A read that fails is the end of the input (a directory never gets this far: the interpreter refuses
to start with one).

The input is waited for with `select`, which supports every kind of file (epoll does not support
regular files, nor some systems' poll terminals). It is left in the mode in which it was inherited:
another process that shares it would not expect a change.

It does not know what a line is, nor who is subscribed.
"""

import logging
import os
import selectors
import sys
import time

from sigil import HttpServer
from sigil.apps.stream.app import LineStream
from sigil.apps.terminal import CommandError, print_note

_LOG = logging.getLogger("sigil.server")

READ_LEN = 65_536
"""Bytes of one read, at most: as much as a pipe holds."""
STANDARD_INPUT = 0
USAGE_STATUS = 2


def open_input(listener: int | None) -> int | None:
    """The descriptor of standard input; None if it is closed.

    `CommandError` if it is `listener`, the descriptor that was given as a socket to listen on.
    """
    if listener == STANDARD_INPUT:
        raise CommandError(
            "--fd 0 is standard input, from which lines are read: "
            "pass the socket as another descriptor",
            USAGE_STATUS,
        )
    if sys.stdin is None:
        # The next file to be opened must not get descriptor 0 and be read.
        os.open(os.devnull, os.O_RDONLY)
        return None
    return sys.stdin.fileno()


class Loop:
    """The loop that reads `descriptor` (None: a closed input) and ticks the server.

    With `is_lingering` the server goes on after the end of the input. `grace_seconds` is how long
    clients may take, when it stops, to receive what was published.
    """

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
        self._stop_requests = 0
        """Calls of `stop`, which alone changes it, and may interrupt any line here."""
        self._is_over = False
        """The input has ended, and the server is not to linger."""
        self._stops = 0
        """How often the server's `stop` was called."""
        self._is_note_printed = False
        """The note was printed that the server is stopping already."""

    def stop(self) -> None:
        """Stop once everything that was read is published; a second call stops at once.

        May be called from a signal handler.
        """
        self._stop_requests += 1

    def run(self) -> None:
        """Read, publish and serve until the server has stopped; SIGINT and SIGTERM call `stop`."""
        with self._selector as selector, self._server.stop_on_signals(stop=self.stop):
            selector.register(self._server.fileno(), selectors.EVENT_READ, self._server)
            self._open_input()
            while self._server.running:
                self._run_once()

    def _run_once(self) -> None:
        """Wait, read, publish, tick."""
        ready = [key.data for key, _ in self._selector.select(self._timeout_seconds())]
        stream = self._stream
        if self._stop_requests:
            self._close_input()
            stream.flush_partial_line()
            self._print_note()
        if stream in ready and self._descriptor is not None and not stream.has_pending:
            self._read(self._descriptor)
        stream.publish(self._server)
        # The first request waits until everything is published, a second one does not.
        if self._stop_requests > 1 or not stream.has_pending:
            self._stop_server()
        self._server.tick(0.0)

    def _timeout_seconds(self) -> float | None:
        """How long to wait at most: 0 while lines are pending or the server is to be stopped, None
        if there is no deadline.
        """
        if self._stream.has_pending or self._stops_due > self._stops:
            return 0.0
        deadline = self._server.next_deadline()
        return None if deadline is None else max(0.0, deadline - time.monotonic())

    # -- the input ---------------------------------------------------------------------------------

    def _open_input(self) -> None:
        """Wait for the input from now on, if it is open."""
        if self._descriptor is None:
            _LOG.warning("standard input is closed: there are no lines to publish")
            self._end_input()
            return
        if os.isatty(self._descriptor):
            print_note("reading lines from the terminal; Ctrl-D ends the input")
        self._selector.register(self._descriptor, selectors.EVENT_READ, self._stream)

    def _read(self, descriptor: int) -> None:
        """Read once, and pass on the bytes or the end of the input."""
        try:
            data = os.read(descriptor, READ_LEN)
        except (BlockingIOError, InterruptedError):  # another process that shares it was faster
            return
        except OSError as error:
            _LOG.warning("standard input cannot be read: %s", error.strerror)
            data = b""
        if data:
            self._stream.feed(data)
        else:
            self._end_input()

    def _close_input(self) -> None:
        """Stop reading."""
        if self._descriptor is not None:
            self._selector.unregister(self._descriptor)
            self._descriptor = None

    def _end_input(self) -> None:
        """Stop reading at the end of the input; its last lines may be pending."""
        self._close_input()
        self._stream.end()
        self._is_over = not self._is_lingering

    # -- stopping ----------------------------------------------------------------------------------

    @property
    def _stops_due(self) -> int:
        """How often the server's `stop` is to be called in all.

        The end of the input and the first request count as one.
        """
        return max(self._stop_requests, int(self._is_over))

    def _stop_server(self) -> None:
        """Call the server's `stop` as often as is due."""
        while self._stops < self._stops_due:
            self._stops += 1
            self._server.stop(self._grace_seconds)

    def _print_note(self) -> None:
        """Print, once, why the first request changes nothing: the server is stopping already."""
        if self._is_over and self._stop_requests == 1 and not self._is_note_printed:
            self._is_note_printed = True
            print_note(
                "the input has ended, and clients are being sent the rest; Ctrl-C again stops now"
            )
