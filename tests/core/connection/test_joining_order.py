"""One law for every transport: position or gap, then what is retained, then what was missed, then
what is published from now on; in every encoding.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from sigil import Limits, Request, Response
from sigil.testing import Client
from tests.support.event_stream_reader import read_events

LONG = "long " * 60
Fact = tuple[str, str]


def app(request: Request) -> Response:
    """What the target asks for, behind its position."""
    after = request.args.get("after")
    if request.is_upgrade:
        return Response.upgrade(topics=["a"])
    if request.path == "/poll":
        return Response.poll(after=after, topics=["a"], timeout=0)
    return Response.sse(after=after, topics=["a"])


def by_websocket(headers: dict[str, str]) -> Callable[[Client, str], list[Fact]]:
    """What a WebSocket receives that makes this offer."""

    def receive(client: Client, after: str) -> list[Fact]:
        websocket = client.websocket(f"/?after={after}", headers=headers)
        client.server.broadcast("live", topic="a")
        client.run_until_idle()
        found, has_position = list[Fact](), False
        for message in websocket.messages():
            text = message if isinstance(message, str) else message.decode()
            if not text.startswith("\0"):
                found.append(("message" if has_position else "retained", text))
                has_position = False
            elif text.startswith("\0gap:"):
                found.append(("gap", json.loads(text[5:])["position"]))
            elif text.startswith("\0position:"):
                found.append(("position", text.partition(":")[2]))
            has_position = has_position or text.startswith("\0next:")
        return found

    return receive


def by_event_stream(client: Client, after: str) -> list[Fact]:
    """What an event stream receives."""
    stream = client.connect()
    stream.request("GET", f"/?after={after}")
    client.server.broadcast("live", topic="a")
    client.run_until_idle()
    body = stream.received.partition(b"\r\n\r\n")[2]
    found: list[Fact] = []
    for block in body.decode().split("\n\n")[:-1]:
        (event, *_) = read_events(f"{block}\n\n".encode()).events or (None,)
        position = block.partition("id: ")[2].partition("\n")[0]
        if event is None:
            found.append(("position", position))
        elif event.type == "gap":
            found.append(("gap", position))
        else:
            found.append(("message" if position else "retained", event.data))
    return found


def by_poll(client: Client, after: str) -> list[Fact]:
    """What long-polls are answered with, one after the other."""
    found: list[Fact] = []
    for number in range(2):
        lines = [json.loads(line) for line in client.get(f"/poll?after={after}").text.splitlines()]
        after = lines[-1]["position"]
        found += [_fact_of(line) for line in lines[: len(lines) if number else None]]
        if not number:
            client.server.broadcast("live", topic="a")
    return found


def _fact_of(line: dict[str, Any]) -> Fact:
    """What a line says."""
    if "gap" in line:
        return "gap", line["gap"]["position"]
    if "text" not in line and "base64" not in line:
        return "position", line["position"]
    text = line.get("text") or base64.b64decode(line["base64"]).decode()
    return ("retained" if "retained" in line else "message"), text


TRANSPORTS: dict[str, Callable[[Client, str], list[Fact]]] = {
    "plain": by_websocket({}),
    "deflate": by_websocket({"Sec-WebSocket-Extensions": "permessage-deflate"}),
    "zstd": by_websocket({"Sec-WebSocket-Protocol": "compress-zstd"}),
    "events": by_event_stream,
    "poll": by_poll,
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("after", "begins", "expected"),
    [
        ("", "position", ["0", "1" + LONG, "live"]),
        ("1", "gap", ["1" + LONG, "4", "5" + LONG, "6", "live"]),
        ("5", "position", ["5" + LONG, "6", "live"]),
        ("7", "position", ["live"]),
        ("nonsense", "gap", ["0", "1" + LONG, "live"]),
    ],
)
def test_the_order_is_the_same_over_every_transport(
    transport: str, after: str, begins: str, expected: list[str]
) -> None:
    client = Client(app, limits=Limits(max_ws_send_frame_cnt=3, history_messages=1))
    client.server.broadcast("0", retain=True)
    client.server.broadcast("1" + LONG, topic="a", retain=True)
    client.server.broadcast("2", topic="b", retain=True)
    client.server.broadcast("3", topic="c", retain=True)
    for text in ("4", "5" + LONG):
        client.server.broadcast(text, topic="a")
    client.server.broadcast("6")
    client.run_until_idle()
    epoch = client.server.position().partition("-")[0]
    asked = f"{epoch}-{after}" if after.isdecimal() else after
    facts = TRANSPORTS[transport](client, asked)
    kinds = [kind for kind, _ in facts if kind != "position"]
    assert facts[0][0] == begins
    assert kinds == sorted(kinds, key=("gap", "retained", "message").index)
    texts = [text for kind, text in facts if kind in ("retained", "message")]
    assert texts == expected
