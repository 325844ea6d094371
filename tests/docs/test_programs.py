"""Every program in the documents runs, and does what the words around it say.

What it is: a script must end by itself and print exactly what stands below it; a server is asked
for one page, and must end with status 0 on SIGINT.  Some are looked at more closely. Its rules: no
sleeps; every process has a deadline.  It does not know whether the words are true.
"""

import json
import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

import sigil
from sigil import Callbacks, Limits, Response, SendStatus
from sigil.testing import Client
from tests.docs.blocks import BLOCKS, PROGRAMS, README, SCRIPTS, SERVERS, Block, block_with
from tests.docs.running import PATIENCE_SECONDS, run_program, serving_program
from tests.javascript.node import CLIENT, running
from tests.support.command import http_get

LANGUAGES = {
    "python",
    "sh",
    "console",
    "text",
    "nginx",
    "haproxy",
    "ini",
    "{eval-rst}",
    "{toctree}",
}


@pytest.mark.parametrize("block", SCRIPTS, ids=lambda block: block.name)
def test_a_program_runs_and_prints_what_is_written_below_it(block: Block, tmp_path: Path) -> None:
    ended = run_program(block, tmp_path)
    assert ended.returncode == 0, ended.stderr
    if block.printed is not None:
        assert ended.stdout.replace("\r\n", "\n").rstrip() == block.printed.rstrip()


@pytest.mark.parametrize("block", SERVERS, ids=lambda block: block.name)
def test_a_server_says_where_it_is_answers_and_ends_when_interrupted(block: Block) -> None:
    with serving_program(block) as port:
        status, body = http_get(port)
    assert (status, bool(body)) == (200, True)


def test_there_is_no_block_that_nobody_tries() -> None:
    assert [block.name for block in BLOCKS if block.language not in LANGUAGES] == []


def test_the_chat_is_a_chat_in_rooms() -> None:
    with serving_program(block_with("topic=rooms[")) as port:
        address = f"ws://127.0.0.1:{port}/chat"
        with (
            connect(address) as ann,
            connect(address) as bob,
            connect(f"{address}?room=attic") as eve,
        ):
            assert [who.recv(PATIENCE_SECONDS) for who in (ann, bob)] == [
                "you are in the lobby"
            ] * 2
            ann.send("hello")
            assert [who.recv(PATIENCE_SECONDS) for who in (ann, bob)] == ["hello", "hello"]
            bob.close()
            assert ann.recv(PATIENCE_SECONDS) == "somebody left: WS_PEER_CLOSED, 1000"
            eve.send("anybody here?")
            assert [eve.recv(PATIENCE_SECONDS) for _ in range(2)] == [
                "you are in the attic",
                "anybody here?",
            ]


def test_the_counter_of_events_counts_for_all() -> None:
    with serving_program(block_with("WebServer(path=")) as port:
        assert "new WebSocket(" in http_get(port)[1]
        address = f"ws://127.0.0.1:{port}/count"
        with connect(address) as ann, connect(address) as bob:
            assert [who.recv(PATIENCE_SECONDS) for who in (ann, bob)] == ["0", "0"]
            bob.send("more")
            assert [who.recv(PATIENCE_SECONDS) for who in (ann, bob)] == ["1", "1"]


def test_the_page_of_numbers_is_sent_numbers() -> None:
    with serving_program(block_with("math.sin(frame / 10)")) as port:
        assert "/live" in http_get(port)[1]
        with connect(
            f"ws://127.0.0.1:{port}/live", origin=Origin(f"http://127.0.0.1:{port}")
        ) as page:
            numbers = [json.loads(page.recv(PATIENCE_SECONDS)) for _ in range(3)]
    frames = [number["frame"] for number in numbers]
    assert frames == [frames[0], frames[0] + 1, frames[0] + 2]
    assert all(set(number) == {"frame", "height"} for number in numbers)


def test_the_loop_of_the_readme_answers_and_broadcasts() -> None:
    program = next(block for block in SERVERS if block.page == README and "broadcast" in block.text)
    with serving_program(program) as port:
        assert json.loads(http_get(port)[1])["frame"] > 0
        with connect(f"ws://127.0.0.1:{port}/") as client:
            frames = [json.loads(client.recv(PATIENCE_SECONDS))["frame"] for _ in range(2)]
    assert frames[1] == frames[0] + 1


def test_the_tank_of_the_tutorial_is_turned_by_its_valve() -> None:
    with (
        serving_program(block_with("def valve_of(")) as port,
        connect(f"ws://127.0.0.1:{port}/live") as page,
    ):
        assert json.loads(page.recv(PATIENCE_SECONDS))["inflow"] == 1.5
        page.send('{"inflow": 3}')
        while json.loads(page.recv(PATIENCE_SECONDS))["inflow"] != 3.0:
            pass


def test_the_page_that_reconnects_shows_a_clock_and_says_when_it_has_stopped(
    tmp_path: Path,
) -> None:
    with ExitStack() as pages:
        with serving_program(block_with('topics: ["clock"]')) as port:
            assert http_get(port, path="/sigil-client.js") == (
                200,
                CLIENT.read_text(encoding="utf-8"),
            )
            page = pages.enter_context(
                running(tmp_path, f"http://127.0.0.1:{port}/", script="page.mjs")
            )
            assert page.until("p") == ["p", "live"]
            assert re.fullmatch(r"\d\d:\d\d:\d\d", page.until("h1")[1])
        assert re.fullmatch(r"lost \(1001\), again in \d+ ms", page.until("p")[1])


def test_there_is_a_program_for_each_way_in() -> None:
    texts = [block.text for block in PROGRAMS if block.page == README]
    assert any(".start()" in text for text in texts)
    assert any("http_server_tick(server" in text for text in texts)
    assert any("make_server(" in text and "port=" not in text for text in texts)
    assert any("http_server_serve(server)" in block.text for block in PROGRAMS)
    assert any("serve_in_thread()" in block.text for block in PROGRAMS)


def test_the_program_on_the_first_screen_is_the_one_in_the_package() -> None:
    first = next(block for block in BLOCKS if block.page == README)
    words = [line.strip() for line in first.text.splitlines() if line.strip()]
    documented = [line.strip() for line in (sigil.__doc__ or "").splitlines()]
    assert words[:2] == [line for line in documented if line in words[:2]]
    assert words[-1] in documented
    assert first.language == "python" and first.line < 20 and len(words) <= 5


def test_what_is_written_of_topics_and_history_holds() -> None:
    callbacks = Callbacks(ws_open=lambda server, conn, request: server.send(conn, "welcome"))
    client = Client(
        lambda request: Response.upgrade(topics=request.query, history=10),
        limits=Limits(history_messages=100, outgoing_buffer_sz=10_000),
        callbacks=callbacks,
    )
    for number in range(40):
        client.server.broadcast(str(number), topic=("a", "b", None)[number % 3])
    ann, eve = client.websocket("/?a"), client.websocket("/?c")
    assert ann.messages() == ["26", "27", "29", "30", "32", "33", "35", "36", "38", "39", "welcome"]
    assert eve.messages() == [str(number) for number in range(11, 40, 3)] + ["welcome"]
    assert ann.handle is not None
    client.server.unsubscribe(ann.handle, "a")
    client.server.subscribe(ann.handle, "c")
    client.server.broadcast("to a", topic="a")
    client.server.broadcast("to c", topic="c")
    client.run_until_idle()
    assert (ann.messages()[-1], eve.messages()[-1]) == ("to c", "to c")
    assert "to a" not in ann.messages()
    assert client.server.broadcast(bytes(10_001)) is SendStatus.DROPPED
    assert client.server.send(ann.handle, bytes(10_001)) is SendStatus.SUCCESS


def test_who_needs_what_is_no_longer_there_is_dropped_and_the_log_says_how_far_behind_it_was() -> (
    None
):
    ends: list[tuple[str, int]] = []
    callbacks = Callbacks(
        ws_close=lambda server, conn, reason, code: ends.append((reason.name, code))
    )
    client = Client(
        lambda request: Response.upgrade(),
        limits=Limits(outgoing_buffer_sz=5_000),
        callbacks=callbacks,
    )
    slow, other = client.websocket("/", window_len=1_000), client.websocket("/")
    statuses = []
    while not ends:
        statuses.append(client.server.broadcast(bytes(900)))
        client.run_until_idle()
    assert statuses[-1] is SendStatus.DROPPED and SendStatus.BACKPRESSURE in statuses
    assert len(other.messages()) == len(statuses)
    assert (ends, slow.connection.is_closed) == ([("WS_CLIENT_TOO_SLOW", 1013)], True)
    assert "it needed message" in client.log[-1].text
