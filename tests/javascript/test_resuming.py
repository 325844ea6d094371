"""Nothing is lost and nothing comes twice, whatever becomes of the connections: `sigil-client.js`
in node, behind a proxy that cuts, swallows and stalls.

Theory: the server publishes numbered messages while the proxy does its worst; what the client has
received in the end is exactly what was published since it was open, in order, or a gap was told. On
the way it says that it is open only while it is: what it says is read line by line.

Rules: nothing is waited for but lines, each with a bound. It does not know how the client does it.
"""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from sigil import HttpServer, Limits
from tests.docs.test_proxies import NGINX, free_port
from tests.docs.test_proxies import running as process_running
from tests.javascript.node import Script, running
from tests.javascript.servers import HOST, Program, serving
from tests.javascript.silent_proxy import SilentProxy, silent_proxy
from tests.tools import need

END = "that is all"
LIMITS = Limits(ws_ping_interval=0.2, sse_keep_alive_interval=0.2, ws_pong_timeout=1_000.0)
"""What is swallowed is noticed by the client after 400 ms, and not by the server."""


class Publisher:
    """What was published, numbered."""

    def __init__(self, server: HttpServer, dice: random.Random) -> None:
        self._server, self._dice = server, dice
        self.published: list[str] = []
        self.binary = False

    def publish(self, count: int) -> None:
        """So many messages of many lengths, some compressed if compression is on."""
        for _ in range(count):
            number = len(self.published)
            text = f"{number} {'x' * self._dice.choice((0, 10, 300, 5_000))}"
            self._say(text)

    def end(self) -> None:
        """The last one."""
        self._say(END)

    def _say(self, text: str) -> None:
        self.published.append(text)
        self._server.broadcast(text)


def exact(script: Script) -> tuple[list[str], list[str]]:
    """What was received in the end, and where the client was each time."""
    _, received, is_looped_alike, positions = script.until("exact")
    assert is_looped_alike
    return [text.removeprefix("text,") for text in received], positions


def numbers(positions: list[str]) -> list[int]:
    """The numbers in positions of one epoch."""
    assert len({position.split("-")[0] for position in positions}) == 1
    return [int(position.split("-")[1]) for position in positions]


ACTIONS = ("cut", "fall_silent", "stall")


def disturb(proxy: SilentProxy, action: str, script: Script, publisher: Publisher) -> None:
    """Do it amid messages, and wait until the client is open again."""
    publisher.publish(20)
    if action == "stall":
        proxy.stall()
        publisher.publish(20)
        proxy.resume()
        return
    getattr(proxy, action)()
    publisher.publish(20)
    assert script.until("close")[1]["willRetry"]
    assert script.until("open")[1]["isReconnect"]


@pytest.mark.parametrize(
    "options",
    [
        {"transports": ["websocket"], "socket": "plain"},
        {"transports": ["websocket"]},
        {"transports": ["websocket"], "decoder": "sync"},
        {"transports": ["websocket"], "decoder": "slow"},
        {"transports": ["sse"]},
        {"transports": ["poll"], "handshakeMs": 500},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("seed", range(2))
def test_after_whatever_becomes_of_connections_all_has_come_once(
    tmp_path: Path, options: dict[str, Any], seed: int
) -> None:
    dice = random.Random(seed)
    with serving(Program(), LIMITS) as server, silent_proxy(server.port) as proxy:
        publisher = Publisher(server, dice)
        address = f"ws://{HOST}:{proxy.port}/live"
        with running(
            tmp_path, "exact", address, json.dumps({"handshakeMs": 1_000, **options})
        ) as script:
            assert script.until("open")
            for _ in range(6):
                disturb(proxy, dice.choice(ACTIONS), script, publisher)
            publisher.end()
            received, positions = exact(script)
            assert received == publisher.published
            assert numbers(positions) == list(range(1, len(received) + 1))
            assert not [value for value in script.values if value[0] in ("gap", "dropped")]


AS_IT_COMES = """\
server {{ listen {host}:{port}; location / {{ proxy_pass http://{host}:{target}; }} }}
"""
"""A site of nginx that nobody has told about WebSockets."""


def test_behind_nginx_as_it_comes_a_stream_goes_on_over_events(tmp_path: Path) -> None:
    command, port = need("nginx"), free_port()
    with serving(Program(), LIMITS) as server:
        site = AS_IT_COMES.format(host=HOST, port=port, target=server.port)
        user = "user root;" if os.getuid() == 0 else ""  # so that its workers may use the folder
        (tmp_path / "sigil.conf").write_text(site, encoding="utf-8")
        (tmp_path / "nginx.conf").write_text(
            NGINX.format(folder=tmp_path, user=user), encoding="utf-8"
        )
        words = [command, "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
        options = json.dumps({"climbMs": 50})
        with (
            process_running(words, port),
            running(tmp_path, "exact", f"ws://{HOST}:{port}/live", options) as script,
        ):
            assert script.until("open")[1]["transport"] == "sse"
            publisher = Publisher(server, random.Random(0))
            publisher.publish(20)
            for conn in server.clients():
                server.close(conn)
            publisher.publish(20)
            assert script.until("open")[1]["transport"] == "sse"
            publisher.publish(20)
            publisher.end()
            assert exact(script)[0] == publisher.published
