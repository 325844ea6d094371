"""CPU microseconds per message delivered when one message goes to every client: sigil beside C
floors and `websockets`.

    python tests/bench/broadcast_cost.py [--rounds N] [--messages N] [--servers NAME,NAME]
        [--scenarios NAME,NAME]

Theory: a program with a loop of its own says something to everyone once a tick, or sixteen things.
What is measured is the CPU time, user and system, of the whole server process between the first
tick and the last, divided by the messages delivered: messages times clients. Never wall time. The
readers order a tick, by a byte through a pipe, when every client has all of the last one: so nobody
is slow, nothing queues, and all servers are driven alike.

The floors are loops over the sockets: `c-joined`, in C, sends the messages of a tick in one send
per client, `c-each` one send per message, which is what a server must pay that writes inside its
broadcast. `py-joined` is `c-joined` in Python: framing, a loop of `send`, and nothing else, so no
server in Python can be cheaper. `websockets` is its `broadcast()`, as its documentation writes it.

Rules: those of websocket_measure.py. Messages are numbered; every client compares every byte, so
what is measured is gapless and in order. It does not know of slow clients, eviction, compression or
TLS. Loopback: a send does the receiver's network work too.
"""

from __future__ import annotations

import sys

from websocket_measure import Bench, Scenario, main

BENCH = Bench(
    "message delivered",
    ("c-joined", "c-each", "py-joined", "websockets", "sigil"),
    ("c-joined", "py-joined", "websockets"),
    (
        Scenario("small16", "100 clients, 16 texts of 128 bytes a tick", "read", 100, 16, 128),
        Scenario("small1", "100 clients, one text of 128 bytes a tick", "read", 100, 1, 128),
        Scenario("large16", "1,000 clients, 16 texts of 1 KiB a tick", "read", 1000, 16, 1024),
        Scenario("large1", "1,000 clients, one text of 1 KiB a tick", "read", 1000, 1, 1024),
    ),
    160_000,
)

if __name__ == "__main__":
    sys.exit(main(BENCH, sys.argv[1:]))
