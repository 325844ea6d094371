"""How late a 60 Hz stream leaves, by the loop that the server is hosted in.

    .venv/bin/python -m tests.bench.host_latency [--seconds N] [--loops NAME,NAME] [--fps N]
        [--members server,client,attached]

Theory: each loop runs in a process of its own, and its own timer broadcasts the time in each frame.
A client in this process reads what comes and looks at the same clock (CLOCK_MONOTONIC is one for
all processes). So a figure is the way of one message: from `broadcast`, through whatever the loop
does before it ticks, the kernel and the client. How punctual the timer is does not count.

With the other members it is the other way: this process sends, and a WebSocket of a `Client` in the
loop receives, alone (`client`) or ticked along with a server that the loop hosts (`attached`).

Rules: the loops are those of the tests (tests/support/host_loops.py), with the real libraries. A
loop that loses a message is an error. It does not know whether a figure is good.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from sigil import Request, Response, make_http_server
from sigil.client import Client, WebSocket, WebSocketCallbacks, ws_connect
from sigil.core.websocket.frames import encode_frame
from sigil.core.websocket.handshake import accept_key
from tests.support.host_loops import LOOPS
from tests.support.requests import UPGRADE
from tests.support.websocket_client import read_frames

PATIENCE_S = 60.0
WARM_UP = 10
"""Messages that are not counted: what a library does for the first time takes longer."""


def serve(loop: str, fps: float, count: int) -> None:
    """Serve in a loop: its timer broadcasts `count` times to the client that comes."""

    def frame() -> bool:
        nonlocal sent
        if server.subscriber_count():
            server.broadcast(f"{sent} {time.monotonic()}")
            sent += 1
        elif server.running and not is_told:
            print(server.port, flush=True)
            is_told.append(True)
        return sent < count

    sent, is_told = 0, list[bool]()
    server = make_http_server(app, port=0)
    LOOPS[loop](server, frame, 1 / fps)


def app(request: Request) -> Response:
    return Response.upgrade()


def follow(loop: str, fps: float, count: int, port: int, is_attached: bool) -> None:
    """Receive `count` messages in a loop, and print how long each was under way."""
    times: list[float] = []

    def receive(ws: WebSocket, message: str | bytes) -> None:
        at = time.monotonic()
        number, sent_at = str(message).split()
        assert int(number) == len(times), f"{loop} has lost a message before {message!r}"
        times.append((at - float(sent_at)) * 1_000)

    server = make_http_server(app, port=0) if is_attached else None
    client = Client(server=server)
    callbacks = WebSocketCallbacks(message=receive)
    url = f"ws://127.0.0.1:{port}/"
    ws_connect(url, client=client, callbacks=callbacks, compress=False, reconnect=False)
    LOOPS[loop](server or client, lambda: len(times) < count, 1 / fps)
    client.close()
    print(json.dumps(times), flush=True)


def send_stream(listener: socket.socket, fps: float, count: int) -> None:
    """Send the time `count` times to the WebSocket that comes, and read until it leaves."""
    with listener.accept()[0] as sock:
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65_536)
        key = re.search(rb"(?i)sec-websocket-key: *([^\r]+)", head)
        assert key is not None
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines.append(f"Sec-WebSocket-Accept: {accept_key(key[1].decode())}")
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        due_at = time.monotonic()
        for number in range(count):
            due_at += 1 / fps
            threading.Event().wait(max(0.0, due_at - time.monotonic()))
            sock.sendall(encode_frame(1, f"{number} {time.monotonic()}".encode()))
        while sock.recv(65_536):
            pass


def measure_client(loop: str, fps: float, count: int, is_attached: bool) -> list[float]:
    """How long each message took to a client in a loop, in milliseconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "tests.bench.host_latency", "--follow", loop]
        command += ["--port", str(listener.getsockname()[1])]
        command += ["--fps", str(fps), "--count", str(count), *["--attached"] * is_attached]
        sender = threading.Thread(target=send_stream, args=(listener, fps, count), daemon=True)
        sender.start()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        sender.join(PATIENCE_S)
    times: list[float] = json.loads(done.stdout.splitlines()[-1])
    return times


def messages(client: socket.socket) -> Iterator[tuple[bytes, float]]:
    """What a client is sent, and when it came, until the server closes."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(65_536)
    data = data.partition(b"\r\n\r\n")[2]
    while more := client.recv(65_536):
        at = time.monotonic()
        frames, data = read_frames(data + more)
        for opcode, payload in frames:
            if opcode == 8:
                return
            yield payload, at


def measure(loop: str, fps: float, count: int) -> list[float]:
    """How long each message took, in milliseconds; AssertionError if one is missing."""
    command = [sys.executable, "-m", "tests.bench.host_latency", "--serve", loop]
    command += ["--fps", str(fps), "--count", str(count)]
    with ExitStack() as stack:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        stack.enter_context(child)
        stack.callback(child.kill)
        assert child.stdout is not None
        lines = iter(child.stdout.readline, "")
        port = next(int(line) for line in lines if line.strip().isdigit())
        client = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        stack.enter_context(client)
        client.sendall(UPGRADE)
        times: list[float] = []
        for number, (payload, at) in enumerate(messages(client)):
            words = payload.split()
            assert int(words[0]) == number, f"{loop} has lost a message before {payload!r}"
            times.append((at - float(words[1])) * 1_000)
        # the last one may be under way when a loop ends
        assert len(times) >= count - 1, f"{loop} has sent {len(times)} of {count}"
        child.wait(PATIENCE_S)
    return times


def row(loop: str, times: list[float]) -> str:
    """One line of the table."""
    ordered = sorted(times[WARM_UP:] or times)
    figures = [ordered[min(len(ordered) - 1, len(ordered) * share // 1_000)] for share in SHARES]
    return (
        f"| {loop} | {len(ordered)} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |"
    )


SHARES = (500, 900, 990, 1_000)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.host_latency")
    parser.add_argument("--loops", default=",".join(LOOPS), help="names, with commas between")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each loop")
    parser.add_argument("--fps", type=float, default=60.0)
    parser.add_argument("--members", default="server", help="server, client, attached")
    parser.add_argument("--follow", default="", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--attached", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.serve:
        serve(chosen.serve, chosen.fps, chosen.count)
        return
    if chosen.follow:
        follow(chosen.follow, chosen.fps, chosen.count, chosen.port, chosen.attached)
        return
    count = max(2, round(chosen.seconds * chosen.fps))
    print(
        f"ms from broadcast to the client, {chosen.fps:g} frames a second, {os.cpu_count()} cores"
    )
    print("| member, loop | messages | p50 | p90 | p99 | max |")
    print("| --- | --- | --- | --- | --- | --- |")
    for member in chosen.members.split(","):
        for loop in chosen.loops.split(","):
            if member == "server":
                times = measure(loop, chosen.fps, count)
            else:
                times = measure_client(loop, chosen.fps, count, member == "attached")
            print(row(f"{member}, {loop}", times), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
