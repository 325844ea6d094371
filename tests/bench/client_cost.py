"""CPU microseconds per request of a client: sigil beside httpx and aiohttp, in one run.

    python -m tests.bench.client_cost [--rounds N] [--requests N] [--tls]

What is measured. The CPU time of this process for a GET over a connection that is kept, one after
the other and 64 at once, and with a cookie and eight header fields. A server in a process of its
own answers all alike. Each figure is the minimum over rounds, in which the contestants take turns,
since noise only adds. Read them as ratios. With `--tls` all of it is over TLS 1.3, on connections
whose handshake is over.

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
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.util import find_spec
from math import inf, nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sigil.client import Client
from tests.support.certificates import client_context, write_certificate

AT_ONCE = 64
FIELDS = {f"X-Field-{number}": f"value {number}" for number in range(8)}
COOKIES = {"session": "0123456789abcdef"}
SERVER = """
import sys
from sigil import Response, make_http_server
from sigil.tls import server_context
context = server_context(*sys.argv[1:]) if sys.argv[1:] else None
app = lambda request: Response.text("hello, world")
server = make_http_server(app, port=0, ssl_context=context)
server.listen()
print(server.port, flush=True)
server.start()
"""
Context = ssl.SSLContext | None
"""How TLS is done; None for plain connections."""
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


def floor(port: int, context: Context, count: int) -> int:
    """A blocking socket."""
    with socket.create_connection(("127.0.0.1", port)) as plain:
        connection = plain
        if context is not None:
            connection = context.wrap_socket(plain, server_hostname="localhost")
        request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        connection.sendall(request)
        length = len(connection.recv(65_536))

        def once() -> None:
            connection.sendall(request)
            assert len(connection.recv(65_536)) == length

        return timed(once, count)


def sigil_one(url: str, options: dict[str, Any], context: Context, count: int) -> int:
    """A client that waits for each response."""
    with Client(trust_env=False, ssl_context=context) as client:

        def once() -> None:
            assert client.run(client.get(url, **options)).status == 200

        return timed(once, count)


def sigil_many(url: str, context: Context, count: int) -> int:
    """A client with many requests at once."""
    with Client(trust_env=False, ssl_context=context) as client:

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


def sigil_async(
    url: str, options: dict[str, Any], at_once: int, context: Context, count: int
) -> int:
    """A client under asyncio."""

    async def main() -> int:
        async with Client(trust_env=False, ssl_context=context) as client:

            async def once() -> None:
                assert (await client.get(url, **options)).status == 200

            return await timed_async(once, count, at_once)

    return asyncio.run(main())


def aiohttp_async(
    url: str, options: dict[str, Any], at_once: int, context: Context, count: int
) -> int:
    """aiohttp's client."""
    import aiohttp

    async def main() -> int:
        connector = aiohttp.TCPConnector(ssl=context or True)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def once() -> None:
                async with session.get(url, **options) as response:
                    await response.read()
                    assert response.status == 200

            return await timed_async(once, count, at_once)

    return asyncio.run(main())


def httpx_one(url: str, options: dict[str, Any], context: Context, count: int) -> int:
    """httpx, without asyncio."""
    import httpx

    with httpx.Client(
        trust_env=False, headers=options.get("headers"), verify=context or True
    ) as client:
        client.cookies.update(options.get("cookies", {}))

        def once() -> None:
            assert client.get(url).status_code == 200

        return timed(once, count)


def httpx_async(url: str, at_once: int, context: Context, count: int) -> int:
    """httpx under asyncio."""
    import httpx

    async def main() -> int:
        async with httpx.AsyncClient(trust_env=False, verify=context or True) as client:

            async def once() -> None:
                assert (await client.get(url)).status_code == 200

            return await timed_async(once, count, at_once)

    return asyncio.run(main())


def tasks_for(port: int, context: Context) -> list[Task]:
    """What is measured."""
    scheme, host = ("http", "127.0.0.1") if context is None else ("https", "localhost")
    url = f"{scheme}://{host}:{port}/"
    rich: dict[str, Any] = {"headers": FIELDS, "cookies": COOKIES}
    tasks = [Task(ONE, "floor", partial(floor, port, context))]
    for row, options in ((ONE, {}), (RICH, rich)):
        tasks += [
            Task(row, "sigil", partial(sigil_one, url, options, context)),
            Task(row, "sigil asyncio", partial(sigil_async, url, options, 1, context)),
        ]
        if find_spec("httpx"):
            tasks.append(Task(row, "httpx", partial(httpx_one, url, options, context)))
        if find_spec("aiohttp"):
            tasks.append(Task(row, "aiohttp", partial(aiohttp_async, url, options, 1, context)))
    tasks += [
        Task(MANY, "sigil", partial(sigil_many, url, context)),
        Task(MANY, "sigil asyncio", partial(sigil_async, url, {}, AT_ONCE, context)),
    ]
    if find_spec("httpx"):
        tasks.append(Task(MANY, "httpx", partial(httpx_async, url, AT_ONCE, context)))
    if find_spec("aiohttp"):
        tasks.append(Task(MANY, "aiohttp", partial(aiohttp_async, url, {}, AT_ONCE, context)))
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
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="sigil-bench-") as folder:
        words: list[str] = []
        context = None
        if options.tls:
            files = write_certificate(Path(folder))
            words, context = [str(files.certificate), str(files.key)], client_context()
        command = [sys.executable, "-c", SERVER, *words]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            tasks = tasks_for(int(server.stdout.readline()), context)
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
