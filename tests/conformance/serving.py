"""The server under test: one real sigil server with an echo handler, ticked by a thread of its own.

What it is: `echo` answers with what the server understood of a request; `ServerThread` starts a
server through the public face, ticks it in the background until told to stop, and says when a tick
has passed. Its rules: only public names of sigil; an exception out of a tick is kept and raised in
the test that sees it next. What it does not know: what is asked of the server, or what it should
answer.
"""

import threading
from types import TracebackType

from sigil import Limits, Request, Response, make_http_server
from tests.conformance.case import show_body

TICK = 0.02
PATIENCE = 60.0


def echo(request: Request) -> Response:
    """What the server understood, as JSON; it differs in type from the server's own refusals, which
    are text.
    """
    return Response.json(
        {
            "method": request.method,
            "target": request.target,
            "path": request.path,
            "query": request.query,
            "x_seen": request.headers.get("x-seen"),
            "body": show_body(request.body),
        }
    )


class Serving:
    """A server on a free port of 127.0.0.1, from `__enter__` to `__exit__`."""

    def __init__(self) -> None:
        self._server = make_http_server(echo, host="127.0.0.1", port=0, limits=Limits())
        self._stop = threading.Event()
        self._ticked = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="sigil under test", daemon=True)

    def __enter__(self) -> "Serving":
        self._server.listen()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)
        self._server.stop(0)
        self.check()
        if self._thread.is_alive():
            raise AssertionError(f"a tick did not return within {PATIENCE} s")

    @property
    def port(self) -> int:
        """The port that the kernel chose."""
        return self._server.port

    def settle(self) -> None:
        """Return when a tick has ended, so that bytes sent before are most likely read
        one by one.
        """
        self._ticked.wait(PATIENCE)
        self._ticked.clear()
        self.check()

    def check(self) -> None:
        """Raise what a tick raised, if any did."""
        if self._failure is not None:
            raise AssertionError("a tick of the server raised") from self._failure

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._server.tick(TICK)
                self._ticked.set()
        except BaseException as error:  # the thread has nobody to raise to: the next test does it
            self._failure = error
            self._ticked.set()
