"""What `sigil stream` sends and answers, on a server in memory: each line is a literal, and nothing
waits.
"""

import base64
import hashlib
import json
import logging
import re

import pytest

from sigil import Limits
from sigil.apps.page import content_security_policy
from sigil.apps.stream.app import (
    MAX_DEPTH,
    MAX_LINES_PER_TICK,
    LineStream,
    Rules,
    is_power_of_ten,
    limits_for,
    message_of,
    page_text,
    topic_of,
)
from sigil.cli.flags import MAX_LINE_LEN
from sigil.core.broadcast.encoding import Encoding, encode_message
from sigil.core.websocket.frames import Opcode
from sigil.testing import Client

RULES = Rules(history=10, topic_field="of", max_line=100)
CPU, GPU, PLAIN = b'{"of":"cpu","n":1}', b'{"of":"gpu","n":2}', b"to everybody"


class Streaming:
    """The program in memory: what is read is given to it, and leaves at once."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.stream = LineStream(rules)
        self.client = Client(self.stream.handle, limits=limits_for(rules))

    def read(self, *lines: bytes) -> None:
        self.stream.feed(b"".join(line + b"\n" for line in lines))
        self.publish()

    def end(self) -> None:
        self.stream.end()
        self.publish()

    def publish(self) -> None:
        while self.stream.has_pending:
            self.stream.publish(self.client.server)  # type: ignore[arg-type]  # it says what a server with sockets says
        self.client.run_until_idle()


def texts(*lines: bytes) -> list[str]:
    return [line.decode() for line in lines]


# -- lines are messages ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", ""),
        (b"a", "a"),
        ("né ✓".encode(), "né ✓"),
        (b"\x00\x1b[1m", "\x00\x1b[1m"),
        (b"\xff", b"\xff"),
        (b"a\xc3", b"a\xc3"),
        (b"\xed\xa0\x80", b"\xed\xa0\x80"),
    ],
)
def test_a_line_in_utf8_is_a_text_and_any_other_is_bytes(line: bytes, message: str | bytes) -> None:
    assert message_of(line) == message


@pytest.mark.parametrize(
    ("message", "topic"),
    [
        ('{"of":"cpu"}', "cpu"),
        ('  {"n":1, "of" : "a b"}  ', "a b"),
        ('{"of":""}', ""),
        ('{"of":7}', "7"),
        ('{"of":-1.50e3}', "-1.50e3"),
        ('{"of":' + "1" * 50 + "}", "1" * 50),
        ('{"of":"a","of":"b"}', "b"),
        ('{"of":"\\u00e9"}', "é"),
        ('{"of":null}', None),
        ('{"of":true}', None),
        ('{"of":["cpu"]}', None),
        ('{"of":{"of":"cpu"}}', None),
        ('{"of":NaN}', None),
        ('{"of":"cpu","n":Infinity}', None),
        ('{"if":"cpu"}', None),
        ('{"of":"cpu"', None),
        ('{"of":"cpu"} and more', None),
        ('["of"]', None),
        ('"of"', None),
        ("of", None),
        ("", None),
        ('{"of":' * 100_000, None),
        ('{"of":"cpu","x":' + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "}", "cpu"),
        ('{"of":"cpu","x":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}", None),
        ('{"of":"cpu","x":' + '{"x":[' * 400 + "]}" * 400 + "}", None),
        ('{"x":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + ',"x":1,"of":"cpu"}', None),
        ('{"of":"cpu","x":"' + '[{\\"' * 1_000 + '"}', "cpu"),
        ('{"of":"cpu","x":[' + "[]," * 1_000 + "[]]}", "cpu"),
        (b'{"of":"cpu","x":"\xff"}', None),
    ],
)
def test_the_topic_of_a_line_is_what_its_field_says(
    message: str | bytes, topic: str | None
) -> None:
    assert topic_of(message, "of") == topic
    assert topic_of(message, "") is None


def test_lines_arrive_in_order_and_as_they_are() -> None:
    stream = Streaming()
    subscriber = stream.client.websocket("/ws")
    stream.read(b"a", b"", b"b\r", b"\xff\xfe", "né".encode())
    stream.stream.feed(b"no end")
    stream.publish()
    assert subscriber.messages() == ["a", "", "b", b"\xff\xfe", "né"]
    stream.end()
    assert subscriber.messages()[5:] == ["no end"]


def test_event_streams_have_the_texts_and_skip_the_rest() -> None:
    stream = Streaming()
    subscriber = stream.client.connect()
    subscriber.request("GET", "/events")
    stream.read(b"a", b"\xff", b"", b"b")
    assert re.findall(rb"^data:(.*)$", bytes(subscriber.received), re.MULTILINE) == [
        b" a",
        b" ",
        b" b",
    ]
    assert stream.client.stats().sse_skipped == 1


def test_a_turn_has_so_many_lines_and_the_others_wait() -> None:
    stream = Streaming()
    subscriber = stream.client.websocket("/ws")
    stream.stream.feed(b"".join(b"%d\n" % number for number in range(MAX_LINES_PER_TICK + 5)))
    stream.stream.publish(stream.client.server)  # type: ignore[arg-type]
    stream.client.run_until_idle()
    assert (len(subscriber.messages()), stream.stream.has_pending) == (MAX_LINES_PER_TICK, True)
    stream.publish()
    assert subscriber.messages() == [str(number) for number in range(MAX_LINES_PER_TICK + 5)]


def test_a_line_that_was_not_ended_is_said_and_no_other_is_waited_for() -> None:
    stream = Streaming()
    subscriber = stream.client.websocket("/ws")
    stream.read(b"a")
    stream.stream.feed(b"no end")
    stream.stream.flush_partial_line()
    assert stream.stream.has_pending
    stream.publish()
    assert (subscriber.messages(), stream.stream.has_ended) == (["a", "no end"], False)
    stream.stream.flush_partial_line()
    assert not stream.stream.has_pending


# -- what is too long ------------------------------------------------------------------------------


def test_a_line_that_is_too_long_is_not_sent_and_the_log_says_so_seldom(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="sigil.server")
    stream = Streaming(RULES._replace(history=200))
    subscriber = stream.client.websocket("/ws")
    stream.read(b"a" * 100, b"before")
    for number in range(150):
        stream.read(b"a" * 101, b"%d" % number)
    stream.end()
    assert subscriber.messages() == ["a" * 100, "before", *map(str, range(150))]
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        "line 3 is longer than --max-line, 100 bytes, and was not published (1 so far)",
        "line 21 is longer than --max-line, 100 bytes, and was not published (10 so far)",
        "line 201 is longer than --max-line, 100 bytes, and was not published (100 so far)",
    ]
    assert caplog.records[-1].message == (
        "standard input has ended after 302 lines, of which 150 were too long to be published"
    )


def test_the_end_is_told_once_and_when_all_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="sigil.server")
    stream = Streaming()
    stream.read(b"a")
    stream.stream.feed(b"b")
    stream.stream.end()
    assert (stream.stream.has_pending, stream.stream.has_ended) == (True, False)
    stream.publish()
    stream.stream.publish(stream.client.server)  # type: ignore[arg-type]
    assert (stream.stream.has_pending, stream.stream.has_ended) == (False, True)
    assert [record.message for record in caplog.records] == [
        "standard input has ended after 2 lines"
    ]


def test_round_numbers() -> None:
    assert [count for count in range(20_000) if is_power_of_ten(count)] == [
        1,
        10,
        100,
        1_000,
        10_000,
    ]


@pytest.mark.parametrize(
    ("history", "max_line", "is_compressing", "kept", "ring_len"),
    [
        (100, 2**20, False, 262_144, 64 * 2**20),
        (0, 1, True, 262_144, 64 * 2**20),
        (2**20, 2**24, False, 2**21, 8 * (2**24 + 64)),
        (0, 2**24, True, 262_144, 16 * (2**24 + 64)),
        (0, MAX_LINE_LEN, True, 262_144, 2**30 + 1_024),
    ],
)
def test_the_ring_holds_the_longest_lines_in_all_forms_and_the_history(
    history: int, max_line: int, is_compressing: bool, kept: int, ring_len: int
) -> None:
    limits = limits_for(Rules(history, "", max_line, is_compressing))
    assert limits == Limits(
        history_messages=history,
        max_ws_send_frame_cnt=kept,
        outgoing_buffer_sz=ring_len,
        permessage_deflate=is_compressing,
        compress_websocket=is_compressing,
    )


def test_four_of_the_longest_lines_fit_and_one_of_nothing_but_line_ends() -> None:
    position, max_line = f"{10**15 - 1}-{10**15 - 1}", 9 * 2**20
    limits = limits_for(Rules(0, "", max_line))
    plain, ends = b"x" * max_line, b"\r" * max_line

    def stored_len(line: bytes) -> int:
        return sum(
            len(encode_message(Opcode.TEXT, line, form, position))
            for form in (Encoding.PLAIN, Encoding.SSE)
        )

    assert 4 * stored_len(plain) <= limits.outgoing_buffer_sz
    assert stored_len(ends) <= limits.outgoing_buffer_sz


@pytest.mark.parametrize(
    ("is_compressing", "extension", "protocol", "first_byte"),
    [
        (False, None, None, 0x81),
        (True, "permessage-deflate", "compress-zstd", 0xC1),
    ],
)
def test_nothing_is_compressed_unless_that_was_asked_for(
    is_compressing: bool, extension: str | None, protocol: str | None, first_byte: int
) -> None:
    stream = Streaming(RULES._replace(max_line=1_000, is_compressing=is_compressing))
    hand = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    squeezed, zstd = stream.client.connect(), stream.client.connect()
    squeezed.request(
        "GET", "/ws", headers=hand | {"Sec-WebSocket-Extensions": "permessage-deflate"}
    )
    zstd.request("GET", "/ws", headers=hand | {"Sec-WebSocket-Protocol": "compress-zstd"})
    granted = (
        squeezed.answers()[0].headers.get("sec-websocket-extensions"),
        zstd.answers()[0].headers.get("sec-websocket-protocol"),
    )
    assert ((granted[0] or "").partition(";")[0] or None, granted[1]) == (extension, protocol)
    head_len = len(squeezed.received)
    stream.read(b"x" * 900)
    assert squeezed.received[head_len] == first_byte


# -- who receives what -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "received"),
    [
        ("", [CPU, GPU, PLAIN]),
        ("?topic=cpu", [CPU, PLAIN]),
        ("?topic=gpu&topic=cpu", [CPU, GPU, PLAIN]),
        ("?topic=tpu", [PLAIN]),
        ("?topic=*", [PLAIN]),
        ("?topic=", [PLAIN]),
        ("?other=cpu", [CPU, GPU, PLAIN]),
    ],
)
def test_clients_choose_their_topics_for_the_past_and_from_now_on(
    query: str, received: list[bytes]
) -> None:
    stream = Streaming()
    early = stream.client.websocket(f"/ws{query}")
    stream.read(CPU, GPU, PLAIN)
    late = stream.client.websocket(f"/ws{query}")
    events = stream.client.connect()
    events.request("GET", f"/events{query}")
    assert early.messages() == late.messages() == texts(*received)
    assert re.findall(rb"^data: (.*)$", bytes(events.received), re.MULTILINE) == received


def test_without_a_topic_field_everything_is_for_everybody() -> None:
    stream = Streaming(RULES._replace(topic_field=""))
    subscriber = stream.client.websocket("/ws?topic=cpu")
    stream.read(CPU, GPU, PLAIN)
    assert subscriber.messages() == texts(CPU, GPU, PLAIN)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 10),
        ("?history=3", 3),
        ("?history=0", 0),
        ("?history=999", 10),
        ("?history=99999999999", 10),
        ("?history=" + "9" * 5_000, 10),
        ("?history=" + "0" * 5_000 + "3", 3),
        ("?history=1&history=2", 2),
    ],
)
def test_newcomers_are_sent_as_much_of_the_past_as_they_ask_for(query: str, count: int) -> None:
    stream = Streaming()
    numbers = [b"%d" % number for number in range(15)]
    stream.read(*numbers)
    assert stream.client.websocket(f"/ws{query}").messages() == texts(*numbers[15 - count :])
    events = stream.client.connect()
    events.request("GET", f"/events{query}")
    assert (
        re.findall(rb"^data: (.*)$", bytes(events.received), re.MULTILINE) == numbers[15 - count :]
    )


def test_the_figures_have_the_position_behind_the_last_line() -> None:
    stream = Streaming()
    assert stream.client.get("/stream.json").json()["position"] is None
    stream.read(CPU, b"x" * 101, GPU)
    position = stream.client.get("/stream.json").json()["position"]
    assert position == f"{stream.client.state.broadcast.ring.epoch}-2"
    subscriber = stream.client.websocket(f"/ws?after={position}")
    stream.read(PLAIN)
    epoch = position.removesuffix("-2")
    assert subscriber.messages() == [
        f"\0position:{epoch}-2",
        f"\0next:{epoch}-3",
        *texts(PLAIN),
    ]


def test_an_event_stream_goes_on_where_it_was() -> None:
    stream = Streaming()
    stream.read(b"a", b"b")
    first = stream.client.connect()
    first.request("GET", "/events")
    last_id = re.findall(rb"^id: (.*)$", bytes(first.received), re.MULTILINE)[-1].decode()
    stream.read(b"c")
    for query, headers in (("history=0", {"Last-Event-ID": last_id}), (f"after={last_id}", {})):
        again = stream.client.connect()
        again.request("GET", f"/events?{query}", headers=headers)
        assert re.findall(rb"^data: (.*)$", bytes(again.received), re.MULTILINE) == [b"c"]


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/stream.json", 200),
        ("GET", "/sigil-client.js", 200),
        ("HEAD", "/sigil-client.js", 200),
        ("GET", "/ws", 426),
        ("HEAD", "/ws", 426),
        ("HEAD", "/events", 200),
        ("GET", "/missing", 404),
        ("POST", "/missing", 404),
        ("POST", "/", 405),
        ("POST", "/ws", 405),
        ("DELETE", "/events", 405),
        ("GET", "/?history=many", 200),
    ],
)
def test_routes(method: str, target: str, status: int) -> None:
    assert Streaming().client.request(method, target).status == status


@pytest.mark.parametrize("value", ["", "-1", "many", "1.5", "%D9%A3", "1e3", "+1"])
def test_a_history_that_is_no_number_is_refused_with_a_sentence(value: str) -> None:
    client = Streaming().client
    for path in ("/ws", "/events", "/poll"):
        answer = client.get(f"{path}?history={value}")
        assert (answer.status, answer.text) == (
            400,
            "400 Bad Request: history is a number from 0; there are never more than 10 lines\n",
        )


def test_a_long_poll_of_another_server_s_position_is_sent_the_history() -> None:
    stream = Streaming()
    stream.read(b"a", b"b", b"c")
    lines = stream.client.get("/poll?history=2&after=7-5").text.splitlines()
    assert [line.get("text") for line in map(json.loads, lines)] == [None, "b", "c", None]


def test_what_is_not_there_is_told_what_is() -> None:
    client = Streaming().client
    assert client.get("/missing").text == (
        "404 Not Found: there are /, /ws, /events, /poll, /stream.json, /sigil-client.js\n"
    )
    assert client.request("PUT", "/").headers["allow"] == "GET, HEAD"


def test_nothing_that_lines_can_fill_is_taken_for_a_script() -> None:
    stream = Streaming()
    events = stream.client.connect()
    events.request("GET", "/events")
    for headers in (stream.client.get("/stream.json").headers, events.answers()[0].headers):
        assert headers["x-content-type-options"] == "nosniff"


def test_the_figures_are_what_has_happened() -> None:
    stream = Streaming()
    assert stream.client.get("/stream.json").json() == {
        "topic_field": "of",
        "history": 10,
        "max_line_bytes": 100,
        "lines": 0,
        "skipped": 0,
        "has_ended": False,
        "position": None,
    }
    stream.read(b"a", b"b" * 101)
    stream.end()
    answer = stream.client.get("/stream.json")
    assert answer.headers["cache-control"] == "no-store"
    assert {name: answer.json()[name] for name in ("lines", "skipped", "has_ended")} == {
        "lines": 2,
        "skipped": 1,
        "has_ended": True,
    }
    assert (
        json.loads(Streaming(RULES._replace(topic_field="")).client.get("/stream.json").text)[
            "topic_field"
        ]
        is None
    )


# -- the page --------------------------------------------------------------------------------------


def test_the_policy_allows_the_page_s_own_script_and_style_and_its_server_s_module() -> None:
    page = page_text()
    answer = Streaming().client.get("/")
    policy = answer.headers["content-security-policy"]
    assert (answer.text, policy) == (page, content_security_policy(page))
    for tag in ("script", "style"):
        (source,) = re.findall(f"<{tag}[^>]*>(.*?)</{tag}>", page, re.DOTALL)
        assert (
            f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
            in policy
        )
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives["default-src"] == "'none'"
    assert "'self'" in directives["script-src"] and "'self'" in directives["connect-src"]
    assert "unsafe" not in policy


def test_the_page_loads_nothing_but_the_module_and_puts_nothing_into_markup() -> None:
    page = page_text()
    assert set(re.findall(r"https?://[^\s'\"`)]+", page)) == {"http://www.w3.org/2000/svg"}
    assert re.findall(r"<[^>]*\s(?:style|src|on\w+)\s*=", page) == []
    assert "@import" not in page and "url(" not in page
    assert re.findall(r"^import .* from \"(.*)\";$", page, re.MULTILINE) == ["/sigil-client.js"]
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|eval\(|new Function", page
    )


def luminance(colour: str) -> float:
    """How bright a colour is (WCAG 2.2, relative luminance)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    red, green, blue = (int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4))
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (red, green, blue)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("index", [0, 1], ids=["light", "dark"])
def test_every_text_of_the_page_can_be_read(index: int) -> None:
    page = page_text()
    colours = dict(
        re.findall(r"--([\w-]+): (#\w+)", re.findall(r":root \{(.*?)\}", page, re.DOTALL)[index])
    )
    grounds = ("ground", "surface", "hover")
    written = {*re.findall(r"[\s{;]color: var\(--([\w-]+)\)", page)} - {"on-accent"}
    assert written == {"ink", "secondary", "faint", "key", "text", "number", "literal", "bad"}
    assert {*re.findall(r"background: var\(--([\w-]+)\)", page)} <= {*grounds, *colours}
    pairs = [("on-accent", "accent"), *((text, ground) for text in written for ground in grounds)]
    for text, ground in pairs:
        darker, lighter = sorted((luminance(colours[text]), luminance(colours[ground])))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, f"{text} on {ground}"


def test_the_page_asks_only_what_is_answered() -> None:
    client = Streaming().client
    page = page_text()
    asked = {*re.findall(r'fetch\("([^"]+)"', page), *re.findall(r'<a href="([^"]+)"', page)}
    assert asked == {"/stream.json", "/events"}
    assert re.findall(r'connect\("([^"]+)"', page) == ["/ws"]
    assert all(client.request("HEAD", path).status == 200 for path in asked)
    assert set(re.findall(r"\babout\.(\w+)", page)) <= set(client.get("/stream.json").json())


def test_every_element_the_script_looks_up_is_there() -> None:
    page = page_text()
    ids = re.findall(r'\sid="([^"]+)"', page)
    used = set(re.findall(r'(?:\$|put)\("([a-z-]+)"', page))
    assert len(ids) == len(set(ids))
    assert used and used <= set(ids)
