"""CPU microseconds per event among 100, 1,000 and 10,000 clients, topics or messages, and
nanoseconds per byte of each kind of input.

    python -m tests.bench.scaling_cost [--counts N,N,N] [--rounds N] [--rows WORD]

Theory: work is proportional to what happens, so an event may not cost more among many than among
few, and no byte of a client may cost much more than another. A server is a value, so the very same
events are applied to the very same server as often as is wanted, and the least time counts. What is
measured is the core alone, in this process: no socket, no handler.

Rules: the situations are those of tests/support/work.py, whose calls are counted by
tests/core/server/test_work.py: a time that grows here and not there is copying, or the machine's
caches. A row that happens to each of N is divided by N. It does not know sockets.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import Any

from sigil.core.conn import Conn
from sigil.core.connection.websocket_send import buffered_amount
from sigil.core.events import Event, Received
from sigil.core.server import advance
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from sigil.core.websocket.compression import inflate
from sigil.core.websocket.frames import encode_masked
from tests.support.crowds import ROOM, conns_of, idle, lagging, published, websockets
from tests.support.work import SITUATIONS

READ_LEN = 65_536
KEY = b"\x9d\xfa\x21\x3d"
MANY_BYTES = ROOM._replace(max_body_len=2**30, max_header_len=2 * READ_LEN, max_headers=5_000)


def least(call: Callable[[], Any], rounds: int) -> float:
    """CPU seconds of a call, the least of some; a long one is made fewer times."""
    best, spent = inf, 0.0
    for number in range(rounds):
        begin = time.process_time()
        call()
        took = time.process_time() - begin
        best, spent = min(best, took), spent + took
        if spent > 2.0 and number:
            break
    return best


# -- per event -------------------------------------------------------------------------------------


def backlog(count: int) -> Callable[[], int]:
    """Asks how much a client has not taken when so many messages were published since."""
    limits = ROOM._replace(max_ws_send_frame_cnt=max(2, count))
    server = published(lagging(websockets(1, limits=limits)), count - 1)
    client = find_client(server.slots, conns_of(server)[0])
    return partial(buffered_amount, client, server.broadcast)


def event_rows(counts: Sequence[int], rounds: int, word: str) -> list[tuple[str, list[float]]]:
    """The rows of the first table: a name, and microseconds for each count."""
    rows = []
    for situation in SITUATIONS:
        if word not in situation.name:
            continue
        figures = []
        for count in counts:
            server, events = situation.make(count)
            seconds = least(partial(advance, server, events), rounds)
            figures.append(1e6 * seconds / (count if situation.is_for_each else 1))
        rows.append((situation.name, figures))
    name = "how much of N messages a client has not taken"
    if word in name:
        rows.append((name, [1e6 * least(backlog(count), rounds) for count in counts]))
    return rows


# -- per byte --------------------------------------------------------------------------------------


def masked(opcode: int, payload: bytes) -> bytes:
    """A frame of a client."""
    return encode_masked(opcode, payload, KEY)


def repeated(piece: bytes) -> bytes:
    """As much of these bytes as is read at once."""
    return piece * (READ_LEN // len(piece))


def deflated(text: bytes) -> bytes:
    """A text in permessage-deflate (RFC 7692)."""
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def on_http(head: bytes, data: bytes) -> tuple[Server, list[Event]]:
    """Bytes of one client, behind a head."""
    server = idle(1, MANY_BYTES)
    (conn,) = conns_of(server)
    if head:
        server, _ = advance(server, [Received(conn, head)])
    return server, [Received(conn, data)]


def on_websocket(data: bytes) -> tuple[Server, list[Event]]:
    """Bytes of one WebSocket."""
    server = websockets(1)
    return server, [Received(Conn(0, 0), data)]


def byte_rows(rounds: int, word: str) -> list[tuple[str, float]]:
    """The rows of the second table: a name, and nanoseconds for each byte."""
    post = b"POST / HTTP/1.1\r\nHost: a\r\n"
    fields = b"".join([b"Field-%04d: some value or other\r\n" % number for number in range(90)])
    json = b'{"name": "value", "count": 12, "list": [1, 2, 3]}, ' * 1_000
    inputs = {
        "a head of 90 fields": on_http(b"", b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n"),
        "pipelined GETs": on_http(b"", repeated(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")),
        "a body of known length": on_http(
            post + b"Content-Length: 1000000\r\n\r\n", b"x" * READ_LEN
        ),
        "chunks of one byte": on_http(
            post + b"Transfer-Encoding: chunked\r\n\r\n", repeated(b"1\r\nx\r\n")
        ),
        "a masked text": on_websocket(masked(1, b"x" * READ_LEN)),
        "masked texts of one byte": on_websocket(repeated(masked(1, b"x"))),
        "empty pings": on_websocket(repeated(masked(9, b""))),
        "empty fragments": on_websocket(b"\x01\x80" + KEY + repeated(b"\x00\x80" + KEY)),
    }
    rows = []
    for name, (server, events) in inputs.items():
        (event,) = events
        assert isinstance(event, Received)
        if word in name:
            seconds = least(partial(advance, server, events), rounds)
            rows.append((name, 1e9 * seconds / len(event.data)))
    for name, text in (("a message in deflate", json), ("a bomb in deflate", b"x" * 10**7)):
        if word in name:
            data = deflated(text)
            seconds = least(partial(inflate, data, 2**24), rounds)
            rows.append((name, 1e9 * seconds / len(data)))
    return rows


# -- the tables ------------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    """Measure, and print the two tables as they stand in docs/performance.md."""
    parser = argparse.ArgumentParser(description="CPU time per event among many, and per byte")
    parser.add_argument("--counts", default="100,1000,10000", help="N of each column")
    parser.add_argument("--rounds", type=int, default=15, help="how often at most")
    parser.add_argument("--rows", default="", help="only rows with this word")
    chosen = parser.parse_args(arguments)
    counts = [int(count) for count in chosen.counts.split(",")]
    print(f"{platform.python_implementation()} {platform.python_version()}, CPU time\n")
    print("| Microseconds | " + " | ".join([f"N = {count:,}" for count in counts]) + " |")
    print("| --- |" + " ---: |" * len(counts))
    for name, figures in event_rows(counts, max(1, chosen.rounds), chosen.rows):
        print(f"| {name} | " + " | ".join([f"{figure:,.1f}" for figure in figures]) + " |")
    print("\n| Input | nanoseconds per byte |\n| --- | ---: |")
    for name, figure in byte_rows(max(1, chosen.rounds), chosen.rows):
        print(f"| {name} | {figure:,.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
