"""The client for Autobahn's fuzzing server: it runs every case, and sends back what it receives.

    python tests/autobahn/echo_client.py ws://127.0.0.1:PORT

Rules: one case after another, each over a connection of its own, through the public face. It does
not know what a case is about.
"""

import sys

from sigil.client import Client, WebSocket, WebSocketCallbacks, WebSocketLimits, ws_connect

AGENT = "sigil"
LIMITS = WebSocketLimits(max_message_len=2**26, max_queue_len=2**26, max_small_fragments=2**20)


def echo(ws: WebSocket, data: str | bytes) -> None:
    """Send back what was received."""
    ws.send(data)


def run_case(client: Client, url: str) -> None:
    """One case, to its end."""
    ended: list[int] = []
    callbacks = WebSocketCallbacks(
        message=echo, close=lambda ws, code, reason, retry_after: ended.append(code)
    )
    ws = ws_connect(url, client=client, callbacks=callbacks, limits=LIMITS, reconnect=False)
    while not (ended and ws.is_gone):
        client.tick(None)


def main(url: str) -> None:
    """Every case, and then the report."""
    with ws_connect(f"{url}/getCaseCount", reconnect=False) as ws:
        count = int(ws.recv())
    print(f"will run {count} test cases", flush=True)
    with Client() as client:
        for number in range(1, count + 1):
            run_case(client, f"{url}/runCase?case={number}&agent={AGENT}")
    with ws_connect(f"{url}/updateReports?agent={AGENT}", reconnect=False) as ws:
        list(ws)


if __name__ == "__main__":
    main(sys.argv[1])
