"""What the parts that run user code, and the parts that drive a server, need of the server.

Theory: the server makes the parts and the parts call the server back. With its class they would
import each other in a circle, so what they call is written down here, and the server, with sockets
or in memory, has it by having the methods.

Rules: only what is called from `program` and `hosts`. What users see is the server itself: it is
passed to their callbacks, so what they are not to call begins with an underscore there and here. It
does not know any implementation.
"""

from collections.abc import Callable
from typing import Protocol

from ...core.conn import Conn
from ...core.events import Event
from ...core.server.state import Server
from .body_sources import LateChunk, Spawn
from .guard import Guard
from .jobs import Called, LateResult, Returned

Posted = Event | LateResult | LateChunk | Returned | Called
"""What may be posted for the next tick."""


class ReplyBuffer(Protocol):
    """Where the messages are that a callback has sent."""

    def take_messages(self, conn: Conn) -> tuple[tuple[int, bytes], ...]:
        """The messages to this client that wait, if it was the last to be sent to."""


class HostEngine(Protocol):
    """What callbacks need of the engine."""

    @property
    def guard(self) -> Guard:
        """Whether the server is at work on its own state."""

    @property
    def buffer(self) -> ReplyBuffer:
        """Where the messages are that a callback has sent."""

    @property
    def control_count(self) -> int:
        """How often user code has closed a connection, or stopped to read one."""

    @property
    def snapshot(self) -> Server:
        """The core's value without the messages that are buffered."""

    @property
    def state(self) -> Server:
        """The core's value with all that user code has sent."""


class Host(Protocol):
    """The server that user code runs in."""

    @property
    def _engine(self) -> HostEngine:
        """The loop around the core."""

    @property
    def running(self) -> bool:
        """True until the last connection of a stopped server is closed."""

    @property
    def state(self) -> Server:
        """The core's value now."""

    def _post(self, item: Posted) -> None:
        """Leave something for the next tick."""

    def wake(self) -> None:
        """Make a tick that is waiting return."""


class InLoop(Protocol):
    """The server that a loop of coroutines drives."""

    @property
    def running(self) -> bool:
        """True from `listen` until the last connection of a stopped server is closed."""

    def listen(self) -> None:
        """Open the listening socket."""

    def fileno(self) -> int:
        """The descriptor that is readable when a tick has something to do."""

    def next_deadline(self) -> float | None:
        """When the next tick is due, on `time.monotonic()`; None if nothing waits."""

    def tick(self, timeout: float | None) -> bool:
        """Do what there is to do, waiting for it up to `timeout` seconds."""

    def wake(self) -> None:
        """Make a tick that is waiting return."""

    def _begin_serving(self, name: str) -> None:
        """This thread serves, and nothing else; RuntimeError if something else does."""

    def _end_serving(self) -> None:
        """Whoever wants to may serve."""

    def _stop_now(self) -> None:
        """End the server within this call."""

    def _set_wake(self, wake_here: Callable[[], bool] | None) -> None:
        """What wakes the host where that takes no system call."""

    def _set_spawn(self, spawn: Spawn | None, in_asyncio: bool = True) -> None:
        """How coroutines of user code are run from now on."""


class Ticked(InLoop, Protocol):
    """The server that a host loop or a thread drives."""

    @property
    def host(self) -> str:
        """The address that is listened on."""

    @property
    def port(self) -> int:
        """The port that is listened on."""

    def _serve_here(self) -> None:
        """Tick until the server has stopped, on the thread that it was handed over to."""

    def stop(self, grace: float) -> None:
        """Ask the server to end, within `grace` seconds."""

    def _hand_over(self, thread: int) -> None:
        """Only this thread may tick from now on."""
