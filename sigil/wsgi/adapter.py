"""`handler`: a handler of sigil that hands its requests to an application of WSGI.

Theory: the loop's thread makes a promise (`Deferred`) for each request and queues it; a thread of
the pool makes the environ, calls the application and resolves the promise. So the loop is never
held up by an application, nor is one request by another while there are threads.

Rules: a short body is read whole before the application is called, so that a slow client holds no
thread; a long one is read as the application reads it, and so is one whose length nobody knows,
when its beginning is there. More requests than `max_waiting` that wait for a thread are answered
with 503, and the log says so. It does not know what is answered.
"""

import io
import logging
import threading
import weakref
from typing import Any, Final

from sigil import Deferred, HttpServer, Request, Response
from sigil import __version__ as VERSION

from .body_reader import body_file
from .environ import Environ, Place, check_script_name, make_environ
from .errors import ErrorStream
from .exchange import Application, Exchange
from .file_wrapper import FileWrapper
from .pool import ThreadPool

MAX_WHOLE_LEN: Final = 65_536
"""Bytes of a body that is read whole: forms, and what programs send to each other."""
MAX_WAITING: Final = 1_024
"""Requests that wait for a thread: as many as there may be connections, by default."""

_LOG = logging.getLogger("sigil.error")


class Caller:
    """What a thread of the pool calls for each request: the application, with its environ."""

    def __init__(
        self, application: Application, place: Place, is_multithread: bool, is_multiprocess: bool
    ) -> None:
        self._application = application
        self.place = place
        self._errors = ErrorStream(_LOG)
        self._base: Environ = {
            "SERVER_SOFTWARE": f"sigil/{VERSION}",
            "wsgi.version": (1, 0),
            "wsgi.errors": self._errors,
            "wsgi.multithread": is_multithread,
            "wsgi.multiprocess": is_multiprocess,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
        }

    def __call__(self, exchange: Exchange) -> None:
        """Have the application answer; nothing is raised."""
        if not exchange.deferred.is_wanted:
            return
        try:
            exchange.run(self._application, self._environ_of(exchange))
        except BaseException as error:
            self._report(exchange, error)
        if self._errors.pending:
            self._errors.flush()

    def _environ_of(self, exchange: Exchange) -> Environ:
        """The environ for a request, with the file that its body is read from."""
        request = exchange.request
        environ = make_environ(request, self._base, self.place)
        if request.chunks is None or exchange.is_whole:
            body = exchange.prefix or request.body
            environ["wsgi.input"] = io.BytesIO(body)
            if body:
                environ["CONTENT_LENGTH"] = str(len(body))
        else:
            environ["wsgi.input"] = body_file(request.chunks.ask, exchange.prefix)
        return environ

    def _report(self, exchange: Exchange, error: BaseException) -> None:
        """Tell whoever waits that the application has raised."""
        try:
            exchange.fail(error)
        except BaseException:  # a handler of logs has raised, and there is nobody left to tell
            return


class WsgiHandler:
    """A handler that answers with an application of WSGI; `handler` makes it."""

    def __init__(self, caller: Caller, threads: int, max_waiting: int, max_whole_len: int) -> None:
        self._caller = caller
        self._pool: ThreadPool[Exchange] = ThreadPool(caller, threads, max_waiting)
        self.asks_above = max_whole_len
        self._is_full = False
        """Requests were refused, and all that waited since."""
        weakref.finalize(self, self._pool.close)

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return self._pool.waiting

    def before_body(self, request: Request) -> str:
        """How the body of a request is taken that is longer than `asks_above`, or whose length
        nobody knows: in pieces.
        """
        return "stream"

    def __call__(self, request: Request) -> Deferred | Response:
        """The response, later; a 503 if too many requests wait."""
        deferred = Deferred()
        if request.chunks is not None and "content-length" not in request.headers:
            self._collect(request, deferred, [])
        elif not self._submit(Exchange(request, deferred)):
            return busy()
        return deferred

    def _collect(self, request: Request, deferred: Deferred, pieces: list[bytes]) -> None:
        """Have the application called when all of a body is there whose length is not known, or so
        much of it that it is a long one.
        """
        chunks: Any = request.chunks
        length = 0

        def take(piece: Any) -> None:
            nonlocal length
            if not isinstance(piece, bytes):
                deferred.fail(piece)
                return
            pieces.append(piece)
            length += len(piece)
            if piece and length <= self.asks_above:
                chunks.ask().when_resolved(take)
            elif not self._submit(Exchange(request, deferred, b"".join(pieces), not piece)):
                deferred.resolve(busy())

        chunks.ask().when_resolved(take)

    def _submit(self, exchange: Exchange) -> bool:
        """Queue a request for a thread; False if too many wait, which is logged once."""
        if self._pool.submit(exchange):
            self._is_full = self._is_full and self._pool.waiting > 1
            return True
        if not self._is_full:
            self._is_full = True
            text = "%d requests wait for a thread of the application: more are answered with 503"
            _LOG.error(text, self._pool.waiting)
        return False

    def close(self) -> Deferred:
        """End the threads, behind what they are at; a `Deferred` that is resolved when they have
        ended. A later request starts new ones.
        """
        ended = Deferred()
        threads = self._pool.close()
        joiner = threading.Thread(target=_join, args=(threads, ended), daemon=True)
        if threads:
            joiner.start()
        else:
            ended.resolve(None)
        return ended

    def startup(self, server: HttpServer) -> None:
        """The server listens: its name and port are those of requests that name no host."""
        self._caller.place = self._caller.place._replace(host=server.host, port=server.port)

    def shutdown(self, server: HttpServer) -> Deferred:
        """The server has ended, and so do the threads."""
        return self.close()


def _join(threads: list[threading.Thread], ended: Deferred) -> None:
    """Wait for threads."""
    for thread in threads:
        thread.join()
    ended.resolve(None)


def busy() -> Response:
    """The answer to a request that there is no thread for."""
    text = "all threads of the application are busy"
    return Response.error(503, text, headers=(("Retry-After", "1"),))


def handler(
    app: Application,
    threads: int = 4,
    *,
    script_name: str = "",
    multiprocess: bool = False,
    max_waiting: int = MAX_WAITING,
    max_whole_len: int = MAX_WHOLE_LEN,
) -> WsgiHandler:
    """A handler that answers with `app`, an application of WSGI (PEP 3333), which is called in one
    of up to `threads` threads.

    `script_name` is the path at which a proxy has it, such as `"/app"`; with `multiprocess` it is
    told that other processes serve it too (`wsgi.multiprocess`). If more than `max_waiting`
    requests wait for a thread, further ones are answered with 503. A body of more than
    `max_whole_len` bytes is read as the application reads it, and a shorter one before it is
    called. TypeError or ValueError for what makes no sense.
    """
    if not callable(app):
        raise TypeError(f"an application is called, and {type(app).__name__} cannot be")
    _check_number("threads", threads, 1)
    _check_number("max_waiting", max_waiting, 1)
    _check_number("max_whole_len", max_whole_len, 0)
    problem = check_script_name(script_name)
    if problem is not None:
        raise ValueError(problem)
    caller = Caller(app, Place(script_name), threads > 1, bool(multiprocess))
    return WsgiHandler(caller, threads, max_waiting, max_whole_len)


def _check_number(name: str, number: object, least: int) -> None:
    """ValueError for what is no whole number, or less than may be."""
    if type(number) is not int or number < least:
        raise ValueError(f"{name} is a whole number from {least}, not {number!r}")
