"""What went wrong in the server this one learned from, one test for each defect that could be made
here too.

Theory: a defect that somebody made once is easily made again, so each is told in its own words and
tried, on the public face where it can be, else on events. Where a defect cannot exist here because
what it was in does not (a ring that staged bytes are moved in), the test shows what is there
instead.

Rules: the names of the tests stand in `docs/parity.md`. What is tried in detail elsewhere is tried
once here.
"""

import errno
import re
import struct
from pathlib import Path

import pytest

from sigil import CloseReason, Deferred, Limits, Request, Response, SendStatus
from sigil.core.broadcast.entry import Published
from sigil.core.effects import CallClose, Drop, Interest, Send
from sigil.core.events import ConnectionLost, Received, Stalled, Writable
from sigil.core.http.framing import parse_content_length
from sigil.core.parse_result import Malformed
from sigil.testing import Client
from tests.support.core_driver import CONN, advance_by, asked, at, client_of, serving
from tests.support.core_websockets import FLUSH, bytes_to, frames_in, open_websocket, ping, received
from tests.support.requests import GET, UPGRADE
from tests.support.servers import Raw, ask, exchange, pump, read_answers, settle, ticking
from tests.support.websocket_client import (
    CallbackLog,
    WebSocketClient,
    close_clients,
    close_frame,
    echo,
    frame,
    upgrade,
    websocket_clients,
)

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


def told(request: Request) -> Response:
    """The method and the body, said back."""
    return Response.text(f"{request.method} {len(request.body)}")


# -- lengths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ("7", 7),
        ("007", 7),
        ("0", 0),
        *(
            (str(number), CloseReason.LARGE_REQUEST)
            for number in (2**64 - 1, 2**64, 3 * 10**19, 10**400)
        ),
        *(
            (value, CloseReason.BAD_REQUEST)
            for value in ("", " 1", "1 ", "0abc", "+1", "-1", "0x1", "1_0", "\u0661")
        ),
    ],
)
def test_a_content_length_is_a_number_that_does_not_wrap(value: str, length: int) -> None:
    parsed = parse_content_length(value)
    assert (parsed.reason if isinstance(parsed, Malformed) else parsed) == length


@pytest.mark.parametrize("length", [2**64 - 1, 2**64, 3 * 10**19, 10**400])
def test_a_body_that_cannot_come_is_413_before_it_comes(length: int) -> None:
    with ticking(told) as server:
        assert ask(server, POST + b"Content-Length: %d\r\n\r\n" % length, "POST").status == 413


def test_a_head_and_its_body_that_exceed_the_bound_are_413_at_once_and_not_waited_for() -> None:
    data = POST + b"Content-Length: 1001\r\n\r\n"
    with ticking(told, Limits(max_body_len=1_000)) as server, Raw(server, data) as client:
        pump(server, lambda: bool(client.answers("POST")), client)
        assert client.answers("POST")[0].status == 413


@pytest.mark.parametrize("limits", [Limits(max_body_len=1_000), Limits(max_request_len=1_000)])
def test_a_request_of_exactly_the_bound_is_taken_and_one_byte_more_is_not(limits: Limits) -> None:
    with ticking(told, limits) as server:
        assert (
            ask(server, POST + b"Content-Length: 1000\r\n\r\n" + b"x" * 1_000, "POST").text
            == "POST 1000"
        )
        assert ask(server, POST + b"Content-Length: 1001\r\n\r\n", "POST").status == 413


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"Content-Length: 1\r\nContent-Length: 2\r\n", 400),
        (b"Content-Length: 1, 2\r\n", 400),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n", 501),
    ],
)
def test_a_body_whose_length_is_told_twice_is_not_guessed(fields: bytes, status: int) -> None:
    with ticking(told) as server:
        assert ask(server, POST + fields + b"\r\n", "POST").status == status


def test_a_transfer_coding_is_not_ignored() -> None:
    with ticking(told) as server:
        data = POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + GET
        assert [answer.text for answer in exchange(server, data, "POST", "GET")] == [
            "POST 3",
            "GET 0",
        ]


def test_the_body_of_a_get_is_not_left_behind_as_the_next_request() -> None:
    with ticking(told) as server:
        data = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(GET) + GET
        assert [answer.text for answer in exchange(server, data, "GET", "GET")] == [
            f"GET {len(GET)}"
        ]


def test_no_length_is_no_body() -> None:
    with ticking(told) as server:
        assert ask(server, POST + b"\r\n", "POST").text == "POST 0"


# -- fields ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "offered"),
    [
        ("compress-zstd", True),
        ("a, compress-zstd ,b", True),
        ("xcompress-zstd", False),
        ("compress-zstdx", False),
        ("a;compress-zstd", False),
        ("Compress-Zstd", False),
    ],
)
def test_a_list_is_searched_for_its_members_and_not_for_a_piece_of_its_text(
    value: str, offered: bool
) -> None:
    def handler(request: Request) -> Response:
        return Response.json("compress-zstd" in request.subprotocols)

    with ticking(handler) as server:
        data = UPGRADE.replace(
            b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: %s\r\n\r\n" % value.encode()
        )
        assert ask(server, data).text == ("true" if offered else "false")


@pytest.mark.parametrize(
    "fields", [("Content-Type", "Accept-Encoding"), ("Accept-Encoding", "Content-Type")]
)
def test_a_field_is_there_whatever_comes_before_it(fields: tuple[str, str]) -> None:
    def handler(request: Request) -> Response:
        return Response.text(" ".join(request.headers[name] for name in sorted(fields)))

    with ticking(handler) as server:
        lines = "".join(f"{name}: {name[0]}\r\n" for name in fields).encode()
        assert ask(server, POST + lines + b"\r\n", "POST").text == "A C"


def test_a_field_may_be_zero_and_a_response_that_upgrades_nothing_names_no_subprotocol() -> None:
    def handler(request: Request) -> Response:
        return Response.text("no", headers={"Access-Control-Max-Age": "0"})

    with ticking(handler) as server:
        headers = ask(server, UPGRADE).headers
        assert headers["access-control-max-age"] == "0"
        assert "sec-websocket-protocol" not in headers


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS", "DELETE", "PATCH"])
def test_every_method_can_be_told(method: str) -> None:
    with ticking(told) as server:
        assert (
            ask(server, b"%s / HTTP/1.1\r\nHost: a\r\n\r\n" % method.encode(), method).text
            == f"{method} 0"
        )


def test_head_does_not_end_the_connection() -> None:
    with ticking(told) as server:
        answers = exchange(server, GET.replace(b"GET", b"HEAD") + GET, "HEAD", "GET")
        assert [(answer.status, answer.text) for answer in answers] == [(200, ""), (200, "GET 0")]


# -- what is sent ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 204, 302, 304, 400, 403, 404, 405, 500, 501])
def test_what_is_announced_is_what_is_sent_whatever_the_status(status: int) -> None:
    def handler(request: Request) -> Response:
        return Response.bytes(b"" if status in (204, 304) else b"body", status)

    with ticking(handler) as server, Raw(server, GET * 2) as client:
        client.half_close()
        pump(server, lambda: client.over, client)
        answers = client.answers("GET", "GET")
        expected = b"" if status in (204, 304) else b"body"
        assert [(answer.status, answer.body, answer.is_whole) for answer in answers] == [
            (status, expected, True)
        ] * 2
        assert ("content-length" in answers[0].headers) is (
            status not in (204, 304)
        ) or status == 304


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (GET[:-2] + b"X: " + b"x" * 70_000, 431),
    ],
)
def test_an_error_is_told_before_the_connection_ends(data: bytes, status: int) -> None:
    with ticking() as server, Raw(server, data) as client:
        pump(server, lambda: bool(client.received), client)
        client.half_close()
        pump(server, lambda: client.over, client)
        assert [answer.status for answer in read_answers(bytes(client.received))] == [status]
        assert client.ended


def test_an_answer_without_a_body_is_not_the_first_to_go_when_the_ring_goes_round() -> None:
    promise: list[Deferred] = []

    def handler(request: Request) -> Response | Deferred:
        if request.path == "/chat":
            return Response.upgrade()
        promise.append(Deferred())
        return promise[0]

    with ticking(handler, Limits(outgoing_buffer_sz=1_000)) as server, Raw(server, GET) as client:
        pump(server, lambda: bool(promise), client)
        speaker = websocket_clients(server, 1)[0]
        for _ in range(20):
            server.broadcast("x" * 900)
            settle(server, speaker)
        promise[0].resolve(Response(204, (), b""))
        pump(server, lambda: bool(client.answers()), client)
        assert client.answers()[0].status == 204
        assert len(speaker.messages) == 20
        close_clients(server, speaker)


# -- staging ---------------------------------------------------------------------------------------


def test_what_is_staged_for_somebody_who_is_gone_does_not_stay() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        client = websocket_clients(server, 1)[0]
        conn = diary.lines[0][1]
        close_clients(server, client)
        settle(server)
        server.printf("too late")
        assert server.ws_send(conn) is SendStatus.DROPPED
        assert server.stage_len() == 0
        server.printf("a body")
        assert server.stage_body().body == b"a body"


def test_what_is_staged_for_somebody_who_cannot_take_it_does_not_stay() -> None:
    diary = CallbackLog()
    with ticking(
        upgrade, Limits(max_outbox_len=1_000, max_ws_outbox_len=1_000), callbacks=diary.callbacks
    ) as server:
        client = WebSocketClient(server, receive_buffer=4_096)
        pump(server, lambda: client.is_open, client)
        client.reads = False
        conn, statuses = diary.lines[0][1], set[SendStatus]()
        for _ in range(200):
            server.memcpy(b"x" * 65_536)
            statuses.add(server.ws_send(conn))
            assert server.stage_len() == 0
            server.tick(0.0)
        assert SendStatus.DROPPED in statuses


def test_what_fits_exactly_is_staged_whole() -> None:
    with ticking(lambda request: server.stage_body(), Limits(outgoing_buffer_sz=8)) as server:
        for _ in range(1_024):
            server.printf("%08d", 7)
            assert server.stage_body().body == b"00000007"
        server.printf("%08d", 7)
        assert ask(server).body == b"00000007"


def test_what_is_staged_overwrites_nothing_that_somebody_is_still_owed() -> None:
    with ticking(upgrade, Limits(outgoing_buffer_sz=1_000)) as server:
        client = websocket_clients(server, 1)[0]
        for letter in "abc":
            server.broadcast(letter * 200)
        for _ in range(10):
            server.printf("%0990d", 0)
            server.printf("%010d", 1)
            server.unstage()
        pump(server, lambda: len(client.messages) == 3, client)
        assert client.messages == [b"a" * 200, b"b" * 200, b"c" * 200]
        close_clients(server, client)


# -- the handshake ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"dGhlIHNhbXBsZSBub25jZQ",
        b"dGhlIHNhbXBsZSBub25jZQ=x",
        b"!" * 24,
        b"dGhlIHNhbXBsZSBub25jZTEyMw==",
        b"A" * 5_000,
    ],
)
def test_a_key_is_16_bytes_in_base64(key: bytes) -> None:
    with ticking(upgrade) as server:
        assert ask(server, UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", key)).status == 400


def test_frames_do_not_come_before_the_answer() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        assert exchange(server, UPGRADE + frame(1, b"early"))[0].status == 400
        assert diary.of("ws_message") == []


def test_an_upgrade_keeps_the_accounts_balanced() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        close_clients(server, *websocket_clients(server, 3))
        settle(server)
        diary.assert_balanced()
        assert [len(diary.of(name)) for name in ("open", "ws_open", "ws_close", "close")] == [
            3,
            3,
            3,
            3,
        ]


# -- frames ----------------------------------------------------------------------------------------

FRAGMENTS = [
    frame(1, b"one ", fin=False) + frame(0, b"two ", fin=False) + frame(0, b"three"),
    frame(1, b"one ", fin=False)
    + frame(9, b"?")
    + frame(0, b"two ", fin=False)
    + frame(10)
    + frame(0, b"three"),
]


@pytest.mark.parametrize("data", FRAGMENTS, ids=["fragments", "fragments and controls"])
@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_message_in_fragments_is_one_whatever_comes_between_and_however_it_is_cut(
    data: bytes, size: int
) -> None:
    diary = CallbackLog(ws_message=echo)
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        client = websocket_clients(server, 1)[0]
        everything = data + frame(1, b"next")
        for start in range(0, len(everything), size):
            client.send(everything[start : start + size])
            server.tick(0.0)
        pump(server, lambda: len(client.messages) == 2, client)
        assert diary.of("ws_message") == [("one two three",), ("next",)]
        assert [payload for opcode, payload in client.frames if opcode == 10] == (
            [b"?"] if b"\x89" in data else []
        )
        close_clients(server, client)


def test_a_pong_that_is_half_sent_is_finished_and_then_the_latest_ping_is_answered() -> None:
    server, effects = advance_by(open_websocket(), received(ping(b"first")), FLUSH)
    pong = bytes_to(CONN, effects)
    assert frames_in(pong) == [(10, b"first")]
    server, _ = advance_by(
        server, Stalled(CONN, 3, (pong[3:],)), received(ping(b"lost") + ping(b"other")), FLUSH
    )
    server, effects = advance_by(server, Writable(CONN), FLUSH)
    assert frames_in(pong[:3] + bytes_to(CONN, effects)) == [(10, b"first"), (10, b"other")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (close_frame(1000), 1000),
        (close_frame(4_321, "bye"), 4_321),
        (b"\x81\x01a", 1002),
        (b"\x83\x80abcd", 1002),
        (b"\xc1\x80abcd", 1002),
        (b"\x09\x80abcd", 1002),
        (frame(1, b"\xff"), 1007),
        (frame(0, b"x"), 1002),
        (b"\x81\xff" + struct.pack(">Q", 2**63) + b"abcd", 1009),
        (b"\x81\xff" + struct.pack(">Q", 2**62) + b"abcd", 1009),
        (b"\x81\xfe\x00\x05abcdhello", 1002),
    ],
)
def test_the_end_of_a_conversation_is_told_with_a_code(data: bytes, code: int) -> None:
    with ticking(upgrade) as server:
        client = websocket_clients(server, 1)[0]
        client.send(data)
        pump(server, lambda: client.close_code != 0, client)
        assert client.close_code == code
        client.half_close()
        pump(server, lambda: client.over, client)


def test_the_oldest_gives_way_when_there_is_one_too_many() -> None:
    diary = CallbackLog()
    with ticking(upgrade, Limits(max_ws_connection_cnt=2), callbacks=diary.callbacks) as server:
        first, second = websocket_clients(server, 1) + websocket_clients(server, 1)
        third = websocket_clients(server, 1)[0]
        pump(server, lambda: first.over, first)
        assert first.close_code == 1013
        assert (second.over, third.over) == (False, False)
        assert diary.endings == [(CloseReason.EVICTED, 1013)]
        close_clients(server, second, third)


# -- the loop --------------------------------------------------------------------------------------

ERRNOS = (
    "ENETDOWN",
    "EPROTO",
    "ENOPROTOOPT",
    "EHOSTDOWN",
    "ENONET",
    "EHOSTUNREACH",
    "EOPNOTSUPP",
    "ENETUNREACH",
    "ETIMEDOUT",
    "ENETRESET",
    "ECONNABORTED",
    "ECONNRESET",
    "EPIPE",
    "EPERM",
    "ENOMEM",
    "EIO",
    "EBADF",
)


@pytest.mark.parametrize(
    "number", [getattr(errno, name) for name in ERRNOS if hasattr(errno, name)]
)
def test_whatever_error_a_socket_has_is_the_end_of_its_connection_only(number: int) -> None:
    server, effects = advance_by(asked(GET), ConnectionLost(CONN, number))
    assert [effect for effect in effects if isinstance(effect, Drop)] == [Drop(CONN)]
    assert [effect.reason for effect in effects if isinstance(effect, CallClose)] == [
        CloseReason.PEER_RESET
    ]
    assert advance_by(server, Received(CONN, GET))[1] == []


def test_everybody_has_his_turn_though_few_are_read_in_a_tick() -> None:
    served: list[str] = []

    def handler(request: Request) -> Response:
        served.append(request.path)
        return Response.text("ok")

    with ticking(handler, Limits(max_reads_per_tick=1, max_queued_requests=1)) as server:
        clients = [Raw(server) for _ in range(5)]
        settle(server)
        for index, client in enumerate(clients):
            client.send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % index * 3_000)
        for _ in range(100):
            server.tick(0.0)
            for client in clients:
                client.poll()
        counts = [served.count(f"/{index}") for index in range(5)]
        assert min(counts) > 0
        for client in clients:
            client.close()


def test_nobody_is_watched_for_writing_who_is_owed_nothing() -> None:
    def interest_after(*events: object) -> Interest:
        return client_of(advance_by(serving(), *events)[0]).outgoing.interest  # type: ignore[arg-type]

    assert interest_after() is Interest.READ
    assert interest_after(Received(CONN, GET)) is Interest.READ
    stalled = (Received(CONN, GET), Stalled(CONN, 0, (b"rest",)))
    assert interest_after(*stalled) is Interest.BOTH
    assert interest_after(*stalled, Writable(CONN)) is Interest.READ


def test_a_loop_with_idle_clients_does_not_spin() -> None:
    with ticking(upgrade) as server, Raw(server) as idle:
        client = websocket_clients(server, 1)[0]
        settle(server, idle, client)
        assert [server.tick(0.01) for _ in range(3)] == [False] * 3
        close_clients(server, client)


def test_nobody_keeps_a_place_for_ever_by_saying_nothing() -> None:
    server = serving(Limits(idle_timeout=5.0, header_timeout=5.0))
    for data in (b"", b"GET / HT"):
        begun = advance_by(server, Received(CONN, data))[0] if data else server
        _, effects = advance_by(
            begun, *map(at, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0))
        )
        assert any(isinstance(effect, Drop | Send) for effect in effects)


# -- compression -----------------------------------------------------------------------------------


def test_nothing_is_compressed_for_nobody() -> None:
    client = Client(lambda request: Response.upgrade(), limits=Limits(history_messages=9))
    client.websocket("/")
    packed = client.websocket("/", "compress-zstd")
    packed.connection.reset()
    client.run_until_idle()
    client.server.broadcast("x" * 1_000)
    client.run_until_idle()
    (page,) = [page for page in client.state.broadcast.ring.pages if page is not None]
    assert page.entries == (Published(b"\x81\x7e\x03\xe8" + b"x" * 1_000, None, ()),)


# -- the page --------------------------------------------------------------------------------------

FUNCTIONS = """
    align footprint new join leave delete fd listen listen6 close ws_close stage_trunc stage_len
    printf memcpy
    append_start append_end unstage stage_body ws_send ws_broadcast poll metrics
    connection_close_reason_str method_str
"""
FIELDS = """
    max_connection_cnt max_ws_connection_cnt max_request_len max_ws_recv_frame_len
    max_ws_send_frame_cnt
    outgoing_buffer_sz compress_websocket treap_seed connection_id method path path_raw ctx
    headers.content_type
    headers.accept_encoding headers.compress_websocket headers.upgrade_websocket post.body
    post.body_len status
    upgrade_websocket content_type cache_control content_encoding location static_body
    static_body_len _body_off
    _body_len request open close ws_open ws_message ws_close
"""


def test_the_page_of_parity_has_every_function_field_and_reason() -> None:
    page = (Path(__file__).parents[1] / "docs" / "parity.md").read_text(encoding="utf-8")
    there = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| "))
    names = set(re.findall(r"`([^`]+)`", there))
    assert {f"fd_http_server_{name}" for name in FUNCTIONS.split()} | set(FIELDS.split()) <= names
    kept = {
        reason.name for reason in CloseReason if reason >= CloseReason.UNSUPPORTED_TRANSFER_ENCODING
    }
    assert kept <= set(re.findall(r"\b[A-Z_]+\b", there))
    assert len(kept) == 23
