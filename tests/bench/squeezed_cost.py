"""CPU microseconds per message delivered compressed, when one message goes to every client: sigil
and `websockets`.

    python tests/bench/squeezed_cost.py [--rounds N] [--messages N] [--servers NAME,NAME]

Theory: as broadcast_cost.py, but the clients offer `permessage-deflate`, as browsers do, and the
message is JSON of some 4 KiB that changes from tick to tick. `websockets` answers as it does by
default, with a window for every client, so it compresses for each; sigil compresses once.
`per_cpu_s` counts messages, and all are of one length, so ratios are those of plain bytes for each
second of the server's CPU.

Rules: those of websocket_measure.py. What comes is inflated and compared. The load is in Python,
and sleeps while it waits: the figures are not those of broadcast_cost.py. It does not know how much
shorter the bytes on the wire are, nor of slow clients.
"""

from __future__ import annotations

import sys

from websocket_measure import Bench, Scenario, main

BENCH = Bench(
    "message delivered",
    ("websockets", "sigil"),
    ("websockets",),
    (
        Scenario("json16", "200 clients, 16 JSON texts of 4 KiB a tick", "squeezed", 200, 16, 4096),
        Scenario("json1", "200 clients, one JSON text of 4 KiB a tick", "squeezed", 200, 1, 4096),
    ),
    40_000,
)

if __name__ == "__main__":
    sys.exit(main(BENCH, sys.argv[1:]))
