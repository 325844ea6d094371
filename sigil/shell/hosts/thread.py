"""A server in a thread of its own: for notebooks, and for programs whose loop is taken.

Theory: a server belongs to the thread that ticks it, so this starts one that does nothing else, and
ends it again.

Rules: the port is bound before the thread starts, so that who asked for it sees the error. A thread
that is left by an exception says so in the log. A port that this process serves already may be
taken over when that is asked for: that is what running a notebook cell twice means. It does not
know what is served.
"""

import logging
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from ..program.tracebacks import format_traceback

if TYPE_CHECKING:
    from ..server import HttpServer

_SERVING: dict[tuple[str, int], "ServerThread"] = {}
"""What this process serves from threads, by host and port, so that a notebook cell can be run
again.
"""
_LOCK = threading.RLock()
"""Held while that is looked at and changed, so that of two who take over a port one comes after the
other. Nobody waits for a thread with it.
"""


class ServerThread:
    """A server that is running in a thread; `stop` it, or leave the `with` block."""

    server: "HttpServer"

    def __init__(self, server: "HttpServer", reuse: bool) -> None:
        self.server = server
        previous = self._begin(reuse)
        while previous is not None:
            previous.stop(0.0)
            previous = self._begin(reuse)

    def _begin(self, reuse: bool) -> "ServerThread | None":
        """Bind the port and start the thread; or nothing but who has the port and is to be stopped
        first.
        """
        server = self.server
        with _LOCK:
            if any(serving.server is server and serving.is_alive for serving in _SERVING.values()):
                raise RuntimeError("the server has a thread already")
            previous = _SERVING.get((server.host, server.port)) if reuse else None
            if previous is not None:
                return previous
            server.listen()
            self._key = (server.host, server.port)
            self._thread = threading.Thread(
                target=self._run, name=f"sigil:{server.port}", daemon=True
            )
            try:
                self._thread.start()
            except BaseException:  # no more threads are to be had
                server.stop_now()
                raise
            _SERVING[self._key] = self
        return None

    def _run(self) -> None:
        """What the thread does."""
        try:
            self.server.server_loop()
        except BaseException as error:
            logging.getLogger("sigil.error").error(
                "the server's thread ended\n%s", format_traceback(error)
            )

    @property
    def is_alive(self) -> bool:
        """True until the thread has ended."""
        return self._thread.is_alive()

    def stop(self, grace: float = 5.0) -> None:
        """Stop the server and wait until it has: what is under way is answered for up to `grace`
        seconds.
        """
        self.server.stop(grace)
        self._thread.join()
        with _LOCK:
            if _SERVING.get(self._key) is self:
                del _SERVING[self._key]

    def __enter__(self) -> "HttpServer":
        return self.server

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
