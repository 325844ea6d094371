"""The table of limits, its part about files.

Theory: a client in memory that does not read holds its file open, and one that asks for many ranges
is sent all. It does not know the rest of the core's bounds.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from sigil import Limits, Request, Response
from sigil.testing import Client
from tests.limits.row import Row
from tests.support.requests import GET

FILE_LEN = 200_000


@contextmanager
def file_of(length: int) -> Iterator[str]:
    """The path of a file of so many bytes, for as long as this lasts."""
    descriptor, path = tempfile.mkstemp()
    try:
        os.truncate(descriptor, length)
        os.close(descriptor)
        yield path
    finally:
        os.unlink(path)


def ask_for_ranges(limits: Limits, count: int) -> str:
    """So many ranges of one file, a thousand bytes apart: the status."""
    with file_of(FILE_LEN) as path:

        def handler(request: Request) -> Response:
            return Response.file(path)

        ranges = ",".join(f"{number * 1_000}-{number * 1_000}" for number in range(count))
        with Client(handler, limits=limits) as client:
            return str(client.get("/", headers={"Range": f"bytes={ranges}"}).status)


def hold_open(limits: Limits, count: int) -> str:
    """So many clients ask for a file that is not read at once, and do not read: the statuses."""
    with file_of(FILE_LEN) as path:

        def handler(request: Request) -> Response:
            return Response.file(path)

        with Client(handler, limits=limits) as client:
            connections = [client.connect(window_len=300) for _ in range(count)]
            for connection in connections:
                connection.send(GET)
            return " ".join(connection.read(12)[9:].decode() for connection in connections)


def send_it(limits: Limits, length: int) -> str:
    """A file of so many bytes: how many ticks it takes."""
    with file_of(length) as path:

        def handler(request: Request) -> Response:
            return Response.file(path)

        with Client(handler, limits=limits) as client:
            wire = client.connect().wire
            wire.arrived += GET
            ticks = 0
            while not wire.received.endswith(bytes(length)):
                client.server.tick()
                ticks += 1
            return f"{ticks}"


ROWS = (
    Row("max_ranges", Limits(max_ranges=3), ask_for_ranges, 3, 4, "206", "200"),
    Row("max_file_send_len", Limits(max_file_send_len=90_000), send_it, 90_000, 90_001, "1", "2"),
    Row("max_open_files", Limits(max_open_files=2), hold_open, 2, 3, "200 200", "200 200 503"),
)
