"""What the page shows of a turn, as values that JSON has: literal ones, and of bounded size."""

import json
from typing import Any

import pytest

from sigil import Request, Response
from sigil.apps.replay.documents import (
    BLOCKS_MAX,
    CHANGES_MAX,
    ROWS_MAX,
    TEXT_MAX,
    View,
    Wanted,
    about_document,
    dialogue_document,
    jump_document,
    log_lines,
    make_view,
    timeline_document,
    turn_document,
    turn_for_time,
    why_document,
)
from sigil.core.limits import Limits
from sigil.core.trace.turn import Gap, Turn
from sigil.shell.recording.recording import Recording
from sigil.testing import Client

SMALL = Limits(outgoing_buffer_sz=60, max_ws_send_frame_cnt=8, max_outbox_len=40)
HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[2J"


def app(request: Request) -> Response:
    if request.path.startswith("/ws"):
        return Response.upgrade(topics=("news", HOSTILE))
    return Response.text("hello")


def evicting() -> View:
    """Two WebSockets, of which one does not read and is evicted; and a request."""
    client = Client(app, limits=SMALL, keeps_turns=True)
    slow, fast = client.websocket("/ws"), client.websocket("/ws")
    slow.connection.wire.window_len = len(slow.connection.wire.received) and 4
    client.advance(1.5)
    for number in range(8):
        client.server.broadcast(f"message {number}", topic="news")
        client.run_until_idle()
    assert slow.connection.is_closed and fast.code is None
    client.get("/a")
    return make_view(client.recording(), "a.mcap")


@pytest.fixture(scope="module")
def view() -> View:
    return evicting()


def turn_of(view: View, kind: str) -> int:
    turn = jump_document(view, kind, 0, is_back=False)["turn"]
    assert isinstance(turn, int)
    return turn


def test_the_recording_as_a_whole(view: View) -> None:
    about = about_document(view)
    assert (about["title"], about["connections"]) == ("a.mcap", 3)
    assert about["turns"] == len(view.recording) - 1
    assert about["seconds"] == 1.5
    assert about["ring"] == {"bytes": 60, "frames": 8}
    assert about["totals"]["evictions"] == about["totals"]["closes"] == 1
    assert about["totals"]["published"] == 8


def test_before_the_first_turn(view: View) -> None:
    document = turn_document(view, 0)
    assert document["story"] == [["quiet", None, "Here the recording begins."]]
    assert (document["events"], document["effects"], document["changes"]["list"]) == ([], [], [])
    assert document["connections"] == {"count": 0, "start": 0, "rows": []}


def test_a_turn_in_which_somebody_falls_behind(view: View) -> None:
    turn = turn_of(view, "stalls")
    document = turn_document(view, turn)
    assert document["story"][0][:2] == ["stalled", 0]
    assert (document["at"], document["next_at"]) == (1.5, 1.5)
    (laggard,) = document["ring"]["laggards"]
    assert {name: laggard[name] for name in ("conn", "cursor", "behind")} == {
        "conn": 0,
        "cursor": 1,
        "behind": 0,
    }
    assert document["ring"]["names"] == [1]
    slow, fast = document["connections"]["rows"]
    assert (slow["conn"], slow["place"], fast["place"]) == (0, "laggard", "cohort")
    assert "place" in slow["changed"] and fast["changed"] == []


def test_a_turn_in_which_somebody_is_evicted(view: View) -> None:
    turn = turn_of(view, "evictions")
    document = turn_document(view, turn)
    assert document["story"][0] == [
        "evicted",
        0,
        "Connection 0 is evicted: it fell too far behind what was published.",
    ]
    assert document["evicted"] == [{"conn": 0, "offset": 11}]
    assert document["ended"] == [
        [
            0,
            "WS_CLIENT_TOO_SLOW",
            "closed: WS_CLIENT_TOO_SLOW, it fell too far behind what was published",
        ]
    ]
    assert [row["conn"] for row in document["connections"]["rows"]] == [1]
    paths = [path for path, _, _ in document["changes"]["list"]]
    assert "clients[0]" in paths
    assert document["ring"]["dropped"] == 1


def test_who_ended_in_turns_that_were_passed_over_is_shown(view: View) -> None:
    turn = turn_of(view, "evictions")
    shown = turn_document(view, turn + 5, Wanted(since=turn - 2))
    assert shown["evicted"] == [{"conn": 0, "offset": 11}]
    assert shown["story"][0][0] == "evicted"
    assert turn_document(view, turn + 5)["evicted"] == []


def test_the_dialogue_with_a_connection(view: View) -> None:
    last = len(view.recording) - 1
    document = dialogue_document(view, last, 2)
    assert (document["conn"], document["peer"]) == (2, "127.0.0.1:50003")
    assert [line[1:] for line in document["lines"]] == [
        ["program", "Adopt", "it gets slot 0, generation 2"],
        ["program", "CallOpen", "tell the program that it is open"],
        [
            "in",
            "Received",
            "received 37 bytes: b'GET /a HTTP/1.1\\r\\nHost: testserver\\r\\n\\r\\n'",
        ],
        ["program", "Handle", "call the handler: GET '/a'"],
        ["program", "HandlerReturned", "the handler answers request 0: 200"],
        ["out", "Send", document["lines"][5][3]],
    ]
    assert document["lines"][5][3].startswith("send 1")
    assert document["row"]["kind"] == "http"
    evicted = dialogue_document(view, last, 0)
    assert evicted["row"] is None
    kinds = [kind for _, _, kind, _ in evicted["lines"]]
    assert "FanOutStalled" in kinds and kinds[-1] == "CallWsClose"


def test_why_a_connection_ended(view: View) -> None:
    facts = why_document(view, 0)["facts"]
    assert facts[0][0] == 1 and facts[-1][0] == turn_of(view, "evictions")
    assert any("message" in text for _, _, _, text in facts)


def test_the_log_up_to_a_turn(view: View) -> None:
    turn = turn_of(view, "evictions")
    before, after = log_lines(view, turn - 1), log_lines(view, turn)
    assert after[: len(before)] == before
    (added,) = after[len(before) :]
    assert added[:2] == [turn, 20] and "dropped, WS_CLIENT_TOO_SLOW" in added[2]


def test_jumps_and_times(view: View) -> None:
    turn = turn_of(view, "evictions")
    assert jump_document(view, "closes", turn, is_back=False) == {"turn": None}
    assert jump_document(view, "closes", turn + 1, is_back=True) == {"turn": turn}
    assert turn_for_time(view, -1.0) == 0
    assert turn_for_time(view, 99.0) == len(view.recording) - 1
    columns = timeline_document(view, 0, len(view.recording) - 1, 10**9)
    assert sum(columns["closes"]) == 1 and columns["times"][-1] == 1.5
    assert timeline_document(view, 0, 9, 2)["turns"] == [0, 5, 10]


def test_a_gap_is_shown(view: View) -> None:
    recording = view.recording
    middle = len(recording) // 2
    gap = Turn(1, recording.turns[middle].events, (), Gap(7, recording[middle]))
    document = turn_document(make_view(Recording(recording.first, (gap,)), "gap"), 1)
    assert document["story"][0] == ["warning", None, "7 turns are missing before this one."]
    replaced = Turn(1, (), (), Gap(0, recording[middle]))
    document = turn_document(make_view(Recording(recording.first, (replaced,)), "gap"), 1)
    assert document["story"][0][2] == "The server was replaced here by another value."
    assert about_document(make_view(Recording(recording.first, (gap,)), ""))["totals"]["gaps"] == 1


def texts_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts_in(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in texts_in(item)]
    return [value] if isinstance(value, str) else []


def test_whatever_strangers_send_is_bounded_and_can_be_printed() -> None:
    client = Client(app, limits=Limits(outgoing_buffer_sz=2_000), keeps_turns=True)
    sockets = [client.websocket("/ws") for _ in range(3)]
    sockets[0].send(HOSTILE * 50)
    sockets[1].close(4000, HOSTILE)
    for number in range(30):
        client.server.broadcast(HOSTILE, topic=HOSTILE + str(number) * 300)
    client.get("/" + "%3Cscript%3E" * 40, headers={"X-A": "<b>"})
    client.connect().send(b"\x00<script>\r\n\r\n")
    view = make_view(client.recording(), HOSTILE * 100)
    for turn in range(len(view.recording)):
        document = turn_document(view, turn, Wanted(conn=0))
        assert json.loads(json.dumps(document))["turn"] == turn
        for text in texts_in(document):
            assert text.isprintable() and len(text) <= TEXT_MAX, text


def test_a_document_has_a_bounded_size_among_many() -> None:
    client = Client(app, limits=Limits(outgoing_buffer_sz=10**6), keeps_turns=True)
    sockets = [client.websocket("/ws") for _ in range(250)]
    for socket in sockets[:40]:
        socket.connection.wire.window_len = 1
    for number in range(300):
        client.server.broadcast("x" * 500, topic="news")
        if number % 10 == 0:
            client.run_until_idle()
    view = make_view(client.recording(), "many")
    last = len(view.recording) - 1
    for turn in (last, turn_of(view, "stalls")):
        document = turn_document(view, turn, Wanted(rows=10**6, conn=3))
        assert len(document["connections"]["rows"]) == ROWS_MAX < 250
        assert document["connections"]["count"] == 250
        assert len(document["ring"]["blocks"]) <= BLOCKS_MAX
        assert len(document["changes"]["list"]) <= CHANGES_MAX
        assert len(json.dumps(document)) < 250_000
    rows = turn_document(view, last, Wanted(start=240, rows=60))["connections"]["rows"]
    assert [row["slot"] for row in rows] == list(range(240, 250))
    first = turn_document(view, last, Wanted(by_lag=True, rows=1))["connections"]["rows"][0]
    assert first["place"] == "laggard"
