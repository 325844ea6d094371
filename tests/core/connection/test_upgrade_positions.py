"""Positions over a WebSocket: who asks is sent them, whatever the encoding, and comes back for
exactly what it missed.
"""

import json
import re
from itertools import pairwise

import pytest

from sigil import Limits, Request, Response
from sigil.testing import Client, WebSocket

KEEPING = Limits(history_messages=100)
SMALL = Limits(max_ws_send_frame_cnt=4, history_messages=100)
OFFERS: dict[str, dict[str, str]] = {
    "plain": {},
    "deflate": {"Sec-WebSocket-Extensions": "permessage-deflate"},
    "zstd": {"Sec-WebSocket-Protocol": "compress-zstd"},
}
LONG = "x" * 1_000


def accept(request: Request) -> Response:
    """A WebSocket on the topics of its path."""
    return Response.upgrade(topics=request.path.strip("/").split("+"))


def client_of(limits: Limits = KEEPING, app: object = accept) -> Client:
    """A server in memory."""
    return Client(app, limits=limits)  # type: ignore[arg-type]


def positions_of(client: Client, *numbers: int) -> list[str]:
    """These positions of the server's."""
    epoch = client.server.position().partition("-")[0]
    return [f"{epoch}-{number}" for number in numbers]


@pytest.mark.parametrize("target", ["/news", "/news?afterwards=1", "/news?x=after", "/news?After="])
def test_who_does_not_ask_is_sent_none(target: str) -> None:
    client = client_of()
    websocket = client.websocket(target)
    client.server.broadcast("a", topic="news")
    client.advance(100.0)
    assert websocket.messages() == ["a"]


@pytest.mark.parametrize("offer", OFFERS)
def test_who_asks_is_sent_its_position_and_one_before_each_message(offer: str) -> None:
    client = client_of()
    client.server.broadcast("before")
    websocket = client.websocket("/news?after=", headers=OFFERS[offer])
    client.server.broadcast("other", topic="sport")
    client.server.broadcast(LONG, topic="news")
    client.server.broadcast("to all")
    client.run_until_idle()
    one, three, four = positions_of(client, 1, 3, 4)
    assert texts(websocket) == [
        f"\0position:{one}", f"\0next:{three}", LONG, f"\0next:{four}", "to all",
    ]  # fmt: skip


def test_a_program_may_have_none_whatever_the_query_says() -> None:
    client = client_of(app=lambda request: Response.upgrade(topics="news", after=False))
    client.server.broadcast("before", topic="news")
    websocket = client.websocket("/?after=0-0")
    client.server.broadcast("a", topic="news")
    client.run_until_idle()
    assert websocket.messages() == ["a"]


def texts(websocket: WebSocket) -> list[str]:
    """All messages; in Zstandard a long text comes as a binary message."""
    return [
        message if isinstance(message, str) else message.decode()
        for message in websocket.messages()
    ]


def test_the_parameter_is_the_programs_too() -> None:
    seen: list[str] = []

    def app(request: Request) -> Response:
        seen.append(request.args["after"])
        return Response.upgrade()

    client = client_of(app=app)
    client.websocket("/?a=b&after=7%2d3&after=7%2d4")
    assert seen == ["7-4"]


def test_of_several_the_last_one_counts_and_it_is_decoded() -> None:
    client = client_of()
    (zero,) = positions_of(client, 0)
    quoted = zero.replace("-", "%2D")
    assert client.websocket(f"/a?after=x&after={quoted}").messages() == [f"\0position:{zero}"]


def test_the_program_may_ask_in_the_clients_place_and_its_word_is_the_last() -> None:
    def app(request: Request) -> Response:
        return Response.upgrade(after=request.headers.get("x-after"))

    client = client_of(app=app)
    client.server.broadcast("a")
    zero, one = positions_of(client, 0, 1)
    for target, after, expected in [
        ("/", "", [f"\0position:{one}"]),
        ("/", zero, [f"\0position:{zero}", f"\0next:{one}", "a"]),
        (f"/?after={zero}", one, [f"\0position:{one}"]),
    ]:
        websocket = client.websocket(target, headers={"X-After": after})
        client.run_until_idle()
        assert websocket.messages() == expected


def test_a_client_that_comes_back_is_sent_exactly_what_it_missed() -> None:
    client = client_of()
    for text in "abcde":
        client.server.broadcast(text, topic="news" if text in "ace" else "sport")
    zero, one, three, five = positions_of(client, 0, 1, 3, 5)
    for after, expected in [
        (zero, [f"\0next:{one}", "a", f"\0next:{three}", "c", f"\0next:{five}", "e"]),
        (one, [f"\0next:{three}", "c", f"\0next:{five}", "e"]),
        (three, [f"\0next:{five}", "e"]),
        (five, []),
    ]:
        websocket = client.websocket(f"/news?after={after}")
        client.run_until_idle()
        assert websocket.messages() == [f"\0position:{after}", *expected]


def test_what_is_gone_is_a_gap_with_its_length() -> None:
    client = client_of(SMALL)
    for number in range(10):
        client.server.broadcast(f"m{number}", topic="news")
    client.run_until_idle()
    two, six, *rest = positions_of(client, 2, 6, 7, 8, 9, 10)
    websocket = client.websocket(f"/news?after={two}")
    client.run_until_idle()
    gap, *messages = websocket.messages()
    assert isinstance(gap, str) and gap.startswith("\0gap:")
    assert json.loads(gap[5:]) == {"after": two, "position": six, "missed": 4}
    assert messages == [
        text for number, at in enumerate(rest, 6) for text in (f"\0next:{at}", f"m{number}")
    ]


@pytest.mark.parametrize("after", ["nonsense", "1-1", "%00", "0" * 500, "%ff%F0"])
def test_nonsense_is_a_gap_of_unknown_length_and_the_client_goes_on_as_a_new_one(
    after: str,
) -> None:
    client = client_of()
    client.server.broadcast("a")
    one, two = positions_of(client, 1, 2)
    websocket = client.websocket(f"/news?after={after}")
    client.server.broadcast("b")
    client.run_until_idle()
    gap, *messages = websocket.messages()
    assert messages == [f"\0next:{two}", "b"]
    assert isinstance(gap, str) and gap.startswith("\0gap:")
    assert json.loads(gap[5:])["missed"] is None and json.loads(gap[5:])["position"] == one


def test_a_time_to_come_is_one_too() -> None:
    client = client_of()
    one = positions_of(client, 1)[0]
    (gap,) = client.websocket(f"/news?after={one}").messages()
    assert isinstance(gap, str) and json.loads(gap[5:])["missed"] is None


def test_history_comes_behind_the_position_before_it() -> None:
    client = client_of(app=lambda request: Response.upgrade(history=2))
    for text in "abc":
        client.server.broadcast(text)
    one, two, three = positions_of(client, 1, 2, 3)
    websocket = client.websocket("/?after=")
    client.run_until_idle()
    assert websocket.messages() == [
        f"\0position:{one}", f"\0next:{two}", "b", f"\0next:{three}", "c",
    ]  # fmt: skip


def test_a_message_to_one_client_has_no_position() -> None:
    client = client_of()
    websocket = client.websocket("/news?after=")
    (conn,) = client.clients()
    client.server.send(conn, "you")
    client.server.broadcast("all")
    client.server.send(conn, "you again")
    client.run_until_idle()
    zero, one = positions_of(client, 0, 1)
    assert websocket.messages() == [
        f"\0position:{zero}", "you", f"\0next:{one}", "all", "you again",
    ]  # fmt: skip


def test_the_position_moves_on_without_a_message_of_ones_own() -> None:
    client = client_of(SMALL)
    websocket = client.websocket("/rare?after=")
    for number in range(20):
        client.server.broadcast(f"m{number}", topic="busy")
    client.advance(20.0)
    zero, twenty = positions_of(client, 0, 20)
    assert websocket.messages() == [f"\0position:{zero}", f"\0position:{twenty}"]
    back = client.websocket(f"/rare?after={twenty}")
    client.run_until_idle()
    assert back.messages() == [f"\0position:{twenty}"]


def test_positions_and_heartbeats_come_together() -> None:
    client = client_of()
    websocket = client.websocket("/a?sigil-heartbeats&after=")
    client.advance(20.0)
    zero = positions_of(client, 0)[0]
    beat = "\0heartbeat:20000"
    assert websocket.messages() == [f"\0position:{zero}", beat, beat, f"\0position:{zero}"]


def test_a_client_that_is_behind_is_sent_its_positions_as_it_catches_up() -> None:
    client = client_of(Limits(history_messages=100, max_outbox_len=2_000))
    websocket = client.websocket("/news?after=", window_len=3_000)
    for number in range(40):
        client.server.broadcast(f"{number} {LONG}", topic="news")
        client.run_until_idle()
    read_all(websocket)
    assert numbers_in(websocket) == list(range(40))


def read_all(websocket: WebSocket) -> int:
    """Read until nothing more comes; how many bytes that were."""
    length = 0
    while data := websocket.read(1_000):
        length += len(data)
    return length


def numbers_in(websocket: WebSocket) -> list[int]:
    """The numbers of the messages, each of which has its position directly before it."""
    texts = [str(message) for message in websocket.messages()]
    found: list[int] = []
    for before, text in pairwise(texts):
        if not text.startswith("\0"):
            number = int(text.split()[0])
            assert re.fullmatch(rf"\0next:[0-9]+-{number + 1}", before), before
            found.append(number)
    return found


def test_what_is_buffered_is_counted_with_its_positions() -> None:
    client = client_of(Limits(history_messages=400, max_outbox_len=2_000))
    websocket = client.websocket("/news?after=", window_len=3_000)
    (conn,) = client.clients()
    for number in range(300):
        client.server.broadcast(f"{number} {LONG}", topic="news" if number % 3 else "sport")
        client.run_until_idle()
    for number in range(3):
        client.server.broadcast(f"{300 + number} {LONG}")
    buffered = client.server.buffered_amount(conn)
    in_window = len(websocket.connection.wire.unread)
    assert read_all(websocket) == buffered + in_window
    assert client.server.buffered_amount(conn) == 0


@pytest.mark.parametrize("after", [7, b"7-1", ["7-1"]])
def test_what_is_no_text_is_refused_at_the_call(after: object) -> None:
    with pytest.raises(TypeError):
        Response.upgrade(after=after)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Response.sse(after=after)  # type: ignore[arg-type]
