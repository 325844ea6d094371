"""The state machine of `sigil-client.js`: the table, row by row, on a clock and a network that do
what they are told.

Theory: docs/reference/client.md has the table that the module has, which the first test holds. Then
each row is driven: the steps that lead to it, and what is seen, as literal values. A client in
another language could be driven by the same cases.

Rules: no time passes, and nothing is waited for. `drive.mjs` has the steps.
"""

import json
import re
from json import dumps
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import page_of
from tests.javascript.node import printed, running

ROW = re.compile(r"^\| ([a-z]+) \| ([a-z ]+) \| (\w+) \| (\w+) \| ([a-z]+) \|$", re.MULTILINE)
SIGIL = "after=&sigil-heartbeats"
HERE = f"/live?{SIGIL}"
SSE, NDJSON = "text/event-stream", "application/x-ndjson"


def at(position: str) -> str:
    """The path and query of an attempt that goes on there."""
    return f"/live?after={position}&sigil-heartbeats"


def opened(transport: str = "websocket", attempt: int = 1, *, again: bool = False) -> Any:
    """The detail of `open`."""
    return {
        "attempt": attempt,
        "protocol": "",
        "isReconnect": again,
        "transport": transport,
    }


def lost(retry_ms: int | None, code: int = 1006) -> Any:
    """The detail of a `close` that is not the last."""
    return {"code": code, "reason": "", "willRetry": True, "retryMs": retry_ms}


def last(code: int, reason: str = "") -> Any:
    """The detail of the last `close`."""
    return {"code": code, "reason": reason, "willRetry": False, "retryMs": None}


def drive(folder: Path, steps: list[list[Any]], **options: Any) -> list[Any]:
    """All that is printed."""
    case = json.dumps({"options": options, "steps": steps})
    with running(folder, case, script="drive.mjs") as script:
        return script.rest()


OPEN = [["open"], ["say", "\0position:7-1"]]
"""A WebSocket that opens."""
LIVE = [["websocket", HERE], ["open", opened(), "open", "websocket", None]]
"""What is seen then."""
BROKEN = [["end", 1006], ["advance", 125], ["end", 1006], ["advance", 250]]
"""Two WebSockets that do not open, and the delays."""
BROKEN_SEEN = [
    ["websocket", HERE],
    ["close", lost(125), "waiting", "websocket", None],
    ["websocket", HERE],
    ["close", lost(250), "waiting", "sse", None],
    ["sse", HERE],
]
ON_SSE = [*BROKEN, ["answer", 200, SSE], ["say", "id: 7-1\n\n"]]
ON_SSE_SEEN = [*BROKEN_SEEN, ["open", opened("sse", 3), "open", "sse", None]]

CASES: dict[tuple[str, str, str], tuple[dict[str, Any], list[list[Any]], list[Any]]] = {
    ("waiting", "start", "always"): ({}, [], [["websocket", HERE], ["connecting", 1]]),
    ("waiting", "due", "isOffline"): (
        {},
        [["network", False], ["end", 1006], ["advance", 1_000_000]],
        [
            ["websocket", HERE],
            ["close", lost(None), "waiting", "websocket", None],
            ["waiting", 0],
        ],
    ),
    ("waiting", "due", "always"): (
        {},
        [*OPEN, ["say", "\0next:7-2"], ["say", "two"], ["end", 1001], ["advance", 125]],
        [
            *LIVE,
            ["message", "two", "7-2"],
            ["close", lost(125, 1001), "waiting", "websocket", "7-2"],
            ["websocket", at("7-2")],
            ["connecting", 1],
        ],
    ),
    ("waiting", "close", "always"): (
        {},
        [["end", 1006], ["close", 1000, "enough"]],
        [
            ["websocket", HERE],
            ["close", lost(125), "waiting", "websocket", None],
            ["close", last(1000, "enough"), "closed", "websocket", None],
            ["closed", 0],
        ],
    ),
    ("connecting", "opened", "always"): ({}, OPEN, [*LIVE, ["open", 0]]),
    ("connecting", "late", "always"): (
        {},
        [["advance", 14_999], ["advance", 1]],
        [
            ["websocket", HERE],
            ["error", "the handshake was not answered in 15000 ms", "waiting", "websocket", None],
            ["close", lost(125), "waiting", "websocket", None],
            ["closed", 4008, "the handshake was not answered in 15000 ms"],
            ["waiting", 1],
        ],
    ),
    ("connecting", "ended", "isFinal"): (
        {},
        [["open"], ["end", 1008]],
        [["websocket", HERE], ["close", last(1008), "closed", "websocket", None], ["closed", 0]],
    ),
    ("connecting", "ended", "mayBeItsOffer"): (
        {"decompress": True},
        [["end", 1006], *OPEN],
        [["websocket", HERE, "compress-zstd"], *LIVE, ["open", 0]],
    ),
    ("connecting", "ended", "isOffline"): (
        {"transports": ["websocket"]},
        [["network", False], ["end", 1006]],
        [
            ["websocket", HERE],
            ["close", lost(None), "waiting", "websocket", None],
            ["waiting", 0],
        ],
    ),
    ("connecting", "ended", "isBroken"): ({}, BROKEN, [*BROKEN_SEEN, ["connecting", 1]]),
    ("connecting", "ended", "always"): (
        {},
        [["end", 1013], ["advance", 1_874], ["advance", 1]],
        [
            ["websocket", HERE],
            ["close", lost(1_875, 1013), "waiting", "websocket", None],
            ["websocket", HERE],
            ["connecting", 1],
        ],
    ),
    ("connecting", "close", "always"): (
        {},
        [["close", 4001, "no"], ["end", 1006]],
        [
            ["websocket", HERE],
            ["closed", 4001, "no"],
            ["close", last(1006), "closed", "websocket", None],
            ["closed", 0],
        ],
    ),
    ("open", "late", "always"): (
        {},
        [
            *OPEN,
            ["say", "\x00heartbeat:1000"],
            ["advance", 1999],
            ["say", "hello"],
            ["advance", 1999],
            ["send", "are you there?"],
            ["advance", 1],
        ],
        [
            *LIVE,
            ["message", "hello", "7-1"],
            ["sent", "are you there?"],
            ["taken", True],
            ["error", "no message was received for 2000 ms", "waiting", "websocket", "7-1"],
            ["close", lost(125), "waiting", "websocket", "7-1"],
            ["closed", 4008, "no message was received for 2000 ms"],
            ["waiting", 1],
        ],
    ),
    ("open", "ended", "isFinal"): (
        {},
        [*OPEN, ["end", 1002]],
        [*LIVE, ["close", last(1002), "closed", "websocket", "7-1"], ["closed", 0]],
    ),
    ("open", "ended", "isOffline"): (
        {},
        [*OPEN, ["network", False], ["end", 1006]],
        [*LIVE, ["close", lost(None), "waiting", "websocket", "7-1"], ["waiting", 0]],
    ),
    ("open", "ended", "isBroken"): (
        {},
        [*OPEN, ["end", 1006], ["advance", 125], *OPEN, ["end", 1006], ["advance", 250]],
        [
            *LIVE,
            ["close", lost(125), "waiting", "websocket", "7-1"],
            ["websocket", at("7-1")],
            ["open", opened(again=True), "open", "websocket", "7-1"],
            ["close", lost(250), "waiting", "sse", "7-1"],
            ["sse", at("7-1"), "7-1"],
            ["connecting", 1],
        ],
    ),
    ("open", "ended", "always"): (
        {},
        [*OPEN, ["advance", 5_000], ["end", 1006]],
        [*LIVE, ["close", lost(125), "waiting", "websocket", "7-1"], ["waiting", 1]],
    ),
    ("open", "climb", "always"): (
        {},
        [*ON_SSE, ["advance", 0]],
        [*ON_SSE_SEEN, ["websocket", at("7-1")], ["open", 1]],
    ),
    ("open", "probe opened", "always"): (
        {},
        [
            *ON_SSE,
            ["advance", 0],
            ["say", "id: 7-2\ndata: two\n\n", -2],
            *OPEN,
            ["say", "\x00next:7-2"],
            ["say", "two"],
            ["say", "\x00next:7-3"],
            ["say", "three"],
        ],
        [
            *ON_SSE_SEEN,
            ["websocket", at("7-1")],
            ["message", "two", "7-2"],
            ["aborted"],
            ["open", opened(again=True), "open", "websocket", "7-2"],
            ["message", "three", "7-3"],
            ["open", 0],
        ],
    ),
    ("open", "probe late", "always"): (
        {},
        [*ON_SSE, ["advance", 0], ["advance", 15_000], ["advance", 60_000]],
        [
            *ON_SSE_SEEN,
            ["websocket", at("7-1")],
            ["closed", 4008, "the handshake was not answered in 15000 ms"],
            ["websocket", at("7-1")],
            ["open", 1],
        ],
    ),
    ("open", "probe ended", "always"): (
        {},
        [
            *ON_SSE,
            ["advance", 0],
            ["end", 1006],
            ["advance", 59999],
            ["advance", 1],
            ["end", 1006],
            ["advance", 119999],
            ["advance", 1],
        ],
        [*ON_SSE_SEEN, *[["websocket", at("7-1")]] * 3, ["open", 1]],
    ),
    ("open", "close", "always"): (
        {},
        [*ON_SSE, ["advance", 0], ["close", 4001, "enough"]],
        [
            *ON_SSE_SEEN,
            ["websocket", at("7-1")],
            ["closed", 4008, "it is not needed any more"],
            ["aborted"],
            ["close", last(4001, "enough"), "closed", "sse", "7-1"],
            ["closed", 0],
        ],
    ),
    ("closing", "late", "always"): (
        {},
        [*OPEN, ["close", 1000, ""], ["advance", 2_999], ["say", "hello"], ["advance", 1]],
        [
            *LIVE,
            ["closed", 1000, ""],
            ["close", last(1006), "closed", "websocket", "7-1"],
            ["closed", 4008, "the close was not answered in 3000 ms"],
            ["closed", 0],
        ],
    ),
    ("closing", "ended", "always"): (
        {},
        [*OPEN, ["close", 1000, ""], ["end", 1000]],
        [
            *LIVE,
            ["closed", 1000, ""],
            ["close", last(1000), "closed", "websocket", "7-1"],
            ["closed", 0],
        ],
    ),
}
"""By state, event and condition: the options, the steps, and what is seen."""


def test_the_table_of_the_page_is_that_of_the_module(tmp_path: Path) -> None:
    rows = ROW.findall(page_of("reference/client.md"))
    assert [list(row) for row in rows] == printed(tmp_path, "table")
    assert [row[:3] for row in rows] == list(CASES)


@pytest.mark.parametrize("row", CASES, ids=lambda row: ", ".join(row))
def test_each_row_is_taken(tmp_path: Path, row: tuple[str, str, str]) -> None:
    options, steps, seen = CASES[row]
    assert drive(tmp_path, steps, **options) == seen


# -- positions -------------------------------------------------------------------------------------

GAP = {"after": "7-1", "position": "8-5", "missed": None}
ONLY_SSE = [["answer", 200, SSE], ["say", "id: 7-1\n\n"]]
ONLY_POLL = [["answer", 200, NDJSON], ["say", '{"position":"7-1"}\n{"timeout":25.0}\n'], ["end"]]


def test_texts_that_begin_with_nul_are_the_servers_own_but_behind_a_position(
    tmp_path: Path,
) -> None:
    said = ["\0next:7-2", "\0next:a message", "\0unknown:1", "\0", "direct", f"\0gap:{dumps(GAP)}"]
    seen = drive(tmp_path, [*OPEN, *(["say", text] for text in said)])
    assert seen == [
        *LIVE,
        ["message", "\0next:a message", "7-2"],
        ["message", "direct", "7-2"],
        ["gap", GAP, "open", "websocket", "8-5"],
        ["open", 0],
    ]


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_an_event_stream_is_read_however_it_is_cut(
    tmp_path: Path, line_end: str, size: int
) -> None:
    gap = dumps({"after": "7-1", "missed": None})
    text = (
        ":\n\nid: 7-2\ndata: two\ndata:  lines\ndata\n\nid: 7-3\n\ndata: retained\n\n"
        f"event: other\ndata: no\n\nevent: gap\nid: 8-5\ndata: {gap}\n\nid:8-6\ndata:six\n\n:\n"
    ).replace("\n", line_end)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    steps = [*ONLY_SSE, *(["say", piece] for piece in pieces)]
    seen = drive(tmp_path, steps, transports=["sse"])
    assert seen == [
        ["sse", HERE],
        ["open", opened("sse"), "open", "sse", None],
        ["message", "two\n lines\n", "7-2"],
        ["message", "retained", "7-3"],
        ["gap", GAP, "open", "sse", "8-5"],
        ["message", "six", "8-6"],
        ["open", 0],
    ]


def test_long_polls_follow_one_another_behind_the_last_position(tmp_path: Path) -> None:
    lines = [
        {"gap": GAP},
        {"retained": True, "text": "kept"},
        {"position": "8-6", "text": "six"},
        {"position": "8-6"},
    ]
    empty = ["say", '{"position":"8-6"}\n']
    seen = drive(
        tmp_path,
        [
            *ONLY_POLL,
            ["answer", 200, NDJSON],
            ["say", "".join(f"{dumps(line)}\n" for line in lines)],
            ["end"],
            ["answer", 200, NDJSON],
            empty,
            ["end"],
            ["advance", 999],
            ["advance", 1],
            ["advance", 40_000],
        ],
        transports=["poll"],
    )
    assert seen == [
        ["poll", HERE],
        ["open", opened("poll"), "open", "poll", None],
        ["poll", at("7-1")],
        ["gap", GAP, "open", "poll", "8-5"],
        ["message", "kept", "8-5"],
        ["message", "six", "8-6"],
        ["poll", at("8-6")],
        ["poll", at("8-6")],
        ["error", "no message was received for 40000 ms", "waiting", "poll", "8-6"],
        ["close", lost(125), "waiting", "poll", "8-6"],
        ["aborted"],
        ["poll", at("8-6")],
        ["connecting", 1],
    ]


def test_what_a_server_that_knows_no_positions_says_has_none(tmp_path: Path) -> None:
    steps = [["open"], ["say", "hello"], ["end", 1001], ["advance", 125]]
    assert drive(tmp_path, steps, resume=False, history=2, silenceMs=0) == [
        ["websocket", "/live?history=2"],
        ["open", opened(), "open", "websocket", None],
        ["message", "hello", None],
        ["close", lost(125, 1001), "waiting", "websocket", None],
        ["websocket", "/live?history=2"],
        ["connecting", 1],
    ]


@pytest.mark.parametrize(
    ("status", "type_", "code", "next_transport", "will_retry"),
    [
        (404, "text/plain", 1006, "poll", True),
        (200, "text/html", 1006, "poll", True),
        (502, "text/html", 1006, "sse", True),
        (503, "text/plain", 1013, "sse", True),
        (429, "text/plain", 1013, "sse", True),
        (204, "", 1000, "sse", False),
    ],
)
def test_an_answer_that_is_no_event_stream_says_what_to_do(
    tmp_path: Path, status: int, type_: str, code: int, next_transport: str, will_retry: bool
) -> None:
    seen = drive(tmp_path, [["answer", status, type_]], transports=["sse", "poll"])
    (kind, detail, *_, transport, _) = seen[-2]
    assert (kind, detail["code"], detail["willRetry"], transport) == (
        "close",
        code,
        will_retry,
        next_transport,
    )


def test_positions_are_compared_by_their_numbers(tmp_path: Path) -> None:
    pairs = [
        ("7-9", "7-10", True),
        ("7-10", "7-9", False),
        ("7-9", "7-9", True),
        ("8-1", "7-9", False),
        ("7-9.4", "7-9", True),
        ("7-9", "7-9.4", False),
        ("7-9.4", "7-9.10", True),
        ("7-9.10", "7-9.4", False),
    ]
    calls = json.dumps({"calls": [["isReached", one, other] for one, other, _ in pairs]})
    assert printed(tmp_path, "pure", "", calls) == [is_reached for *_, is_reached in pairs]
