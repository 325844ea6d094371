"""The requests of a recording given to a handler anew: which answers differ.

Theory: a handler is a function of a request, and a recording has the requests that were handed to
it and the answers that it gave. So another handler, or the same one after a change, is given the
same requests, by the very code that calls handlers in a server, and its answers are compared with
those that were recorded.

Rules: requests are given one by one, in the order in which they were handed out, each with its body
as a whole. A stream is read as far as it was recorded. Asynchronous handlers run in an asyncio loop
of their own, and one answer is waited for no longer than `timeout` seconds. What a handler does
besides, to a file or a database, it does again: that is the business of whoever asks for it. It
does not know the network: nobody is connected.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ...core.effects import CloseBody, Handle, Pull
from ...core.events import (
    Event,
    HandlerFailed,
    HandlerReturned,
    StreamChunk,
    StreamEnded,
    TimeRead,
)
from ...core.http.bodies import StreamedBody
from ...core.http.head import parse_headers_only
from ...core.http.response import Response
from ...core.limits import Limits
from ...core.server.state import make_server
from ...core.server.stats import Stats, stats
from ...core.trace.answers import AnswerDifference, Example, Outcome, difference_between
from ..callbacks import Callbacks
from ..control import Controlling
from ..hosts.asyncio_host import run_and_deliver
from ..loop.engine import Engine
from ..program.body_sources import LateChunk
from ..program.deferred import Deferred
from ..program.handlers import Application, Handler
from ..program.host import Posted
from ..program.jobs import LateResult, Returned

TIMEOUT = 30.0
"""Seconds for which one answer is waited for."""
IDLE_SECONDS = 0.01
"""How long a stream is left alone that has nothing to yield."""


class AnswersLate(TimeoutError):
    """A handler did not answer a request in time."""


def differences(
    handler: Handler,
    examples: Iterable[Example],
    limits: Limits,
    ignoring: Collection[str] = (),
    has_bodies: bool = True,
    timeout: float = TIMEOUT,
) -> list[AnswerDifference]:
    """The requests that a handler answers in another way than was recorded, in order."""

    async def compare() -> list[AnswerDifference]:
        asking = Asking(handler, limits, timeout)
        await asking.begin()
        try:
            found = []
            for example in examples:
                outcome = await asking.answer(example)
                found.append(difference_between(example, outcome, ignoring, has_bodies))
            return [difference for difference in found if difference is not None]
        finally:
            await asking.end()

    if not _is_in_loop():
        return asyncio.run(compare())
    with ThreadPoolExecutor(1) as pool:  # a notebook: its own loop runs already
        return pool.submit(asyncio.run, compare()).result()


def _is_in_loop() -> bool:
    """True if this thread runs a loop of asyncio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Asking(Controlling):
    """What a handler takes for its server, which only gives it requests that were recorded."""

    def __init__(self, handler: Handler, limits: Limits, timeout: float) -> None:
        state = make_server(limits, 0.0, int(time.time()))
        super().__init__(limits, Engine(state, parse_headers_only, self._read_time))
        self._application = Application(self, handler, Callbacks(), self._engine.events)
        self._engine.run_queue = self._application.run_queue
        self._engine.perform_work = self._application.perform_work
        self._timeout = timeout
        self._posted: deque[Posted] = deque()
        self._loop = asyncio.get_running_loop()
        self._has_posted = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._application.set_spawn(self._spawn)

    # -- what a handler may ask its server ---------------------------------------------------------

    @property
    def running(self) -> bool:
        """True: there is somebody to answer to."""
        return True

    @property
    def listening(self) -> bool:
        """True, as of a server that serves."""
        return True

    @property
    def host(self) -> str:
        """A host of this machine; nothing is listened on."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """0: there is none."""
        return 0

    def stats(self) -> Stats:
        """The statistics of the recorded server."""
        return stats(self._engine.snapshot)

    def next_deadline(self) -> float | None:
        """None: nothing is scheduled."""
        return None

    def stop(self, grace: float = 5.0) -> None:
        """Nothing: it ends with the recording."""

    def wake(self) -> None:
        """Something has come for whoever waits here, from whatever thread."""
        self._loop.call_soon_threadsafe(self._has_posted.set)

    # -- requests ----------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Let the handler begin, if it has a `startup`."""
        lifespan = self._application.lifespan
        if lifespan.is_starting:
            lifespan.start()
        until = self._loop.time() + self._timeout
        while lifespan.is_starting:
            await self._wait(until, "the handler has not begun")
            lifespan.start()

    async def end(self) -> None:
        """Let the handler end, and cancel what it has left."""
        lifespan, until = self._application.lifespan, self._loop.time() + self._timeout
        while not lifespan.end(self._loop.time(), self._timeout) and self._loop.time() < until:
            await asyncio.sleep(IDLE_SECONDS)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def answer(self, example: Example) -> Outcome:
        """What this handler answers to a request that was recorded."""
        ticket, application = example.ticket, self._application
        self._engine.begin(example.server, parse_headers_only)
        self._engine.events.clear()
        application.run_queue.begin_tick()
        try:
            await asyncio.sleep(0)
            self._add(application.handle_request(Handle(ticket, (example.request,))))
            response = await self._next(example, (HandlerReturned, HandlerFailed))
            if isinstance(response, HandlerFailed):
                status, message = response.status, response.message
                return Outcome(
                    None, status=status, message=message, traceback=str(response.traceback)
                )
            assert isinstance(response, HandlerReturned)
            return await self._with_stream(example, response.responses[0])
        except AnswersLate as error:
            return Outcome(None, status=503, traceback=str(error))
        finally:
            application.close_body(CloseBody(ticket))
            application.end_connection(ticket.conn)

    async def _with_stream(self, example: Example, response: Response) -> Outcome:
        """The answer with as much of its stream as was recorded, and one byte more."""
        if not isinstance(response.body, StreamedBody):
            return Outcome(response)
        chunks, length, wanted = list[bytes](), 0, len(example.outcome.stream)
        while length <= wanted and (example.outcome.has_ended or length < wanted):
            self._application.run_queue.begin_tick()
            self._add(self._application.sources.pull(Pull(example.ticket)))
            event = await self._next(example, (StreamChunk, StreamEnded, HandlerFailed))
            if isinstance(event, StreamChunk):
                chunks.append(event.data)
                length += len(event.data)
                continue
            traceback = str(event.traceback) if isinstance(event, HandlerFailed) else ""
            return Outcome(response, b"".join(chunks), not traceback, traceback=traceback)
        return Outcome(response, b"".join(chunks), has_ended=False)

    async def _next(self, example: Example, kinds: tuple[type[Any], ...]) -> Any:
        """The next event of one of these kinds about a request."""
        request, until = example.request, self._loop.time() + self._timeout
        what = f"{request.method} {request.target} was not answered"
        while True:
            events = self._engine.events
            for event in events:
                if isinstance(event, kinds) and event.ticket == example.ticket:
                    events.remove(event)
                    return event
            await self._wait(until, what)

    async def _wait(self, until: float, what: str) -> None:
        """Wait for what comes later, and take it; `AnswersLate` if it is too late."""
        sources, queue = self._application.sources, self._application.run_queue
        if self._loop.time() > until:
            raise AnswersLate(f"{what} within {self._timeout:g} s")
        if not self._posted and not self._has_posted.is_set():
            wait = IDLE_SECONDS if sources.poll_at is not None else until - self._loop.time()
            try:
                await asyncio.wait_for(self._has_posted.wait(), max(IDLE_SECONDS, wait))
            except TimeoutError:
                sources.poll(float("inf"))
        self._has_posted.clear()
        queue.begin_tick()
        while self._posted:
            item = self._posted.popleft()
            if isinstance(item, LateResult | LateChunk | Returned):
                self._add(self._application.take_late(item))
        while (work := queue.next()) is not None:
            self._add(self._application.perform_work(work))
            queue.end(work)

    def _add(self, event: Event | None) -> None:
        """Add what came of a call."""
        if event is not None:
            self._engine.events.append(event)

    # -- what comes later --------------------------------------------------------------------------

    def _post(self, item: Posted) -> None:
        """Take what comes later, from whatever thread."""
        self._posted.append(item)
        self.wake()

    def _spawn(self, awaitable: Any, deferred: Deferred | None) -> Callable[[], object]:
        """Run a coroutine of the handler; what is returned cancels it."""
        task = self._loop.create_task(run_and_deliver(awaitable, deferred))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if deferred is not None:
            task.add_done_callback(lambda _: deferred.complete(asyncio.CancelledError()))
        return task.cancel

    def _read_time(self) -> TimeRead:
        """The time on both clocks, for the engine."""
        return TimeRead(time.monotonic(), int(time.time()))
