"""The beginning and the end of an application: the lifespan protocol.

Theory: an application is called once for all of its life, with a scope of its own; it is told to
start and says when it has, and the same at the end. What it puts into the `state` of that scope is
in the scope of every request. Many applications have no such thing: they raise, or return, when
they are called with it.

Rules: `auto` takes one that raises, or returns, before it has started for one without a lifespan;
`on` takes it for a failure; `off` does not call it. An application that says that it has failed has
failed in any case. It runs in the loop in which it is started. It does not know requests.
"""

import asyncio
import logging
from typing import Any, Final

from .messages import Message, out_of_turn, type_of
from .scope import lifespan_scope

LOG: Final = logging.getLogger("sigil.error")
SERVER_LOG: Final = logging.getLogger("sigil.server")
MODES: Final = ("auto", "on", "off")


class LifespanFailed(RuntimeError):
    """The application could not start."""


class Lifespan:
    """The life of one application, in one loop."""

    def __init__(self, app: Any, mode: str) -> None:
        self._app = app
        self._mode = mode
        self.state: dict[str, Any] = {}
        """What the application has in the scope of every request."""
        self._task: asyncio.Task[None] | None = None
        self._undelivered: list[Message] = []
        """What the application is to receive."""
        self._phase = "startup"
        self._has_started = False
        self._failure: str | None = None
        """What the application has said that went wrong."""
        self._error: BaseException | None = None
        """What it has raised."""

    async def startup(self) -> None:
        """Start the application; `LifespanFailed` if it cannot."""
        if self._mode == "off":
            return
        self._changed = asyncio.Event()
        self._undelivered.append({"type": "lifespan.startup"})
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: self._changed.set())
        await self._until(lambda: self._has_started or self._failure is not None)
        if self._has_started:
            return
        if self._failure is not None:
            raise LifespanFailed(
                f"the application failed to start: {self._failure}"
            ) from self._error
        if self._mode == "on":
            raise LifespanFailed("the application has no lifespan") from self._error
        SERVER_LOG.info("the application has no lifespan")

    async def shutdown(self) -> None:
        """End the application; what it fails with is logged."""
        task = self._task
        if task is None:
            return
        if self._has_started and not task.done():
            self._phase, self._has_started = "shutdown", False
            self._undelivered.append({"type": "lifespan.shutdown"})
            self._changed.set()
            await self._until(lambda: self._has_started or self._failure is not None)
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
        if self._failure is not None or (self._phase == "shutdown" and self._error is not None):
            text = "the application failed to shut down: %s"
            LOG.error(text, self._failure or "it raised", exc_info=self._error)

    async def _until(self, condition: Any) -> None:
        """Wait until something is so, or the application has returned."""
        assert self._task is not None
        while not (condition() or self._task.done()):
            self._changed.clear()
            await self._changed.wait()

    async def _run(self) -> None:
        """Call the application."""
        try:
            await self._app(lifespan_scope(self.state), self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._error = error
            is_serving = self._has_started and self._phase == "startup"
            if is_serving:  # nobody waits for it
                LOG.error("the lifespan of the application raised", exc_info=error)
            if not isinstance(error, Exception):
                raise

    async def _receive(self) -> Message:
        """What the application is told, once each."""
        while not self._undelivered:
            self._changed.clear()
            await self._changed.wait()
        return self._undelivered.pop(0)

    async def _send(self, message: Message) -> None:
        """Take what the application says."""
        kind, phase = type_of(message), self._phase
        complete, failed = f"lifespan.{phase}.complete", f"lifespan.{phase}.failed"
        if self._has_started or self._failure is not None or kind not in (complete, failed):
            raise out_of_turn(kind, complete, failed)
        if kind == complete:
            self._has_started = True
        else:
            self._failure = str(message.get("message", "")) or "it does not say why"
        self._changed.set()
