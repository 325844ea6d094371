"""`sigil-client.js` in node, against real servers: what it receives, when it comes back, what
it lets go of.

Theory: a scenario of `scenarios.mjs` prints what it sees; here stands what that is, as literal
values. A test that needs the server to go and come back reads the lines as they come.

Rules: nothing is waited for but lines, each with a bound.  It does not know how the client does it.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from sigil import CloseReason, Limits
from tests.javascript.node import OLDEST_NODE, printed, running
from tests.javascript.servers import (
    COUNT,
    HOST,
    MESSAGES,
    Program,
    address,
    as_bytes,
    as_printed,
    as_zstd,
    lifeless,
    serving,
)

ZSTD = "compress-zstd"
NO_ZSTD = Limits(compress_websocket=False)
OWN_SOCKET = 22
"""Since this version node has a WebSocket of its own."""


def play(
    folder: Path, scenario: str, where: str = "", *, least: int = OLDEST_NODE, **options: Any
) -> list[Any]:
    """All that a scenario prints, in a node of at least this version."""
    return printed(folder, scenario, where, json.dumps(options), least=least)


# -- messages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "limits", "protocol", "extensions", "reading"),
    [
        ({"socket": "plain"}, None, "", "", as_printed),
        ({"socket": "deflate"}, None, "", "permessage-deflate", as_printed),
        ({"decoder": "sync"}, None, ZSTD, "", as_zstd),
        ({"decoder": "slow"}, None, ZSTD, "", as_zstd),
        ({"decoder": "sync", "binary": True}, None, ZSTD, "", as_bytes),
        ({"binary": True}, None, "", "permessage-deflate", as_bytes),
        (
            {"decoder": "sync", "protocols": ["chat"]},
            None,
            "chat",
            "permessage-deflate",
            as_printed,
        ),
        ({"protocols": "chat"}, None, "chat", "permessage-deflate", as_printed),
        ({"decoder": "sync"}, NO_ZSTD, "", "permessage-deflate", as_printed),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_messages_come_whole_and_in_order(
    tmp_path: Path,
    options: dict[str, Any],
    limits: Limits | None,
    protocol: str,
    extensions: str,
    reading: Any,
) -> None:
    with serving(limits=limits) as server:
        printed = play(
            tmp_path, "messages", address(server, "/messages"), count=len(MESSAGES), **options
        )
    assert printed == [
        [
            "open",
            {"attempt": 1, "protocol": protocol, "isReconnect": False, "transport": "websocket"},
        ],
        ["extensions", extensions],
        ["looped", *map(reading, MESSAGES)],
        ["same", True],
        ["close", {"code": 1000, "reason": "", "willRetry": False, "retryMs": None}],
    ]


def test_a_server_that_does_not_speak_zstandard_is_asked_a_second_time_without(
    tmp_path: Path,
) -> None:
    program = Program()
    with serving(program, NO_ZSTD) as server:
        play(
            tmp_path, "messages", address(server, "/messages"), count=len(MESSAGES), decoder="sync"
        )
    assert [request.subprotocols for request in program.asked] == [(ZSTD,), ()]


def test_zstandard_is_offered_before_the_protocols_of_the_program(tmp_path: Path) -> None:
    program = Program()
    with serving(program) as server:
        play(
            tmp_path,
            "messages",
            address(server, "/messages"),
            count=len(MESSAGES),
            decoder="sync",
            protocols=["chat", "b"],
        )
    assert [request.subprotocols for request in program.asked] == [(ZSTD, "chat", "b")]


def test_topics_and_history_are_asked_for_and_received(tmp_path: Path) -> None:
    program = Program()
    with serving(program, Limits(history_messages=10)) as server:
        for number, topic in enumerate(("left", "right", "up & down", None)):
            server.broadcast(f"before {number}", topic=topic)
        parameters = '{"topics": ["left", "up & down"], "history": 2}'
        with running(tmp_path, "watch", address(server, "/subscribed?a=1"), parameters) as page:
            assert page.until("open")
            assert [page.next() for _ in range(2)] == [
                ["message", "before 2"],
                ["message", "before 3"],
            ]
            for number, topic in enumerate(("left", "right", "up & down", None)):
                server.broadcast(f"after {number}", topic=topic)
            assert [page.next() for _ in range(3)] == [
                ["message", f"after {number}"] for number in (0, 2, 3)
            ]
    assert [request.query for request in program.asked] == [
        "a=1&topic=left&topic=up+%26+down&history=2&after="
    ]


def test_what_is_sent_is_sent_now_or_not_at_all_and_what_is_invalid_is_refused(
    tmp_path: Path,
) -> None:
    with serving() as server:
        assert play(tmp_path, "send", address(server, "/echo")) == [
            False,
            *[
                [
                    "RangeError",
                    f"a stream is closed with 1000, or with 3000 to 4999, not with {code}",
                    "open",
                ]
                for code in (1001, 2999, 5000)
            ],
            ["RangeError", "a reason has at most 123 bytes, not 124", "open"],
            [True, ["text", "hello"]],
            [True, ["bytes", "0102"], 0],
            [False, {"code": 4001, "reason": "", "willRetry": False, "retryMs": None}, False],
        ]


def test_a_listener_that_throws_is_reported_and_harms_nobody(tmp_path: Path) -> None:
    with serving() as server, running(tmp_path, "listeners", address(server, "/echo")) as page:
        assert page.rest() == [["a", "a", "b"]]
        assert [
            "oops" in line for line in page.complaints().splitlines() if line.startswith("Error: ")
        ] == [True] * 4


# -- coming back -----------------------------------------------------------------------------------


@pytest.mark.parametrize("decompresses", [False, True])
def test_it_comes_back_when_the_server_does(tmp_path: Path, decompresses: bool) -> None:
    options = json.dumps({"decoder": "sync"} if decompresses else {})
    with serving() as server, running(tmp_path, "watch", address(server, "/echo"), options) as page:
        port = server.port
        assert page.until("open")[1] == {
            "attempt": 1,
            "protocol": ZSTD if decompresses else "",
            "isReconnect": False,
            "transport": "websocket",
        }
        server.stop(2.0)
        lost = page.until("close")[1]
        assert (lost["code"], lost["reason"], lost["willRetry"]) == (1001, "", True)
        assert 0 <= lost["retryMs"] <= 10
        assert page.until("error")[1] == f"connect ECONNREFUSED {HOST}:{port}"
        refused = page.until("close")[1]
        assert (refused["code"], refused["willRetry"]) == (1006, True)
        with serving(port=port) as again:
            back = page.until("open")[1]
            assert (back["protocol"], back["isReconnect"]) == (ZSTD if decompresses else "", True)
            assert back["attempt"] > 1
            again.broadcast("news")
            assert page.until("message") == ["message", "news"]
            (conn,) = again.clients()
            again.close(conn, 1008, "go away")
            assert page.rest() == [
                ["close", {"code": 1008, "reason": "go away", "willRetry": False, "retryMs": None}],
                ["state", "closed"],
            ]


def test_the_websocket_of_node_itself_is_as_good(tmp_path: Path) -> None:
    options = '{"socket": "own", "decoder": "sync"}'
    with (
        serving(limits=NO_ZSTD) as server,
        running(tmp_path, "watch", address(server, "/echo"), options, least=OWN_SOCKET) as page,
    ):
        port = server.port
        assert page.next() == [
            "open",
            {"attempt": 1, "protocol": "", "isReconnect": False, "transport": "websocket"},
        ]
        server.stop(2.0)
        assert [page.until("close")[1]["code"] for _ in range(3)] == [1001, 1006, 1006]
        with serving(port=port) as again:
            back = page.until("open")[1]
            assert (back["protocol"], back["isReconnect"]) == ("", True)
            again.broadcast("x" * 300)
            assert page.until("message") == ["message", "x" * 300]
            where = address(again, "/echo")
            assert [
                line[-1]
                for line in play(
                    tmp_path, "abort", where, refused=where[:-4], socket="own", least=OWN_SOCKET
                )
            ] == [True, [], [], []]


GROWING = [50, 100, 200, 400, 500, 500]
"""Half of 100 milliseconds, twice as much each time, and half of a second at most."""
BUSY = [63, 125, 250, 500, 500, 500]
"""Half of an eighth of that second, and so on."""


@pytest.mark.parametrize(
    ("path", "options", "asked"),
    [
        ("/nowhere", {}, GROWING),
        ("/nowhere", {"decoder": "sync"}, GROWING),
        ("/close?code=1012", {}, GROWING),
        ("/close?code=1012", {"backoff": {"steadyMs": 0}}, [50] * 6),
        ("/hello?code=1012", {}, GROWING),
        ("/hello?code=1013", {}, BUSY),
        ("/hello?code=1013", {"backoff": {"steadyMs": 0}}, BUSY),
        ("/hello?code=1013", {"backoff": {"firstBusyMs": 400}}, [200, 400, 500, 500, 500, 500]),
        ("/hello?code=1013", {"backoff": {"firstMs": 200}}, [100, 200, 400, 500, 500, 500]),
    ],
    ids=[
        "never open",
        "never open with an offer",
        "open and silent",
        "open long enough",
        "open and not silent",
        "no room",
        "no room after long enough",
        "no room, and how long",
        "no room, and not sooner than others",
    ],
)
def test_delays_grow_until_a_connection_has_been_good(
    tmp_path: Path, path: str, options: dict[str, Any], asked: list[int]
) -> None:
    with serving() as server:
        assert play(tmp_path, "delays", address(server, path), count=6, **options) == [asked]


def test_delays_are_anywhere_below_their_bound(tmp_path: Path) -> None:
    assert play(tmp_path, "jitter", count=5) == [
        [[0, 25, 100], [0, 50, 200], [0, 100, 400], [0, 200, 799], [0, 250, 999]]
    ]


def test_some_closes_are_for_good(tmp_path: Path) -> None:
    final, other = (1002, 1003, 1007, 1008, 1010), (1000, 1001, 1009, 1011, 1012, 1013, 4000)
    with serving() as server:
        printed = play(tmp_path, "codes", address(server, "/close"), codes=[*final, *other])
    assert printed[::2] == [[code, "as you wish", False, "closed"] for code in final] + [
        [code, "as you wish", True, "waiting"] for code in other
    ]
    assert printed[1::2] == [[False, "closed"]] * 12


def test_who_is_too_slow_comes_back(tmp_path: Path) -> None:
    program = Program()
    with (
        serving(program) as server,
        running(tmp_path, "watch", address(server, "/hello?code=1013")) as page,
    ):
        for is_reconnect in (False, True, True):
            assert page.until("open")[1] == {
                "attempt": 1,
                "protocol": "",
                "isReconnect": is_reconnect,
                "transport": "websocket",
            }
            assert page.next() == ["message", "hello"]
            assert page.until("close")[1]["code"] == 1013
    assert len(program.asked) >= 3


def test_who_looks_at_the_page_need_not_wait(tmp_path: Path) -> None:
    with serving() as server:
        assert play(tmp_path, "looking", address(server, "/nowhere")) == [
            "waiting",
            "connecting",
            "closed",
        ]


def test_it_waits_for_the_network_and_comes_back_with_it(tmp_path: Path) -> None:
    with serving() as server:
        assert play(tmp_path, "offline", address(server, "/nowhere")) == [
            {"code": 1006, "reason": "", "willRetry": True, "retryMs": None},
            ["waiting", []],
            "waiting",
            "connecting",
            125,
            ["connecting", [125]],
            "closed",
            125,
        ]


LOST = {"code": 1006, "reason": "", "willRetry": True, "retryMs": 5}
LAST = {"code": 1000, "reason": "", "willRetry": False, "retryMs": None}


@pytest.mark.parametrize("decoder", ["none", "sync"])
def test_a_handshake_that_nobody_answers_is_given_up_and_tried_again(
    tmp_path: Path, decoder: str
) -> None:
    with lifeless(opens=False) as where:
        printed = play(tmp_path, "ends", where, count=3, handshakeMs=50, decoder=decoder)
    again = [["error", "the handshake was not answered in 50 ms"], ["close", LOST]]
    assert printed == [
        *again * 3,
        ["close", LAST],
        ["offered", *[[ZSTD] if decoder == "sync" else []] * 3],
    ]


def test_a_connection_on_which_nothing_is_received_is_given_up_and_tried_again(
    tmp_path: Path,
) -> None:
    with lifeless(opens=True) as where:
        printed = play(tmp_path, "ends", where, count=2, silenceMs=50, resume=False)
    opened = [
        ["open", {"attempt": 1, "protocol": "", "isReconnect": again, "transport": "websocket"}]
        for again in (False, True)
    ]
    again = [["error", "no message was received for 50 ms"], ["close", LOST]]
    assert printed == [opened[0], *again, opened[1], *again, ["close", LAST], ["offered", [], []]]


def test_a_client_that_was_given_up_and_lives_gets_the_reason(tmp_path: Path) -> None:
    program = Program()
    with serving(program) as server:
        play(tmp_path, "ends", address(server, "/echo"), count=1, silenceMs=50)
    assert program.ended == [(CloseReason.WS_PEER_CLOSED, 4008)]


def test_a_connection_on_which_something_is_received_lives_longer_than_it_may_be_silent(
    tmp_path: Path,
) -> None:
    with serving() as server:
        assert play(tmp_path, "exchange", address(server, "/echo"), silenceMs=300) == [
            [
                "open",
                {"attempt": 1, "protocol": "", "isReconnect": False, "transport": "websocket"},
            ],
            "open",
            ["close", LAST],
        ]


def test_who_is_held_up_hears_first_what_came_meanwhile(tmp_path: Path) -> None:
    with serving() as server:
        assert play(tmp_path, "heldUp", address(server, "/echo"), silenceMs=200, count=50) == [
            [
                "open",
                {"attempt": 1, "protocol": "", "isReconnect": False, "transport": "websocket"},
            ],
            ["close", LAST],
            50,
        ]


def test_timers_end_with_the_stream(tmp_path: Path) -> None:
    with serving() as server, lifeless(opens=False) as where:
        assert play(tmp_path, "noTimers", where, echo=address(server, "/echo")) == [
            [1006, 1000, 1000]
        ]


# -- offering Zstandard ----------------------------------------------------------------------------


def offers(printed: list[Any]) -> list[list[str]]:
    """What the handshakes of a scenario offered."""
    assert printed[-1][0] == "offered"
    return printed[-1][1:]  # type: ignore[no-any-return]


def test_a_server_that_does_not_speak_zstandard_is_not_offered_it_again(tmp_path: Path) -> None:
    with serving(limits=NO_ZSTD) as server:
        printed = play(
            tmp_path, "ends", address(server, "/hello?code=1012"), count=3, decoder="sync"
        )
    assert [detail["protocol"] for kind, detail in printed[:-1] if kind == "open"] == [""] * 3
    assert offers(printed) == [[ZSTD], [], [], []]


def test_a_server_that_speaks_zstandard_is_always_offered_it(tmp_path: Path) -> None:
    with serving() as server:
        printed = play(
            tmp_path, "ends", address(server, "/hello?code=1012"), count=3, decoder="sync"
        )
    assert offers(printed) == [[ZSTD]] * 3


def test_a_server_that_is_not_there_is_asked_without_the_offer_at_first_and_every_fourth_time(
    tmp_path: Path,
) -> None:
    with serving() as server:
        printed = play(tmp_path, "ends", address(server, "/nowhere"), count=6, decoder="sync")
    assert offers(printed) == [[ZSTD], [], [ZSTD], [ZSTD], [ZSTD], [ZSTD], [], [ZSTD]]
    assert [kind for kind, *_ in printed] == [*["error", "close"] * 6, "close", "offered"]


def test_a_server_that_has_forgotten_zstandard_is_found_again(tmp_path: Path) -> None:
    with (
        serving() as server,
        running(tmp_path, "watch", address(server, "/echo"), '{"decoder": "sync"}') as page,
    ):
        port = server.port
        assert page.until("open")[1]["protocol"] == ZSTD
        server.stop(2.0)
        assert page.until("close")[1]["code"] == 1001
        with serving(limits=NO_ZSTD, port=port) as again:
            assert page.until("open")[1]["protocol"] == ""
            again.broadcast("news")
            assert page.until("message") == ["message", "news"]


# -- bounds ----------------------------------------------------------------------------------------


def test_a_loop_that_is_behind_loses_the_oldest_and_is_told(tmp_path: Path) -> None:
    with serving() as server:
        result, done, is_done = play(
            tmp_path, "slowLoop", address(server, "/count"), count=COUNT, maxQueuedMessages=5
        )
    assert result == {
        "quick": list(range(20)),
        "taken": [15, 16, 17, 18, 19],
        "totals": list(range(1, 16)),
        "dropped": 15,
    }
    assert (done, is_done) == ([True, True, True], True)


def test_a_decoder_that_is_behind_loses_the_oldest_that_waits_for_it(tmp_path: Path) -> None:
    with serving() as server:
        (result,) = play(
            tmp_path, "slowDecoder", address(server, "/count"), count=COUNT, maxQueuedMessages=5
        )
    assert result == {"dropped": 14, "received": [0, 15, 16, 17, 18, 19]}


# -- the end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decoder", "what"),
    [
        ("throwing", "Error: no such frame"),
        ("rejecting", "Error: no such frame"),
        ("silent", 'TypeError: "decompress" gave undefined, not a Uint8Array'),
    ],
)
def test_what_cannot_be_decompressed_is_the_end(tmp_path: Path, decoder: str, what: str) -> None:
    program = Program()
    sentence = "a message could not be decompressed"
    end = {"code": 4007, "reason": "", "willRetry": False, "retryMs": None}
    with serving(program) as server:
        printed = play(tmp_path, "undecodable", address(server, "/messages"), decoder=decoder)
    assert [value for value in printed if value[0] != "message"] == [
        ["open", {"attempt": 1, "protocol": ZSTD, "isReconnect": False, "transport": "websocket"}],
        ["error", f"{sentence}: {what}"],
        ["close", end],
    ]
    assert [value for value in printed if value[0] == "message"] == [
        ["message", *as_printed(message)] for message in MESSAGES[:2]
    ]
    assert program.ended == [(CloseReason.WS_PEER_CLOSED, 4007)]


@pytest.mark.parametrize("decoder", ["none", "sync", "slow"])
def test_after_close_nothing_more_is_received(tmp_path: Path, decoder: str) -> None:
    with serving() as server:
        assert play(tmp_path, "silence", address(server, "/count"), decoder=decoder) == [
            [[0, 1, 2], True]
        ]
        assert play(tmp_path, "silenceAtWork", address(server, "/echo")) == [1]


@pytest.mark.parametrize(
    ("type_", "count", "path", "options", "printed"),
    [
        (
            "message",
            3,
            "/count",
            {},
            [*[["message", "open"]] * 2, ["close", False], [[0, 1], True, True, True]],
        ),
        (
            "dropped",
            1,
            "/count",
            {"maxQueuedMessages": 3},
            [["close", False], [[0, 1, 2], True, True, True]],
        ),
        (
            "dropped",
            2,
            "/count",
            {"maxQueuedMessages": 3},
            [["dropped", "open"], ["close", False], [[0, 1, 2], True, True, True]],
        ),
        ("open", 1, "/count", {}, [["close", False], [[], True, True, True]]),
        (
            "error",
            1,
            "/messages",
            {"decoder": "throwing"},
            [["close", False], [[None, None], True, True, True]],
        ),
        ("error", 1, "/nowhere", {}, [["close", False], [[], True, True, True]]),
        (
            "close",
            1,
            "/count?code=1001",
            {},
            [["close", "closed"], ["close", False], [[*range(COUNT)], True, True, True]],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_when_one_listener_closes_no_other_gets_more_than_the_last_close(
    tmp_path: Path, type_: str, count: int, path: str, options: dict[str, Any], printed: list[Any]
) -> None:
    with serving() as server:
        assert (
            play(
                tmp_path,
                "closedByListener",
                address(server, path),
                type=type_,
                count=count,
                **options,
            )
            == printed
        )


def test_who_closes_what_is_closed_ends_the_loops_that_are_behind(tmp_path: Path) -> None:
    with serving() as server:
        assert play(tmp_path, "closedTwice", address(server, "/count?code=1008")) == [
            0,
            ["closed", True],
        ]


def test_who_leaves_a_loop_gets_back_the_word_that_was_given(tmp_path: Path) -> None:
    with serving() as server:
        assert play(tmp_path, "leave", address(server, "/count")) == [
            [
                {"value": "a word", "done": True},
                {"done": True},
                {"value": "another", "done": True},
                {"done": True},
            ],
            "oops",
            {"value": "through", "done": True},
        ]


UNANSWERED = [
    True,
    [["close", {"code": 1006, "reason": "", "willRetry": False, "retryMs": None}]],
    "closed",
    True,
]
WAYS = ("close", "abort", "dispose")


@pytest.mark.parametrize(
    ("options", "min_ms", "max_ms"),
    [({"closeMs": 100}, 100, 2_000), ({}, 3_000, 8_000)],
    ids=["as long as it is given", "three seconds"],
)
def test_who_does_not_answer_a_close_is_not_waited_for(
    tmp_path: Path, options: dict[str, Any], min_ms: int, max_ms: int
) -> None:
    with lifeless(opens=True) as where:
        printed = play(
            tmp_path,
            "unanswered",
            where,
            ways=WAYS,
            resume=False,
            minMs=min_ms,
            maxMs=max_ms,
            **options,
        )
    assert printed == [UNANSWERED] * len(WAYS)


def test_the_websocket_of_node_itself_is_not_waited_for_either(tmp_path: Path) -> None:
    options = json.dumps(
        {
            "ways": WAYS,
            "socket": "own",
            "resume": False,
            "closeMs": 100,
            "minMs": 100,
            "maxMs": 2_000,
        }
    )
    with (
        lifeless(opens=True) as where,
        running(tmp_path, "unanswered", where, options, least=OWN_SOCKET) as page,
    ):
        assert [page.next() for _ in WAYS] == [UNANSWERED] * len(WAYS)


def test_a_connection_that_opens_after_the_close_is_not_told(tmp_path: Path) -> None:
    with serving() as server:
        assert play(tmp_path, "lateOpen", address(server, "/count")) == [["close", LAST]]
    with lifeless(opens=True) as where:
        assert play(tmp_path, "lateOpen", where, closeMs=100) == [["close", LAST | {"code": 1006}]]


def test_a_listener_that_is_added_after_the_close_gets_the_last_one(tmp_path: Path) -> None:
    with lifeless(opens=False) as where:
        assert play(tmp_path, "earlyEnd", where) == ["closing", 1006]


def test_a_close_is_reported_after_what_came_before_it(tmp_path: Path) -> None:
    with serving() as server:
        assert play(tmp_path, "lateEnd", address(server, "/count?code=1001")) == [
            *range(COUNT),
            1001,
        ]


def test_a_decoder_that_hangs_does_not_hold_up_a_close(tmp_path: Path) -> None:
    with serving() as server:
        assert play(tmp_path, "hangingDecoder", address(server, "/count?code=1001")) == [
            "open",
            {"code": 1001, "reason": "as you wish", "willRetry": False, "retryMs": None},
        ]


def test_a_decoder_that_hangs_does_not_hold_up_the_next_connection(tmp_path: Path) -> None:
    with serving() as server:
        printed = play(
            tmp_path,
            "ends",
            address(server, "/count?code=1001"),
            count=2,
            decoder="hanging",
            decodeMs=50,
        )
    gone = ["close", {"code": 1001, "reason": "as you wish", "willRetry": True, "retryMs": 5}]
    assert printed == [
        ["open", {"attempt": 1, "protocol": ZSTD, "isReconnect": False, "transport": "websocket"}],
        ["dropped", {"total": COUNT}],
        gone,
        ["open", {"attempt": 1, "protocol": ZSTD, "isReconnect": True, "transport": "websocket"}],
        ["dropped", {"total": 2 * COUNT}],
        gone,
        ["close", LAST],
        ["offered", [ZSTD], [ZSTD]],
    ]


def test_what_is_decoded_too_late_is_not_received(tmp_path: Path) -> None:
    with serving() as server:
        assert play(tmp_path, "tooLate", address(server, "/count?code=1008")) == [
            [
                "open",
                {"attempt": 1, "protocol": ZSTD, "isReconnect": False, "transport": "websocket"},
            ],
            ["dropped", {"total": COUNT}],
            ["close", {"code": 1008, "reason": "as you wish", "willRetry": False, "retryMs": None}],
            COUNT,
        ]


def test_it_can_be_aborted_at_any_time(tmp_path: Path) -> None:
    with serving() as server:
        where = address(server, "/echo")
        end = {"code": 1000, "reason": "aborted", "willRetry": False, "retryMs": None}
        assert play(tmp_path, "abort", where, refused=address(server, "/nowhere")) == [
            ["closing", end, "closed", True],
            ["open", "closing", True, False, "closed", []],
            ["connecting", "closing", True, False, "closed", []],
            ["waiting", "closing", True, False, "closed", []],
        ]


def test_it_can_be_disposed_of(tmp_path: Path) -> None:
    with serving() as server:
        assert play(tmp_path, "dispose", address(server, "/echo")) == ["closing", 1000]


# -- functions of their arguments ------------------------------------------------------------------

URLS: list[tuple[list[Any], str]] = [
    (["/ws", {}, "http://a.example/page?q#f"], "ws://a.example/ws"),
    (["ws?x=1", {}, "https://a.example:8443/b/c.html"], "wss://a.example:8443/b/ws?x=1"),
    (["http://a.example:80/"], "ws://a.example/"),
    (["https://a.example"], "wss://a.example/"),
    (["wss://a.example:1/x?a%20b+c#d"], "wss://a.example:1/x?a%20b+c"),
    (
        ["ws://h/x", {"topics": ["a", "b c", "\u00fc&="]}],
        "ws://h/x?topic=a&topic=b+c&topic=%C3%BC%26%3D",
    ),
    (["ws://h/x?a%20b~", {"topics": ["c"]}], "ws://h/x?a%20b~&topic=c"),
    (["ws://h/x?topic=z", {"topics": ["a"], "history": 0}], "ws://h/x?topic=z&topic=a&history=0"),
    (["//b.example/x", {"history": 10}, "https://a.example/"], "wss://b.example/x?history=10"),
]

REFUSALS: list[tuple[list[Any], str]] = [
    (
        ["streamUrl", "/ws"],
        '"/ws" is no absolute address, and there is no page to which it is relative; write ws://host:port/path',
    ),
    (
        ["streamUrl", "/ws", {}, "about:blank"],
        '"/ws" is no absolute address, and cannot be relative to about:blank; write ws://host:port/path',
    ),
    (["streamUrl", "ftp://h/x"], "a stream is at ws, wss, http or https, not at ftp://h/x"),
    (["connect", "ws://h/", {"topics": "a"}], '"topics" is an array of strings'),
    (["connect", "ws://h/", {"topics": [1]}], '"topics" is an array of strings'),
    (["connect", "ws://h/", {"history": -1}], '"history" is a whole number from 0'),
    (
        ["connect", "ws://h/", {"protocols": [ZSTD]}],
        f'"protocols" is a string or several, without {ZSTD}, '
        'which is offered if there is "decompress"',
    ),
    (
        ["connect", "ws://h/", {"decompress": "zstd"}],
        '"decompress" is a function from a Uint8Array to one',
    ),
    (["connect", "ws://h/", {"binary": 1}], '"binary" is true or false'),
    (
        ["connect", "ws://h/", {"maxQueuedMessages": 0}],
        '"maxQueuedMessages" is a whole number from 1',
    ),
    (["connect", "ws://h/", {"signal": {}}], '"signal" is an AbortSignal'),
    (["connect", "ws://h/", {"backoff": {"factor": 0.5}}], '"factor" is a number from 1'),
    (
        ["connect", "ws://h/", {"backoff": {"maxMs": 2**31}}],
        '"maxMs" is a number of milliseconds from 1',
    ),
    (["connect", "ws://h/", {"random": None}], '"random" is a function'),
    *[
        (
            ["connect", "ws://h/", {"backoff": {name: value}}],
            f'"{name}" is a number of milliseconds from {least}',
        )
        for name, least in (("firstMs", 1), ("maxMs", 1), ("firstBusyMs", 1), ("steadyMs", 0))
        for value in ("5", least - 1, [5])
    ],
    (["connect", "ws://h/", {"backoff": {"factor": "2"}}], '"factor" is a number from 1'),
    *[
        (["connect", "ws://h/", {"backoff": value}], '"backoff" is an object')
        for value in ([], [1], 5, "5", None)
    ],
    *[
        (
            ["connect", "ws://h/", {name: value}],
            f'"{name}" is a number of milliseconds from {least}',
        )
        for name, least in (("handshakeMs", 1), ("silenceMs", 0), ("closeMs", 1), ("decodeMs", 1))
        for value in ("5", least - 1, None, 2**31)
    ],
    *[
        (["connect", "ws://h/", value], 'options are an object, such as {topics: ["a"]}')
        for value in (None, 5, "chat", [], ["chat"])
    ],
]


def test_addresses_become_those_of_websockets(tmp_path: Path) -> None:
    calls = [["streamUrl", *arguments] for arguments, _ in URLS]
    assert play(tmp_path, "pure", calls=calls) == [url for _, url in URLS]


def test_what_makes_no_sense_is_refused_with_a_sentence(tmp_path: Path) -> None:
    calls = [call for call, _ in REFUSALS]
    assert play(tmp_path, "pure", calls=calls) == [
        ["TypeError", sentence] for _, sentence in REFUSALS
    ]


def test_an_option_that_there_is_not_is_refused_with_those_there_are(tmp_path: Path) -> None:
    ((kind, sentence),) = play(tmp_path, "pure", calls=[["connect", "ws://h/", {"topic": "a"}]])
    assert kind == "TypeError"
    assert sentence.startswith('"topic" is no option; topics,history,after,resume,')


def test_this_machine_needs_no_network(tmp_path: Path) -> None:
    own = ("ws://localhost:1/", "ws://a.localhost/", "ws://127.0.0.3/", "wss://[::1]:8/")
    others = (
        "ws://example.com/",
        "ws://localhost.example/",
        "ws://10.0.0.1/",
        "ws://[::2]/",
        "ws://notlocalhost/",
    )
    calls = [["isLoopback", url] for url in (*own, *others)]
    assert play(tmp_path, "pure", calls=calls) == [True] * 4 + [False] * 5
