"""The table of limits, its part about WebSockets and what is broadcast to them.

Theory: what a WebSocket may say is counted in frames at the wire; what may be said to it, in frames
that it has not taken. A client with a window that is full from the first message on needs
everything that comes behind.

Rules: a frame of 126 to 65535 bytes of payload has 4 bytes of head when the server sends it. It
does not know deadlines or sockets.
"""

from sigil import Callbacks, Conn, HttpServer, Limits, Request, Response, SendStatus
from sigil.core.broadcast.entry import NO_OPTIONS
from sigil.core.broadcast.recoding import ENTRY_LEN
from sigil.core.broadcast.retained import MESSAGE_BYTES
from sigil.core.events import Publish
from sigil.core.server import advance
from sigil.testing import Client, UpgradeRefused, WebSocket
from tests.limits.row import Row, end_of
from tests.support.crowds import FLUSH, conns_of, event_streams, idle
from tests.support.requests import UPGRADE
from tests.support.websocket_client import frame

WINDOW_LEN = 500
HEAD_LEN = 4


def upgrade(request: Request) -> Response:
    """Every path is a WebSocket, which hears as much of what was as it asks for."""
    return Response.upgrade(history=int(request.args.get("history", "0")))


def tell_length(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    """Whoever says something is told how long it was."""
    server.send(conn, f"heard {len(data)}")


def serve(limits: Limits) -> Client:
    """A server whose program tells lengths."""
    return Client(upgrade, limits=limits, callbacks=Callbacks(ws_message=tell_length))


# -- how many, and whose ---------------------------------------------------------------------------


def open_each(limits: Limits, count: int) -> str:
    """So many WebSockets, one after the other."""
    client = serve(limits)
    opened = [open_one(client) for _ in range(count)]
    return ", ".join(one if isinstance(one, str) else str(one.code or "open") for one in opened)


def open_one(client: Client, origin: str | None = None) -> WebSocket | str:
    """A WebSocket, or the status that was said instead."""
    try:
        return client.websocket("/", origin=origin)
    except UpgradeRefused as error:
        return str(error.answer.status)


def come_from(limits: Limits, origin: str | None) -> str:
    """A page of this origin opens one."""
    found = open_one(serve(limits), origin)
    return found if isinstance(found, str) else "open"


def come_early(limits: Limits, count: int) -> str:
    """So many messages right behind the upgrade."""
    connection = serve(limits).connect()
    connection.send(UPGRADE + frame(1, b"early") * count)
    status, heard = connection.received[9:12].decode(), connection.received.count(b"heard 5")
    return f"{status}, heard {heard}, {end_of(connection)}"


def offer_zstd(limits: Limits, length: int) -> str:
    """What becomes of a message to a client that offers Zstandard."""
    return said_to(serve(limits), "compress-zstd", {}, length)


def offer_deflate(limits: Limits, length: int) -> str:
    """The same for deflate."""
    return said_to(serve(limits), (), {"Sec-WebSocket-Extensions": "permessage-deflate"}, length)


def said_to(
    client: Client, subprotocols: str | tuple[str, ...], headers: dict[str, str], length: int
) -> str:
    """What was agreed on, and whether a text of so many bytes comes in fewer."""
    websocket = client.websocket("/", subprotocols, headers=headers)
    before = len(websocket.connection.wire.received)
    client.server.send(websocket.handle, "x" * length)
    client.run_until_idle()
    agreed = websocket.subprotocol or websocket.extensions.partition(";")[0] or "plain"
    sent_len = len(websocket.connection.wire.received) - before
    return f"{agreed}, {'fewer' if sent_len < length else 'as it is'}"


# -- what is heard ---------------------------------------------------------------------------------


def whole_frame(limits: Limits, length: int) -> str:
    """A message of one frame that comes in one piece."""
    websocket = serve(limits).websocket("/")
    websocket.connection.send(frame(2, bytes(length)))
    return f"{websocket.code}, {websocket.messages()}"


def one_frame(limits: Limits, length: int) -> str:
    """A message of one frame, its payload only if nothing is said to its head."""
    return heard(limits, frame(2, bytes(length)), length)


def two_frames(limits: Limits, length: int) -> str:
    """A message of two frames, the payload of the second only if nothing is said to its head."""
    return heard(
        limits, frame(2, bytes(150), fin=False) + frame(0, bytes(length - 150)), length - 150
    )


def pieces_of(limits: Limits, length: int) -> str:
    """A message of one frame for a program that takes long ones in pieces, its payload only if
    nothing is said to its head.
    """
    lengths: list[str] = []
    callbacks = Callbacks(
        ws_message=lambda server, conn, data: lengths.append(f"whole {len(data)}"),
        ws_fragment=lambda server, conn, piece: lengths.append(str(len(piece))),
    )
    websocket = Client(upgrade, limits=limits, callbacks=callbacks).websocket("/")
    data = frame(2, bytes(length))
    websocket.connection.send(data[: len(data) - length])
    if websocket.code is not None:
        return f"{websocket.code} before the payload, {end_of(websocket.connection)}"
    websocket.connection.send(data[len(data) - length :])
    return ", ".join(lengths)


def later_frame(limits: Limits, length: int) -> str:
    """A message of two frames, of which the second has so many bytes."""
    return heard(limits, frame(2, bytes(150), fin=False) + frame(0, bytes(length)), length)


def heard(limits: Limits, data: bytes, payload_len: int) -> str:
    """What comes of these frames."""
    websocket = serve(limits).websocket("/")
    websocket.connection.send(data[:-payload_len])
    if websocket.code is not None:
        return f"{websocket.code} before the payload, {end_of(websocket.connection)}"
    websocket.connection.send(data[-payload_len:])
    return f"{websocket.messages()}"


def empty_fragments(limits: Limits, count: int) -> str:
    """A message of one empty frame and so many empty continuations."""
    return spoken(limits, frame(1, b"", fin=False) + frame(0, b"", fin=False) * (count - 1))


def fragments_of(limits: Limits, length: int) -> str:
    """A message of an empty frame and a hundred continuations of so many bytes."""
    frames = frame(2, b"", fin=False) + frame(0, bytes(length), fin=False) * 99
    return spoken(limits, frames, bytes(length))


def spoken(limits: Limits, frames: bytes, last: bytes = b"") -> str:
    """What comes of these frames and of the last continuation behind them."""
    websocket = serve(limits).websocket("/")
    websocket.connection.send(frames + frame(0, last))
    return f"{websocket.code}, {websocket.messages()}, {end_of(websocket.connection)}"


def pings(limits: Limits, count: int) -> str:
    """So many pings and pongs in a second, a message before the last of them and one behind, after
    a second with as many as there may be.
    """
    client = serve(limits)
    websocket = client.websocket("/")
    websocket.connection.send(frame(9, b"p") * limits.max_ws_control_frames_per_second)
    client.advance(1)
    websocket.connection.send(frame(9, b"p") + frame(10, b"p") * (count - 2))
    websocket.connection.send(frame(1, b"hi") + frame(9, b"p") + frame(1, b"ho"))
    return f"{websocket.code}, {websocket.messages()}, {end_of(websocket.connection)}"


def hear_together(limits: Limits, length: int) -> str:
    """Two WebSockets have said so much of two messages, the first of them more slowly."""
    client = serve(limits)
    slow, fast = client.websocket("/"), client.websocket("/")
    slow.connection.send(frame(2, bytes(200))[: 8 + 50])
    client.advance(5)
    fast.connection.send(frame(2, bytes(200))[: 8 + length - 50])
    return ", ".join(f"{one.code or ''} {end_of(one.connection)}".strip() for one in (slow, fast))


# -- what is said to one ---------------------------------------------------------------------------


def owe(limits: Limits, length: int) -> tuple[Client, WebSocket]:
    """A WebSocket that is owed so many bytes."""
    client = serve(limits)
    websocket = client.websocket("/", window_len=WINDOW_LEN)
    assert (
        client.server.send(websocket.handle, bytes(length + WINDOW_LEN - HEAD_LEN))
        is SendStatus.SUCCESS
    )
    client.run_until_idle()
    assert client.server.buffered_amount(websocket.handle) == length
    return client, websocket


def say_more(limits: Limits, length: int) -> str:
    """One message more to a WebSocket that is owed so many bytes, and how many come in the end."""
    client, websocket = owe(limits, length)
    status = client.server.send(websocket.handle, "more")
    client.run_until_idle()
    drink(websocket)
    return f"{status.name}, {len(websocket.messages())} messages, {websocket.code}"


def ask_more(limits: Limits, length: int) -> str:
    """A WebSocket that is owed so many bytes says something, and then takes what it is owed."""
    client, websocket = owe(limits, length)
    before = client.stats().bytes_in
    websocket.send("again")
    found = "read" if client.stats().bytes_in > before else "not read"
    drink(websocket)
    return f"{found}, {websocket.messages()[1:]}"


def drink(websocket: WebSocket) -> None:
    """Take all there is."""
    while websocket.read(WINDOW_LEN):
        pass


# -- what is said to all ---------------------------------------------------------------------------


def fall_behind(limits: Limits) -> tuple[Client, WebSocket, WebSocket]:
    """A WebSocket whose window is full, so that it takes nothing more, and one that takes
    everything.
    """
    client = serve(limits)
    slow, fast = client.websocket("/", window_len=WINDOW_LEN), client.websocket("/")
    assert client.server.send(slow.handle, bytes(WINDOW_LEN - HEAD_LEN)) is SendStatus.SUCCESS
    client.run_until_idle()
    assert client.server.buffered_amount(slow.handle) == 0
    return client, slow, fast


def miss_bytes(limits: Limits, length: int) -> str:
    """So many bytes of frames are broadcast in two messages that somebody does not take."""
    client, slow, fast = fall_behind(limits)
    statuses = [broadcast(client, 500 - HEAD_LEN), broadcast(client, length - 500 - HEAD_LEN)]
    return tell_both(statuses, slow, fast)


def miss_messages(limits: Limits, count: int) -> str:
    """So many messages are broadcast that somebody does not take."""
    client, slow, fast = fall_behind(limits)
    return tell_both([broadcast(client, 1) for _ in range(count)], slow, fast)


def broadcast(client: Client, length: int) -> str:
    """What is said of a broadcast."""
    status = client.server.broadcast(bytes(length))
    client.run_until_idle()
    return status.name


def tell_both(statuses: list[str], slow: WebSocket, fast: WebSocket) -> str:
    """The last status, what came of the slow one, and how many messages the other has."""
    return f"{statuses[-1]}, {end_of(slow.connection)}, {len(fast.messages())} messages"


def say_long(limits: Limits, length: int) -> str:
    """A message that is so long with its head is broadcast."""
    client = serve(limits)
    websocket = client.websocket("/")
    broadcast(client, length - HEAD_LEN)
    return f"{len(websocket.messages())} messages"


def look_back(limits: Limits, count: int) -> str:
    """A newcomer asks for so many messages of five."""
    client = serve(limits)
    for number in range(5):
        client.server.broadcast(str(number))
        client.run_until_idle()
    return " ".join(map(str, client.websocket(f"/?history={count}").messages()))


def encode_anew(limits: Limits, cost: int) -> str:
    """A newcomer asks for two messages in an encoding that nobody had, each of which counts so many
    bytes.
    """
    return f"{encoded_anew(limits, (cost - ENTRY_LEN - HEAD_LEN,) * 2)} in the first tick"


def keep_encoded(limits: Limits, length: int) -> str:
    """Two messages that are encoded for a newcomer take so many bytes together."""
    overhead = ENTRY_LEN + len("id: 0-1\ndata: \n\n")
    return f"{encoded_anew(limits, (1, length - 1 - 2 * overhead))} kept"


def encoded_anew(limits: Limits, lengths: tuple[int, ...]) -> int:
    """How many of messages of these lengths are kept in an encoding when an event stream has asked
    for all of them, a tick later.
    """
    messages = tuple((1, b"x" * length, None, NO_OPTIONS) for length in lengths)
    server, _ = advance(idle(1, limits), [Publish(messages), FLUSH])
    response = Response.sse(history=len(lengths))
    server, _ = advance(event_streams(server, conns_of(server), response), [FLUSH])
    return len(server.broadcast.ring.recoded.frames)


def retain_topics(limits: Limits, count: int) -> str:
    """How many messages are retained of so many, each on a topic of its own, and how many lines the
    log has about it.
    """
    client = Client(lambda request: Response.upgrade(), limits=limits)
    for number in range(count):
        client.server.broadcast("x", topic=str(number), retain=True)
    client.run_until_idle()
    kept = [number for number in range(count) if client.server.retained(str(number)) == "x"]
    return f"{len(kept)} kept, {sum('retained' in line.text for line in client.log)} lines"


def retain_length(limits: Limits, length: int) -> str:
    """What comes of a message that is to be retained and counts for so many bytes."""
    client = Client(lambda request: Response.upgrade(), limits=limits)
    data = b"x" * (length - 4 - MESSAGE_BYTES)
    status = client.server.broadcast(data, retain=True)
    client.run_until_idle()
    return f"{status.name}, {'kept' if client.server.retained() == data else 'not kept'}"


# -- topics ----------------------------------------------------------------------------------------


def subscribe_to(limits: Limits, topics: tuple[str, ...]) -> str:
    """What comes of an upgrade with these topics, of an event stream with them, and of subscribing
    a WebSocket to one after the other: how many of them it is sent messages on.
    """

    def app(request: Request) -> Response:
        if request.path == "/events":
            return Response.sse(topics=topics)
        return Response.upgrade(topics=topics if request.path == "/all" else ())

    client = Client(app, limits=limits, raise_errors=False)
    upgrade_status, stream = "101", client.connect()
    try:
        client.websocket("/all")
    except UpgradeRefused as error:
        upgrade_status = str(error.answer.status)
    stream.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    websocket = client.websocket("/")
    for topic in topics:
        client.server.subscribe(websocket.handle, topic)
        client.server.broadcast(topic, topic=topic)
    client.run_until_idle()
    status = stream.received[9:12].decode()
    return f"{upgrade_status}, {status}, {len(websocket.messages())} topics"


def subscribe_to_many(limits: Limits, count: int) -> str:
    """What comes of so many topics."""
    return subscribe_to(limits, tuple(f"topic {number}" for number in range(count)))


def subscribe_to_long(limits: Limits, length: int) -> str:
    """What comes of a topic of so many bytes in UTF-8."""
    return subscribe_to(limits, ("\u00e9" + "x" * (length - 2),))


TALKS = Limits(max_ws_connection_cnt=2)
RING = Limits(outgoing_buffer_sz=1_000)
HERE, THERE = "http://testserver", "https://there.example"

ROWS = (
    Row("max_ws_connection_cnt", TALKS, open_each, 2, 3, "open, open", "1013, open, open"),
    Row(
        "max_ws_connection_cnt",
        TALKS._replace(full_policy="wait"),
        open_each,
        2,
        3,
        "open, open",
        "open, open, 503",
    ),
    Row(
        "max_ws_connection_cnt",
        TALKS._replace(full_policy="503"),
        open_each,
        2,
        3,
        "open, open",
        "open, open, 503",
    ),
    Row("origins", Limits(), come_from, HERE, THERE, "open", "403"),
    Row("origins", Limits(), come_from, None, "null", "open", "403"),
    Row("origins", Limits(origins=(THERE,)), come_from, THERE, HERE, "open", "403"),
    Row("origins", Limits(origins=()), come_from, None, HERE, "open", "403"),
    Row("origins", Limits(origins=("*",)), come_from, HERE, "null", "open", "open"),
    Row("ws_early_data", Limits(), come_early, 0, 1, "101, heard 0, open", "400, heard 0, OK"),
    Row(
        "ws_early_data",
        Limits(ws_early_data=True),
        come_early,
        0,
        1,
        "101, heard 0, open",
        "101, heard 1, open",
    ),
    Row(
        "compress_websocket",
        Limits(),
        offer_zstd,
        200,
        201,
        "compress-zstd, as it is",
        "compress-zstd, fewer",
    ),
    Row(
        "compress_websocket",
        Limits(compress_websocket=False),
        offer_zstd,
        200,
        201,
        "plain, as it is",
        "plain, as it is",
    ),
    Row(
        "permessage_deflate",
        Limits(),
        offer_deflate,
        200,
        201,
        "permessage-deflate, as it is",
        "permessage-deflate, fewer",
    ),
    Row(
        "permessage_deflate",
        Limits(permessage_deflate=False),
        offer_deflate,
        200,
        201,
        "plain, as it is",
        "plain, as it is",
    ),
    Row(
        "max_ws_recv_frame_len",
        Limits(max_ws_recv_frame_len=200),
        whole_frame,
        200,
        201,
        "None, ['heard 200']",
        "1009, []",
    ),
    Row(
        "max_ws_recv_frame_len",
        Limits(max_ws_recv_frame_len=200),
        one_frame,
        200,
        201,
        "['heard 200']",
        "1009 before the payload, WS_OVERSIZE_FRAME",
    ),
    Row(
        "max_ws_recv_frame_len",
        Limits(max_ws_recv_frame_len=200),
        later_frame,
        200,
        201,
        "['heard 350']",
        "1009 before the payload, WS_OVERSIZE_FRAME",
    ),
    Row(
        "max_ws_message_len",
        Limits(max_ws_message_len=200),
        whole_frame,
        200,
        201,
        "None, ['heard 200']",
        "1009, []",
    ),
    Row(
        "max_ws_message_len",
        Limits(max_ws_message_len=200),
        one_frame,
        200,
        201,
        "['heard 200']",
        "1009 before the payload, WS_OVERSIZE_FRAME",
    ),
    Row(
        "max_ws_message_len",
        Limits(max_ws_message_len=200),
        two_frames,
        200,
        201,
        "['heard 200']",
        "1009 before the payload, WS_OVERSIZE_FRAME",
    ),
    Row(
        "max_ws_piece_len",
        Limits(max_ws_piece_len=200),
        pieces_of,
        200,
        201,
        "whole 200",
        "200, 1",
    ),
    Row(
        "max_ws_streamed_len",
        Limits(max_ws_streamed_len=500, max_ws_piece_len=200),
        pieces_of,
        500,
        501,
        "200, 200, 100",
        "1009 before the payload, WS_OVERSIZE_FRAME",
    ),
    Row(
        "max_ws_small_fragments",
        Limits(max_ws_small_fragments=6, min_ws_fragment_len=16),
        empty_fragments,
        6,
        7,
        "None, ['heard 0'], open",
        "1008, [], WS_OVERHEAD",
    ),
    Row(
        "min_ws_fragment_len",
        Limits(max_ws_small_fragments=0, min_ws_fragment_len=16),
        fragments_of,
        16,
        15,
        "None, ['heard 1600'], open",
        "1008, [], WS_OVERHEAD",
    ),
    Row(
        "max_ws_control_frames_per_second",
        Limits(max_ws_control_frames_per_second=4),
        pings,
        4,
        5,
        "None, ['heard 2', 'heard 2'], open",
        "1008, ['heard 2'], WS_OVERHEAD",
    ),
    Row(
        "max_inbound_len",
        Limits(max_inbound_len=100),
        hear_together,
        100,
        101,
        "open, open",
        "1013 EVICTED, open",
    ),
    Row(
        "max_outbox_len",
        Limits(max_outbox_len=1_000),
        ask_more,
        999,
        1_000,
        "read, ['heard 5']",
        "not read, ['heard 5']",
    ),
    Row(
        "max_ws_outbox_len",
        Limits(max_ws_outbox_len=1_000),
        say_more,
        999,
        1_000,
        "BACKPRESSURE, 2 messages, None",
        "DROPPED, 1 messages, None",
    ),
    Row(
        "max_ws_topics_per_client",
        Limits(max_ws_topics_per_client=3),
        subscribe_to_many,
        3,
        4,
        "101, 200, 3 topics",
        "500, 500, 3 topics",
    ),
    Row(
        "max_topic_len",
        Limits(max_topic_len=8),
        subscribe_to_long,
        8,
        9,
        "101, 200, 1 topics",
        "500, 500, 0 topics",
    ),
    Row(
        "outgoing_buffer_sz",
        RING,
        miss_bytes,
        1_000,
        1_001,
        "BACKPRESSURE, open, 2 messages",
        "DROPPED, WS_CLIENT_TOO_SLOW, 2 messages",
    ),
    Row("outgoing_buffer_sz", RING, say_long, 1_000, 1_001, "1 messages", "0 messages"),
    Row(
        "max_ws_send_frame_cnt",
        Limits(max_ws_send_frame_cnt=4),
        miss_messages,
        4,
        5,
        "BACKPRESSURE, open, 4 messages",
        "DROPPED, WS_CLIENT_TOO_SLOW, 5 messages",
    ),
    Row(
        "max_recode_len_per_tick",
        Limits(history_messages=2, max_recode_len_per_tick=1_500),
        encode_anew,
        1_499,
        1_500,
        "2 in the first tick",
        "1 in the first tick",
    ),
    Row(
        "max_recoded_len",
        Limits(history_messages=2, max_recoded_len=3_000),
        keep_encoded,
        3_000,
        3_001,
        "2 kept",
        "1 kept",
    ),
    Row(
        "max_retained_topics",
        Limits(max_retained_topics=3),
        retain_topics,
        3,
        4,
        "3 kept, 0 lines",
        "3 kept, 1 lines",
    ),
    Row(
        "max_retained_len",
        Limits(max_retained_len=600),
        retain_length,
        600,
        601,
        "SUCCESS, kept",
        "DROPPED, not kept",
    ),
    Row("history_messages", Limits(history_messages=3), look_back, 3, 4, "2 3 4", "2 3 4"),
)
