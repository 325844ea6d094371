"""A server in a thread of its own: for notebooks, and for programs whose loop is taken.

Theory: a server belongs to the thread that ticks it, so this starts one that does nothing else, and ends it again.

Rules: the port is bound before the thread starts, so that who asked for it sees the error.  A thread that is left by an
exception says so in the log.  A port that this process serves already may be taken over when that is asked for: that
is what running a notebook cell twice means.  It does not know what is served.
"""

import logging
import threading
import traceback
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import HttpServer

_SERVING: dict[tuple[str, int], "Serving"] = {}
"""What this process serves from threads, by host and port, so that a notebook cell can be run again."""


class Serving:
    """A server that is running in a thread; `stop` it, or leave the `with` block."""

    server: "HttpServer"

    def __init__(self, server: "HttpServer", reuse: bool) -> None:
        if any(serving.server is server and serving.is_alive for serving in tuple(_SERVING.values())):
            raise RuntimeError("the server has a thread already")
        previous = _SERVING.get((server.host, server.port)) if reuse else None
        if previous is not None:
            previous.stop(0.0)
        server.listen()
        self.server = server
        self._key = (server.host, server.port)
        self._thread = threading.Thread(target=self._run, name=f"sigil:{server.port}", daemon=True)
        _SERVING[self._key] = self
        self._thread.start()

    def _run(self) -> None:
        """What the thread does."""
        try:
            self.server.server_loop()
        except BaseException:
            logging.getLogger("sigil.error").error("the server's thread ended\n%s", traceback.format_exc())

    @property
    def is_alive(self) -> bool:
        """True until the thread has ended."""
        return self._thread.is_alive()

    def stop(self, grace: float = 5.0) -> None:
        """Stop the server and wait until it has: what is under way is answered for up to `grace` seconds."""
        self.server.stop(grace)
        self._thread.join()
        if _SERVING.get(self._key) is self:
            del _SERVING[self._key]

    def __enter__(self) -> "HttpServer":
        return self.server

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()
