"""A server in a thread of its own: for notebooks, and for programs whose loop is taken.

Theory: a server belongs to the thread that ticks it, so this starts one that does nothing else, and
ends it again.

Rules: the port is bound before the thread starts, so that who asked for it sees the error. A thread
that is left by an exception logs it. A port that this process serves already may be
taken over when that is asked for: that is what running a notebook cell twice means. It does not
know what is served.
"""

import logging
import threading
from types import TracebackType
from typing import Any, Generic, TypeVar

from ...core.effects import ERROR_LOG
from ..messaging import NO_THREAD
from ..program.host import Ticked
from ..program.logs import write_text
from ..program.tracebacks import SecondSignal, error_text

PENDING = -1
"""Stands for a thread that has not begun."""
LAST_SECONDS = 1.0
"""How long a thread in which user code blocks is waited for after a second signal; it ends with the
process.
"""

ServerType = TypeVar("ServerType", bound=Ticked)

_SERVING: dict[tuple[str, int], "ServerThread[Any]"] = {}
"""The threads of this process that serve, by host and port, so that a notebook cell can be run
again.
"""
_LOCK = threading.RLock()
"""Held while that is read and changed, so that of two which take over a port one comes after the
other. Nobody joins a thread while holding it.
"""


class ServerThread(Generic[ServerType]):
    """A server that is running in a thread; `stop` it, or leave the `with` block."""

    def __init__(self, server: ServerType, reuse: bool) -> None:
        self.server = server
        previous = self._begin(reuse)
        while previous is not None:
            previous.stop(0.0)
            previous = self._begin(reuse)

    def _begin(self, reuse: bool) -> "ServerThread[Any] | None":
        """None when the port is bound and the thread started; or the thread that has the port and
        is to be stopped first.
        """
        server = self.server
        with _LOCK:
            if any(serving.server is server and serving.is_alive for serving in _SERVING.values()):
                raise RuntimeError("the server has a thread already")
            previous = _SERVING.get((server.host, server.port)) if reuse else None
            if previous is not None:
                return previous
            server._hand_over(PENDING)
            try:
                server.listen()
            except BaseException as error:
                server._hand_over(NO_THREAD)
                if isinstance(error, OSError) and (server.host, server.port) in _SERVING:
                    raise OSError(
                        error.errno,
                        f"{error.strerror}; this process serves there from a thread, which "
                        "serve_in_thread(reuse=True) stops first",
                    ) from error
                raise
            self._key = (server.host, server.port)
            self._thread = threading.Thread(
                target=self._run, name=f"sigil:{server.port}", daemon=True
            )
            try:
                self._thread.start()
            except BaseException:  # no more threads are to be had
                server._hand_over(NO_THREAD)
                server._stop_now()
                raise
            _SERVING[self._key] = self
        return None

    def _run(self) -> None:
        """Serve until the server has stopped; runs in the thread."""
        try:
            self.server._hand_over(threading.get_ident())
            self.server._serve_here()
        except BaseException as error:
            text = error_text("the server's thread ended", error)
            write_text(logging.getLogger(ERROR_LOG), logging.ERROR, text)

    @property
    def is_alive(self) -> bool:
        """True until the thread has ended."""
        return self._thread.is_alive()

    def stop(self, grace: float = 5.0) -> None:
        """Stop the server and wait until it has: what is under way is answered for up to `grace`
        seconds.
        """
        self._stop(grace, None)

    def _stop(self, grace: float, patience: float | None) -> None:
        """Stop the server, and wait for its thread up to `patience` seconds."""
        self.server.stop(grace)
        self._thread.join(patience)
        with _LOCK:
            if _SERVING.get(self._key) is self:
                del _SERVING[self._key]

    def __enter__(self) -> ServerType:
        return self.server

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and isinstance(error.__cause__ or error, SecondSignal):
            self._stop(0.0, LAST_SECONDS)  # user code blocks there, and cannot be interrupted
        else:
            self.stop()
