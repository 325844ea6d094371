"""The handler of the demonstration: a page that draws what this machine and this server do, live.

Theory: this is the smallest complete example of what sigil is for, a program with a loop of its own
that shows its state to its clients. `Recorder` is that program's state, one sample a second and a
bounded number of them; `make_demo` makes a handler that responds with it. What is published, and
the loop, are in `live`.

Rules: only measured figures are shown, and one that is not known is null. A sample is encoded once,
when it is taken: every client is sent the same text. The page loads nothing from other origins. A
figure of the server is shown if its `stats()` has it: the names are looked up, not assumed. A
client of `/slow` finds its own address, by which it is listed among the laggards, in a header.

It does not know how the server works, nor how the machine is read (`machine`).
"""

import json
import platform
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, TypeAlias

from sigil import Peer, Request, Response, __version__, client_module
from sigil.apps.demo.machine import Machine, Usage, read_machine, usage
from sigil.apps.page import page_response, read_page

HISTORY_COUNT = 120
"""Samples held: as many as the page draws, two minutes of them."""
INTERVAL_SECONDS = 1.0
"""Between two samples: slow enough to cost nothing, and a person sees no more."""
FIRST_INTERVAL_SECONDS = 0.1
"""Before the first sample: ten ticks of the kernel's clock, the shortest time over which a load can
be measured.
"""

Handler: TypeAlias = Callable[[Request], Response]
Figures: TypeAlias = Mapping[str, object]
Clock: TypeAlias = Callable[[], float]


class Sample(NamedTuple):
    """One point of every chart: what happened in the interval up to `at_seconds` (since 1970).

    `server` has the server's counters; `rates` their increase per second, by name.
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
"""Counters of `stats()` that are shown as rates, and the names of the rates."""


def _increase(before: Figures, after: Figures, name: str) -> float | None:
    """The increase of a counter; None if either side does not have it as a number."""
    old, new = before.get(name), after.get(name)
    if isinstance(old, int | float) and isinstance(new, int | float):
        return new - old
    return None


def rates(before: Figures, after: Figures, machine: Usage) -> dict[str, float | None]:
    """The rates of the server's counters over one interval, and the CPU time per request.

    That is the CPU time of the whole process, divided by the number of requests.
    """
    increases = {rate: _increase(before, after, name) for name, rate in RATES.items()}
    per_second = {
        rate: None if increase is None else increase / machine.seconds
        for rate, increase in increases.items()
    }
    requests = increases["requests_per_second"]
    cpu_seconds = machine.process_cores * machine.seconds
    return per_second | {"cpu_seconds_per_request": cpu_seconds / requests if requests else None}


def plain(value: object) -> object:
    """A value that JSON can express: named tuples become objects, enum keys their names."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {
            key.name if isinstance(key, Enum) else str(key): plain(item)
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)


def json_text(value: object) -> str:
    """A value as compact JSON."""
    return json.dumps(plain(value), separators=(",", ":"))


class Recorder:
    """The latest samples, one for each interval, however often `refresh` is called.

    `read` reads the machine's counters, `clock` is a monotonic clock in seconds.
    """

    def __init__(
        self, read: Callable[[], Machine] = read_machine, clock: Clock = time.monotonic
    ) -> None:
        self.figures: Callable[[], Figures] = dict
        """Returns the server's figures; set once there is a server (which needs the handler, which
        needs this recorder).
        """
        self.texts: deque[str] = deque(maxlen=HISTORY_COUNT)
        """Each sample as JSON, the oldest first."""
        self.count = 0
        """The number of samples taken since the start."""
        self._read = read
        self._clock = clock
        self._machine = read()
        self._server: Figures = {}

    def seconds_until_due(self) -> float:
        """The time until the next sample should be taken; 0 if it is due."""
        interval_seconds = INTERVAL_SECONDS if self.texts else FIRST_INTERVAL_SECONDS
        return max(0.0, self._machine.taken_seconds + interval_seconds - self._clock())

    def refresh(self) -> None:
        """Take a sample if one is due."""
        if self.texts and self.seconds_until_due() > 0.0:
            return
        machine, server = self._read(), self.figures()
        load = usage(self._machine, machine)
        sample = Sample(time.time(), load, server, rates(self._server, server, load))
        self.texts.append(json_text(sample))
        self._machine, self._server = machine, server
        self.count += 1


# -- the handler -----------------------------------------------------------------------------------

NO_STORE = (("Cache-Control", "no-store"),)
NDJSON = (("Content-Type", "application/x-ndjson"), *NO_STORE)
JSON = (("Content-Type", "application/json"), *NO_STORE)
METHODS = ("GET", "HEAD")
COUNT = re.compile(r"[1-9][0-9]{0,5}")
HELLO = "hello from sigil\n"
LOAD, RING, BALLAST, NEWEST = "load", "ring", "ballast", "newest"
"""Topics: the samples; the server's own ring and its evictions; and traffic that is only there to
be too much for a slow reader, of which on the last one only the newest message counts.
"""
PAGE_TOPICS, SLOW_TOPICS = (LOAD, RING), (BALLAST, NEWEST)
WAYS = {"drop": BALLAST, "skip": BALLAST, "latest": NEWEST}
"""How a slow reader is served, and on which topic."""


def page_text() -> str:
    """The source of the page."""
    return read_page("demo/demo.html")


def about() -> dict[str, object]:
    """The host, its system, and the versions of Python and sigil."""
    system = f"{platform.system()} {platform.release()}"
    return {
        "host": platform.node(),
        "system": system,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "sigil": __version__,
    }


def json_lines(texts: Sequence[str]) -> Iterator[bytes]:
    """One line for each text, each a chunk of its own: they are encoded one at a time."""
    return (f"{text}\n".encode() for text in texts)


def json_object(members: Mapping[str, str]) -> str:
    """A JSON object whose values are JSON already, and whose names need no escape."""
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"


def json_array(texts: Sequence[str]) -> str:
    """A JSON array whose items are JSON already."""
    return "[" + ",".join(texts) + "]"


def _stream(request: Request, recorder: Recorder) -> Response:
    """`/stream?lines=5`: the latest five samples as lines of JSON; without a number, all of
    them.
    """
    lines = request.args.get("lines", str(HISTORY_COUNT))
    if not COUNT.fullmatch(lines):
        return Response.error(
            400, f"lines is a number from 1; there are never more than {HISTORY_COUNT}", NO_STORE
        )
    # A snapshot, because the deque changes while the client reads.
    return Response.stream(json_lines(tuple(recorder.texts)[-int(lines) :]), headers=NDJSON)


def _load(request: Request, recorder: Recorder) -> Response:
    """`/load.json`: the latest sample, and what runs here."""
    text = json_object({"about": json_text(about()), "sample": recorder.texts[-1]})
    return Response.text(text, headers=JSON)


def _websocket(request: Request) -> Response:
    """`/ws?topic=load&topic=ring`: a WebSocket subscribed to these topics; to both without any."""
    topics = tuple(value for name, value in request.arg_list if name == "topic") or PAGE_TOPICS
    if not set(topics) <= set(PAGE_TOPICS):
        return Response.error(400, f"a topic is one of {', '.join(PAGE_TOPICS)}", NO_STORE)
    return Response.upgrade(topics=topics)


def _slow(request: Request, is_admitted: Callable[[Peer], bool]) -> Response:
    """`/slow?how=skip`: an event stream of more than a slow reader can take; its address is in a
    header.
    """
    how = request.args.get("how", "drop")
    if how not in WAYS:
        return Response.error(400, f"how is one of {', '.join(WAYS)}", NO_STORE)
    if request.method != "HEAD" and not is_admitted(request.peer):
        return Response.error(
            503,
            "there are as many slow readers as this program allows; try again soon",
            (*NO_STORE, ("Retry-After", "5")),
        )
    # Clients of a Unix socket have no port, and may all have the same name.
    name = (("Sigil-Peer", str(request.peer)),) if request.peer.port else ()
    return Response.sse(
        topics=(LOAD, WAYS[how]), slow="skip" if how == "skip" else "drop", headers=name
    )


def make_demo(
    recorder: Recorder | None = None, is_admitted: Callable[[Peer], bool] = lambda peer: True
) -> Handler:
    """A handler that shows `recorder`, or a recorder of its own.

    `is_admitted` is called for each slow reader: True admits it, and counts it.
    """
    samples = Recorder() if recorder is None else recorder
    page, hello = page_response(page_text()), Response.text(HELLO)
    routes: dict[str, Callable[[Request], Response]] = {
        "/": lambda request: page,
        "/hello": lambda request: hello,
        "/load.json": lambda request: _load(request, samples),
        "/stream": lambda request: _stream(request, samples),
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
        samples.refresh()
        return route(request)

    return demo
