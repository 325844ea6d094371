"""The demonstration: a page that draws what this machine and this server are doing, live.

Theory: it is the smallest honest example of what sigil is for, a program with a loop of its own
that shows its state to whoever asks. `Recorder` is that program's state, one sample a second and a
bounded number of them; `make_demo` is a handler that answers from it. What is told without being
asked, and the loop, are `Live`'s (`demo_live`).

Rules: only measured figures are shown, and one that is not known is null. A sample is written down
once, when it is taken: whoever asks is sent the same text. The page loads nothing from elsewhere. A
figure of the server is shown if its `stats()` has it: the names are looked up, not assumed. Who
asks at `/slow` is told by a header under which name it will find itself among the slow ones.

It does not know how the server works, nor how the machine is read (`machine`), nor where the log
goes (`report`).
"""

import json
import platform
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, TypeAlias

from sigil import Peer, Request, Response, __version__
from sigil.apps.demo.machine import Machine, Usage, read_machine, usage
from sigil.apps.page import page_response, read_page
from sigil.browser.client_module import client_module

HISTORY_COUNT = 120
"""Samples kept: as many as the page draws, two minutes of them."""
INTERVAL_SECONDS = 1.0
"""Between two samples: slow enough to cost nothing, and a person sees no more."""
FIRST_INTERVAL_SECONDS = 0.1
"""Before the first sample: ten ticks of the kernel's clock, the least from which a load can be
told.
"""

Handler: TypeAlias = Callable[[Request], Response]
Figures: TypeAlias = Mapping[str, object]
Clock: TypeAlias = Callable[[], float]


class Sample(NamedTuple):
    """One point of every curve: what happened in the seconds up to `at_seconds` (since 1970).

    `server` is what the server has counted in all; `rates` is how fast it was counting, by name.
    """

    at_seconds: float
    machine: Usage
    server: Figures
    rates: Mapping[str, float | None]


# -- figures ---------------------------------------------------------------------------------------

RATES = {
    "requests": "requests_per_second",
    "bytes_in": "bytes_in_per_second",
    "bytes_out": "bytes_out_per_second",
}
"""Counters of `stats()` that are shown as rates, where the server has them."""


def _increase(before: Figures, after: Figures, name: str) -> float | None:
    """How far a counter went, or None if either side does not have it as a number."""
    old, new = before.get(name), after.get(name)
    return new - old if isinstance(old, int | float) and isinstance(new, int | float) else None


def rates(before: Figures, after: Figures, machine: Usage) -> dict[str, float | None]:
    """What the server's counters did in one interval; the cost of a request is that of all the
    process did.
    """
    increases = {rate: _increase(before, after, name) for name, rate in RATES.items()}
    per_second = {
        rate: None if count is None else count / machine.seconds
        for rate, count in increases.items()
    }
    requests = increases["requests_per_second"]
    cost = machine.process_cores * machine.seconds / requests if requests else None
    return per_second | {"cpu_seconds_per_request": cost}


def plain(value: object) -> object:
    """A record as JSON can say it: named tuples become objects, enum keys their names."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {
            key.name if isinstance(key, Enum) else str(key): plain(item)
            for key, item in value.items()
        }
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value if value is None or isinstance(value, str | int | float) else str(value)
    return [plain(item) for item in value]


def json_text(value: object) -> str:
    """A value as compact JSON."""
    return json.dumps(plain(value), separators=(",", ":"))


class Recorder:
    """The recent past, one sample for each interval, however often it is asked; older ones are
    forgotten.
    """

    def __init__(
        self, read: Callable[[], Machine] = read_machine, clock: Clock = time.monotonic
    ) -> None:
        self.figures: Callable[[], Figures] = dict
        """Where the server's figures come from: set once there is a server (it needs the handler,
        which needs this).
        """
        self.texts: deque[str] = deque(maxlen=HISTORY_COUNT)
        """Each sample as JSON, the oldest first."""
        self.count = 0
        """Samples taken in all."""
        self._read = read
        self._clock = clock
        self._machine = read()
        self._server: Figures = {}

    def seconds_until_due(self) -> float:
        """How long until the next sample should be taken; 0 if it is time."""
        interval_seconds = INTERVAL_SECONDS if self.texts else FIRST_INTERVAL_SECONDS
        return max(0.0, self._machine.taken_seconds + interval_seconds - self._clock())

    def refresh(self) -> None:
        """Take a sample, if one is due."""
        if self.texts and self.seconds_until_due() > 0.0:
            return
        machine, server = self._read(), self.figures()
        happened = usage(self._machine, machine)
        sample = Sample(time.time(), happened, server, rates(self._server, server, happened))
        self.texts.append(json_text(sample))
        self._machine, self._server = machine, server
        self.count += 1


# -- the handler -----------------------------------------------------------------------------------

NO_STORE = (("Cache-Control", "no-store"),)
NDJSON = (("Content-Type", "application/x-ndjson"), *NO_STORE)
JSON = (("Content-Type", "application/json"), *NO_STORE)
METHODS = ("GET", "HEAD")
COUNT = re.compile(r"[1-9][0-9]{0,5}")
GREETING = "hello from sigil\n"
LOAD, RING, BALLAST = "load", "ring", "ballast"
"""Topics: the samples; the server's own ring and who fell off it; and what is said only to be too
much.
"""
PAGE_TOPICS, SLOW_TOPICS = (LOAD, RING), (LOAD, BALLAST)


def page_text() -> str:
    """The page as it lies in the package."""
    return read_page("demo/demo.html")


def about() -> dict[str, object]:
    """What runs here."""
    system = f"{platform.system()} {platform.release()}"
    return {
        "host": platform.node(),
        "system": system,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "sigil": __version__,
    }


def json_lines(texts: Sequence[str]) -> Iterator[bytes]:
    """One line for each text, each a chunk of its own: memory holds one more at a time."""
    return (f"{text}\n".encode() for text in texts)


def json_object(members: Mapping[str, str]) -> str:
    """An object whose values are JSON already, by names that need no escape."""
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"


def json_array(texts: Sequence[str]) -> str:
    """An array of what is JSON already."""
    return "[" + ",".join(texts) + "]"


def _stream(request: Request, recorder: Recorder) -> Response:
    """`/stream?lines=5`: the last five samples; all there are without a number."""
    lines = request.args.get("lines", str(HISTORY_COUNT))
    if not COUNT.fullmatch(lines):
        return Response.error(
            400, f"lines is a number from 1; there are never more than {HISTORY_COUNT}", NO_STORE
        )
    # A snapshot: the deque goes on while the client reads.
    return Response.stream(json_lines(tuple(recorder.texts)[-int(lines) :]), headers=NDJSON)


def _load(request: Request, recorder: Recorder) -> Response:
    text = json_object({"about": json_text(about()), "sample": recorder.texts[-1]})
    return Response.text(text, headers=JSON)


def _websocket(request: Request) -> Response:
    """`/ws?topic=load&topic=ring`: what is told without being asked; both without a topic."""
    topics = tuple(value for name, value in request.arg_list if name == "topic") or PAGE_TOPICS
    if not set(topics) <= set(PAGE_TOPICS):
        return Response.error(400, f"a topic is one of {', '.join(PAGE_TOPICS)}", NO_STORE)
    return Response.upgrade(topics=topics)


def _slow(request: Request, is_admitted: Callable[[Peer], bool]) -> Response:
    """`/slow`: more than a slow reader can take, as events; who it is called stands in a header."""
    if request.method != "HEAD" and not is_admitted(request.peer):
        return Response.error(
            503,
            "as many read slowly already as this program allows; try again soon",
            (*NO_STORE, ("Retry-After", "5")),
        )
    # A Unix socket has no port, and all its clients may have one name.
    name = (("Sigil-Peer", str(request.peer)),) if request.peer.port else ()
    return Response.sse(topics=SLOW_TOPICS, headers=name)


def make_demo(
    recorder: Recorder | None = None, is_admitted: Callable[[Peer], bool] = lambda peer: True
) -> Handler:
    """A handler that shows `recorder`, or one of its own that takes a sample when somebody asks for
    one.

    `is_admitted` says, and counts, whether one more may read slowly, this one.
    """
    memory = Recorder() if recorder is None else recorder
    page, hello = page_response(page_text()), Response.text(GREETING)
    routes: dict[str, Callable[[Request], Response]] = {
        "/": lambda request: page,
        "/hello": lambda request: hello,
        "/load.json": lambda request: _load(request, memory),
        "/stream": lambda request: _stream(request, memory),
        "/ws": _websocket,
        "/slow": lambda request: _slow(request, is_admitted),
        "/sigil-client.js": client_module,
    }

    def demo(request: Request) -> Response:
        route = routes.get(request.path)
        if route is None:
            return Response.error(404, f"there are {', '.join(routes)}")
        if request.method not in METHODS:
            return Response.error(405, headers=(("Allow", ", ".join(METHODS)),))
        memory.refresh()
        return route(request)

    return demo
