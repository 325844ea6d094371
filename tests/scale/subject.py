"""The server at scale, in a process of its own, driven by lines on its standard input.

Theory: a program with a loop of its own waits for its orders and for the server's descriptor. An
order to publish is one tick: so what a tick costs is measured here, around the broadcasts and the
tick, and nowhere else.

Rules: orders are lines of JSON, {name: argument}. `append_pending` has no answer: what came of it
is what clients receive. The process ends when its input does, or with the alarm after so many
seconds. A client hears the topics that stand in its path, joined by dots. It does not know who
reads, nor what is done with its figures.
"""

import cProfile
import json
import logging
import math
import os
import pstats
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from sigil import Callbacks, HttpServer, Limits, Request, Response, make_http_server
from tests.scale.script import Batch, payload
from tests.support.servers import LogLines

CONTROL = 0
CORE, SHELL = "/sigil/core/", "/sigil/shell/"
ROWS_MAX = 14


def app(request: Request) -> Response:
    """Every request becomes a WebSocket."""
    return Response.upgrade(topics=[name for name in request.path[1:].split(".") if name])


class Subject:
    """The server, and what is measured of it."""

    def __init__(self, server: HttpServer) -> None:
        self.server = server
        self.number = 0
        self.ticks: list[float] = []
        self.cpu_seconds: list[float] = []
        self.profiler: cProfile.Profile | None = None
        self.ear = LogLines()
        logger = logging.getLogger("sigil.server")
        logger.addHandler(self.ear)
        logger.setLevel(logging.INFO)

    def publish(self, batches: list[list[Any]]) -> None:
        """Say these to everybody, and tick."""
        if self.profiler is not None:
            self.profiler.enable()
        started, cpu_started = time.perf_counter(), time.process_time()
        for batch in map(Batch._make, batches):
            for number in range(self.number, self.number + batch.messages):
                self.server.broadcast(
                    payload(number, batch.topic, batch.length), topic=batch.topic or None
                )
            self.number += batch.messages
        self.server.tick(0.0)
        self.cpu_seconds.append(time.process_time() - cpu_started)
        self.ticks.append(time.perf_counter() - started)
        if self.profiler is not None:
            self.profiler.disable()

    def report(self, _: object) -> dict[str, Any]:
        """Figures since the last report, and what is there now."""
        times, state = os.times(), self.server.state
        broadcast = state.broadcast
        ticks, self.ticks = self.ticks, []
        cpu_seconds, self.cpu_seconds = self.cpu_seconds, []
        lines, self.ear.lines = self.ear.lines, []
        return {
            "ticks": ticks,
            "tick_cpus": cpu_seconds,
            "lines": lines,
            "cpu_seconds": time.process_time(),
            "user_seconds": times.user,
            "system_seconds": times.system,
            "rss_bytes": memory_bytes("VmRSS"),
            "peak_bytes": memory_bytes("VmHWM"),
            "slots": state.slots.used,
            "talks": state.load.websockets,
            "unflushed": len(state.unflushed),
            "owed_bytes": state.load.outbound,
            "closed": dict(state.totals.closed),
            "cohorts": len(broadcast.cohorts),
            "members": sum(map(len, broadcast.cohorts.values())),
            "laggards": len(broadcast.laggards),
            "kept_frames": broadcast.ring.head_number - broadcast.ring.tail_number,
        }

    def descriptors(self, _: object) -> dict[str, Any]:
        """How many descriptors this process has, which takes a while to count."""
        return {"count": len(os.listdir("/proc/self/fd"))}

    def profile(self, is_on: bool) -> dict[str, Any] | None:
        """Look at the broadcast ticks from now on; or what was seen in them."""
        if is_on:
            self.profiler = cProfile.Profile()
            return None
        profiler, self.profiler = self.profiler, None
        assert profiler is not None
        rows = [(name, *figures) for name, figures in pstats.Stats(profiler).stats.items()]  # type: ignore[attr-defined]
        rows.sort(key=lambda row: -row[3])
        return {
            "core_calls": sum(row[2] for row in rows if CORE in row[0][0]),
            "seconds": sum(row[3] for row in rows),
            "core_seconds": sum(row[3] for row in rows if CORE in row[0][0]),
            "shell_seconds": sum(row[3] for row in rows if SHELL in row[0][0]),
            "rows": [
                (f"{Path(place[0]).name}:{place[1]} {place[2]}", calls, own)
                for place, _, calls, own, *_ in rows[:ROWS_MAX]
            ],
        }

    def obey(self, line: bytes) -> None:
        """Do what a line says, and answer if there is an answer."""
        for name, argument in json.loads(line).items():
            answer = getattr(self, name)(argument)
            if answer is not None:
                print(json.dumps(answer), flush=True)

    def run(self) -> None:
        """Serve until the input ends."""
        poll, rest = select.poll(), b""
        poll.register(CONTROL, select.POLLIN | select.POLLHUP)
        poll.register(self.server.fileno(), select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll(self.patience_ms())]
            if CONTROL in ready:
                data = os.read(CONTROL, 65_536)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self.obey(line)
            if ready != [CONTROL]:
                self.server.tick(0.0)

    def patience_ms(self) -> int | None:
        """How long nothing needs to be done."""
        at = self.server.next_deadline()
        return None if at is None else max(0, math.ceil((at - time.monotonic()) * 1_000))


def memory_bytes(name: str) -> int:
    """A figure of this process's memory: VmRSS is what it occupies now, VmHWM the most
    it ever did.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1_024
    raise AssertionError(f"the kernel does not know {name}")


def main(life_seconds: str, limits: str) -> None:
    """Serve, for so many seconds at most, within these limits."""
    signal.alarm(int(life_seconds))
    bounds = Limits(**json.loads(limits))
    server = make_http_server(app, port=0, backlog=4_096, limits=bounds, callbacks=Callbacks())
    server.listen()
    print(json.dumps({"port": server.port}), flush=True)
    Subject(server).run()
    server.stop(0.0)
    while server.running:
        server.tick(0.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
