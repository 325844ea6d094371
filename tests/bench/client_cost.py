"""CPU microseconds per request of a client: sigil beside httpx and aiohttp, in one run.

    python -m tests.bench.client_cost [--rounds N] [--requests N]

What is measured. The CPU time of this process for a GET over a connection that is kept, one after
the other and 64 at once, and with a cookie and eight header fields. A server in a process of its
own answers all alike. Each figure is the minimum over rounds, in which the contestants take turns,
since noise only adds. Read them as ratios.

The floor is a blocking socket that sends the bytes of a request and receives until the response is
there, whose length it knows: what the kernel and the interpreter charge at least, and no client
that could be used.

What it doesn't know. The time that a response takes, and the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from math import inf, nan
from typing import Any, NamedTuple

from sigil.client import Client

AT_ONCE = 64
FIELDS = {f"X-Field-{number}": f"value {number}" for number in range(8)}
COOKIES = {"session": "0123456789abcdef"}
SERVER = """
import sys
from sigil import Response, make_http_server
server = make_http_server(lambda request: Response.text("hello, world"), port=0)
server.listen()
print(server.port, flush=True)
server.start()
"""
ONE, RICH, MANY = "one by one", "with a cookie and 8 fields", f"{AT_ONCE} at once"


class Task(NamedTuple):
    """A row of a contestant: `run` makes so many requests, and returns CPU nanoseconds."""

    row: str
    contestant: str
    run: Callable[[int], int]


def timed(call: Callable[[], object], count: int) -> int:
    """CPU nanoseconds of so many calls, behind a few that are not counted."""
    for _ in range(20):
        call()
    begin = time.process_time_ns()
    for _ in range(count):
        call()
    return time.process_time_ns() - begin


def floor(port: int, count: int) -> int:
    """A blocking socket."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        connection.sendall(request)
        length = len(connection.recv(65_536))

        def once() -> None:
            connection.sendall(request)
            assert len(connection.recv(65_536)) == length

        return timed(once, count)


def sigil_one(url: str, options: dict[str, Any], count: int) -> int:
    """A client that waits for each response."""
    with Client(trust_env=False) as client:

        def once() -> None:
            assert client.run(client.get(url, **options)).status == 200

        return timed(once, count)


def sigil_many(url: str, count: int) -> int:
    """A client with many requests at once."""
    with Client(trust_env=False) as client:

        def once() -> None:
            promised = [client.get(url) for _ in range(AT_ONCE)]
            assert all(client.run(deferred).status == 200 for deferred in promised)

        return timed(once, count // AT_ONCE)


async def timed_async(call: Callable[[], Awaitable[object]], count: int, at_once: int) -> int:
    """CPU nanoseconds of so many calls under asyncio."""

    async def batch() -> None:
        if at_once == 1:
            await call()
        else:
            await asyncio.gather(*[call() for _ in range(at_once)])

    for _ in range(20):
        await batch()
    begin = time.process_time_ns()
    for _ in range(count // at_once):
        await batch()
    return time.process_time_ns() - begin


def sigil_async(url: str, options: dict[str, Any], at_once: int, count: int) -> int:
    """A client under asyncio."""

    async def main() -> int:
        async with Client(trust_env=False) as client:

            async def once() -> None:
                assert (await client.get(url, **options)).status == 200

            return await timed_async(once, count, at_once)

    return asyncio.run(main())


def aiohttp_async(url: str, options: dict[str, Any], at_once: int, count: int) -> int:
    """aiohttp's client."""
    import aiohttp

    async def main() -> int:
        async with aiohttp.ClientSession() as session:

            async def once() -> None:
                async with session.get(url, **options) as response:
                    await response.read()
                    assert response.status == 200

            return await timed_async(once, count, at_once)

    return asyncio.run(main())


def httpx_one(url: str, options: dict[str, Any], count: int) -> int:
    """httpx, without asyncio."""
    import httpx

    with httpx.Client(trust_env=False, headers=options.get("headers")) as client:
        client.cookies.update(options.get("cookies", {}))

        def once() -> None:
            assert client.get(url).status_code == 200

        return timed(once, count)


def httpx_async(url: str, at_once: int, count: int) -> int:
    """httpx under asyncio."""
    import httpx

    async def main() -> int:
        async with httpx.AsyncClient(trust_env=False) as client:

            async def once() -> None:
                assert (await client.get(url)).status_code == 200

            return await timed_async(once, count, at_once)

    return asyncio.run(main())


def tasks_for(port: int) -> list[Task]:
    """What is measured."""
    url = f"http://127.0.0.1:{port}/"
    rich: dict[str, Any] = {"headers": FIELDS, "cookies": COOKIES}
    tasks = [Task(ONE, "floor", lambda count: floor(port, count))]
    for row, options in ((ONE, {}), (RICH, rich)):
        tasks += [
            Task(row, "sigil", lambda count, o=options: sigil_one(url, o, count)),
            Task(row, "sigil asyncio", lambda count, o=options: sigil_async(url, o, 1, count)),
        ]
        if find_spec("httpx"):
            tasks.append(Task(row, "httpx", lambda count, o=options: httpx_one(url, o, count)))
        if find_spec("aiohttp"):
            tasks.append(
                Task(row, "aiohttp", lambda count, o=options: aiohttp_async(url, o, 1, count))
            )
    tasks += [
        Task(MANY, "sigil", lambda count: sigil_many(url, count)),
        Task(MANY, "sigil asyncio", lambda count: sigil_async(url, {}, AT_ONCE, count)),
    ]
    if find_spec("httpx"):
        tasks.append(Task(MANY, "httpx", lambda count: httpx_async(url, AT_ONCE, count)))
    if find_spec("aiohttp"):
        tasks.append(Task(MANY, "aiohttp", lambda count: aiohttp_async(url, {}, AT_ONCE, count)))
    return tasks


def measure(tasks: list[Task], rounds: int, count: int) -> dict[tuple[str, str], float]:
    """The least CPU microseconds per request of each task."""
    best = {(task.row, task.contestant): inf for task in tasks}
    for _ in range(rounds):
        for task in tasks:
            made = count if task.row is not MANY else max(1, count // AT_ONCE) * AT_ONCE
            cost = task.run(made) / 1_000 / made
            key = task.row, task.contestant
            best[key] = min(best[key], cost)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU microseconds per request of a client")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2_000)
    options = parser.parse_args()
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        tasks = tasks_for(int(server.stdout.readline()))
        best = measure(tasks, max(1, options.rounds), max(1, options.requests))
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
    contestants = list(dict.fromkeys(task.contestant for task in tasks))
    print(
        f"CPU microseconds per request, minimum of {options.rounds} rounds, "
        f"{platform.python_implementation()} {platform.python_version()}\n"
    )
    print(f"{'':28}" + "".join(f"{name:>15}" for name in contestants))
    for row in (ONE, RICH, MANY):
        figures = (best.get((row, name), nan) for name in contestants)
        print(f"{row:28}" + "".join(f"{figure:15.0f}" for figure in figures).replace("nan", "  -"))


if __name__ == "__main__":
    main()
