"""CPU microseconds per WebSocket message echoed: sigil beside two floors and `websockets`, in one
run.

    python tests/bench/websocket_echo.py [--rounds N] [--messages N] [--servers NAME,NAME]
        [--scenarios NAME,NAME]

Theory: a client sends text messages of 128 bytes, masked, and waits until all of them are back.
What is measured is the CPU time, user and system, of the whole server process for it, divided by
the messages; never wall time. `deep` has eight messages in one write, which a server may read and
answer in one; `single` has one in flight, where the system calls are the most of it. Compression is
off.

The floors. `c-floor` and `py-floor` understand nothing: they count frames by their length and
answer as many prebuilt ones in one send. The distance from `py-floor` is the price of everything a
server does for its users. `websockets` is its asyncio server with the extension in C that it ships,
as its documentation writes an echo; it sends each message by itself, as the program asks.

Rules: those of websocket_measure.py. Every byte that a server sends back is compared with what was
sent. It does not know of latency, large messages, compression or TLS; loopback, a closed loop and a
noisy neighbour are what request_cost.py says of them.
"""

from __future__ import annotations

import sys

from websocket_measure import Bench, Scenario, main

BENCH = Bench(
    "message echoed",
    ("py-floor", "c-floor", "websockets", "sigil"),
    ("py-floor", "c-floor", "websockets"),
    (
        Scenario("deep", "64 connections, 8 texts of 128 bytes in one write", "echo", 64, 8, 128),
        Scenario(
            "single", "64 connections, one text of 128 bytes in flight on each", "echo", 64, 1, 128
        ),
    ),
    80_000,
)

if __name__ == "__main__":
    sys.exit(main(BENCH, sys.argv[1:]))
