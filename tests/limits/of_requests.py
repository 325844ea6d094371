"""The table of limits, its part about connections, requests and memory.

Theory: what a client may have is counted at the wire, so every probe here is a client in memory
that sends exactly so much. What is only remembered has no trace on the wire and is asked of the
parser itself.

Rules: no time passes unless a probe turns the clock. An answer is owed from the byte on that the
client's window did not take. It does not know deadlines, WebSockets or sockets.
"""

from collections.abc import Callable, Generator

from sigil import Deferred, Limits, Request, Response
from sigil.core.server.slots import clients_of
from sigil.shell.loop.head_cache import cached_parser
from sigil.testing import Client, Connection
from tests.limits.row import Row, end_of, fate, fine
from tests.support.forms import CONTENT_TYPE, part
from tests.support.forms import form as form_of
from tests.support.requests import GET

WINDOW_LEN = 2_000
LARGE_HEAD_LEN = len(
    b"HTTP/1.1 200 OK\r\nContent-Length: 4321\r\nContent-Type: application/octet-stream\r\n"
    b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
)
FIELD, FILE = 'name="a"', 'name="f"; filename="b"'
LAST_LEN = len(b"\r\n--xYzZY--\r\n")
"""Bytes of the last boundary of a multipart form."""
HEADER_60 = Limits(max_part_header_len=60)
POST = b"POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n"


def sized(request: Request) -> Response:
    """An answer of as many bytes as the path says, a body of four digits with its head."""
    if request.path == "/":
        return fine(request)
    return Response.bytes(bytes(int(request.path[1:]) - LARGE_HEAD_LEN))


def sent(limits: Limits, data: bytes, rest: bytes = b"") -> str:
    """What becomes of a connection on which this is sent, and the rest if nothing was
    said to it.
    """
    connection = Client(fine, limits=limits).connect()
    connection.send(data)
    if rest and connection.received:
        return f"{fate(connection)} before the rest"
    connection.send(rest)
    return fate(connection)


def dated(limits: Limits, seconds: int) -> str:
    """Which Date the response has that is sent after so many seconds."""
    client = Client(fine, limits=limits)
    client.advance(float(seconds))
    return str(client.get("/").headers.get("date"))


# -- connections -----------------------------------------------------------------------------------


def arrive(limits: Limits, count: int) -> str:
    """So many newcomers, one a second, of whom the second falls behind; then the first leaves."""
    client = Client(sized, limits=limits)
    connections: list[Connection] = []
    for number in range(count):
        connections.append(client.connect(window_len=WINDOW_LEN))
        if number == 1:
            connections[1].request("GET", "/4000")
        client.advance(1)
    found = ", ".join(map(place_of, connections))
    waiting = [connection for connection in connections if place_of(connection) == "waiting"]
    connections[0].half_close()
    return ", then ".join([found, *map(place_of, waiting)])


def idle(limits: Limits, count: int) -> str:
    """So many newcomers, one a second, who ask for nothing."""
    return idle_with(Client(fine, limits=limits), count)


def idle_beside_websockets(limits: Limits, count: int) -> str:
    """The same, after three who have opened a WebSocket, which nobody makes close."""
    client = Client(lambda request: Response.upgrade(), limits=limits)
    websockets = [client.websocket("/") for _ in range(3)]
    found = idle_with(client, count)
    return found if all(websocket.code is None for websocket in websockets) else "not all"


def idle_with(client: Client, count: int) -> str:
    """What becomes of newcomers who ask for nothing."""
    connections: list[Connection] = []
    for _ in range(count):
        connections.append(client.connect())
        client.advance(1)
    return ", ".join(map(place_of, connections))


def place_of(connection: Connection) -> str:
    """Whether a connection was let in, and still is."""
    if connection.handle is not None:
        return end_of(connection)
    if not connection.is_closed:
        return "waiting"
    connection.read(WINDOW_LEN)
    (answer,) = connection.answers()
    return f"{answer.status} with Retry-After {answer.headers['retry-after']}"


def ask(limits: Limits, count: int) -> str:
    """So many requests at once."""
    return sent(limits, GET * count)


# -- one request -----------------------------------------------------------------------------------


def head(limits: Limits, length: int) -> str:
    """A head of exactly so many bytes, the empty line included."""
    return sent(limits, GET[:-2] + b"X: " + b"y" * (length - len(GET) - 5) + b"\r\n\r\n")


def endless_head(limits: Limits, length: int) -> str:
    """The same number of bytes of a head that has no end."""
    return sent(limits, GET[:-2] + b"X: " + b"y" * (length - len(GET) - 1))


def fields(limits: Limits, count: int) -> str:
    """So many field lines."""
    return sent(limits, GET[:-2] + b"X: y\r\n" * (count - 1) + b"\r\n")


def target(limits: Limits, length: int) -> str:
    """A target of so many bytes."""
    return sent(limits, GET.replace(b"/", b"/" + b"a" * (length - 1), 1))


def declared(limits: Limits, length: int) -> str:
    """A body of a length that is declared, which comes if nothing is said to that."""
    return sent(limits, POST % (b"Content-Length: %d" % length), bytes(length))


def chunked(*parts: bytes) -> bytes:
    """A request with a chunked body of these lines."""
    return POST % b"Transfer-Encoding: chunked" + b"\r\n".join(parts)


def chunks(limits: Limits, length: int) -> str:
    """A body of so many bytes in two chunks, the last byte by itself."""
    return sent(
        limits, chunked(b"%x" % (length - 1), bytes(length - 1), b"1", b"z", b"0", b"", b"")
    )


def chunk_line(limits: Limits, length: int) -> str:
    """A chunk-size line of so many bytes before its line end."""
    return sent(limits, chunked(b"1;" + b"a" * (length - 2), b"z", b"0", b"", b""))


def small_chunks(limits: Limits, count: int) -> str:
    """A body of so many chunks of one byte."""
    return sent(limits, POST % b"Transfer-Encoding: chunked" + b"1\r\nx\r\n" * count + b"0\r\n\r\n")


def chunks_of(limits: Limits, length: int) -> str:
    """A body of chunks of so many bytes."""
    chunk = b"%x\r\n%b\r\n" % (length, b"x" * length)
    return sent(limits, POST % b"Transfer-Encoding: chunked" + chunk * 100 + b"0\r\n\r\n")


def extensions(limits: Limits, length: int) -> str:
    """Extensions of so many bytes on two chunks together."""
    return sent(
        limits, chunked(b"1;aaaaaaaaa", b"z", b"1;" + b"b" * (length - 11), b"z", b"0", b"", b"")
    )


def decoded(limits: Limits, decode: Callable[[Request], object], data: bytes) -> str:
    """What becomes of a request whose handler decodes some of it."""

    def app(request: Request) -> Response:
        decode(request)
        return fine(request)

    connection = Client(app, limits=limits).connect()
    connection.send(data)
    return fate(connection)


def posted(body: bytes) -> bytes:
    """A request with this body, a form if anybody asks."""
    fields = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d" % len(body)
    return POST % fields + body


def posted_form(parts: list[bytes]) -> bytes:
    """A request with a multipart form of these parts."""
    body = form_of(*parts)
    fields = f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}"
    return POST % fields.encode() + body


def form(limits: Limits, length: int) -> str:
    """A form of so many bytes."""
    return decoded(limits, Request.form, posted(b"a" * length))


def form_fields(limits: Limits, count: int) -> str:
    """A form of so many fields."""
    return decoded(limits, Request.form, posted(b"&".join([b"a=b"] * count)))


def form_files(limits: Limits, count: int) -> str:
    """A multipart form of so many files."""
    return decoded(limits, Request.files, posted_form([part(FILE)] * count))


def part_headers(limits: Limits, count: int) -> str:
    """A multipart form with so many headers before its field."""
    return decoded(limits, Request.form, posted_form([part(FIELD, b"", *["X: y"] * (count - 1))]))


def part_header_len(limits: Limits, length: int) -> str:
    """A multipart form whose field has a header line of so many bytes."""
    return decoded(
        limits, Request.form, posted_form([part(FIELD, b"", f"X: {'y' * (length - 3)}")])
    )


def multipart_len(limits: Limits, length: int) -> str:
    """A multipart form with a long file, and so many bytes beside it, up to its last boundary."""
    file = part(FILE, b"x" * 5_000)
    beside = len(form_of(file, part(FIELD))) - 5_000 - LAST_LEN
    parts = [file, part(FIELD, b"x" * (length - beside))]
    return decoded(limits, Request.form, posted_form(parts))


def args(limits: Limits, count: int) -> str:
    """A query of so many fields."""
    target = b"/?" + b"&".join([b"a=b"] * count)
    return decoded(limits, lambda request: request.args, GET.replace(b"/", target, 1))


def cookies(limits: Limits, count: int) -> str:
    """So many cookies."""
    field = b"Cookie: " + b"; ".join([b"a=b"] * count)
    return decoded(limits, lambda request: request.cookies, GET[:-2] + field + b"\r\n\r\n")


def json_depth(limits: Limits, depth: int) -> str:
    """JSON of so many arrays within each other."""
    return decoded(limits, Request.json, posted(b"[" * depth + b"]" * depth))


def trailers(limits: Limits, length: int) -> str:
    """Two trailer fields of so many bytes, the line end between them included."""
    return sent(limits, chunked(b"0", b"A: a", b"B: " + b"b" * (length - 9), b"", b""))


# -- what one client may have under way ------------------------------------------------------------


def queue(limits: Limits, count: int) -> str:
    """So many requests at once to a program that answers later."""
    promises: list[Deferred] = []

    def later(request: Request) -> Deferred:
        promises.append(Deferred())
        return promises[-1]

    client = Client(later, limits=limits)
    connection = client.connect()
    connection.send(GET * count)
    handed_out = len(promises)
    for promise in promises:
        promise.resolve(Response.text("late"))
        client.run_until_idle()
    return f"{handed_out} handed out, {len(connection.answers())} in the end"


def owe(client: Client, length: int) -> Connection:
    """A client that is owed so many bytes that do not fit into its window."""
    connection = client.connect(window_len=WINDOW_LEN)
    before = client.stats().outbox_bytes
    connection.request("GET", f"/{length + WINDOW_LEN}")
    assert client.stats().outbox_bytes - before == length
    return connection


def fall_behind(limits: Limits, length: int) -> str:
    """A client that is owed so many bytes asks again, and then takes them."""
    client = Client(sized, limits=limits)
    connection = owe(client, length)
    before = client.stats().bytes_in
    connection.send(GET)
    found = "read" if client.stats().bytes_in > before else "not read"
    while connection.read(WINDOW_LEN):
        pass
    return f"{found}, {fate(connection)}"


def fall_behind_at_once(limits: Limits, length: int) -> str:
    """A client sends two requests at once, and the answer to the first makes it so much that it is
    owed.
    """
    client = Client(sized, limits=limits)
    answer_len = 2_000
    connection = owe(client, length - answer_len)
    connection.send(b"POST /%d HTTP/1.1\r\nHost: a\r\n\r\n" % answer_len + GET)
    found = f"{client.stats().requests} handed out"
    while connection.read(WINDOW_LEN):
        pass
    return f"{found}, {fate(connection)}"


# -- what all clients together may have under way --------------------------------------------------


def send_together(limits: Limits, length: int) -> str:
    """Two clients send so much of two bodies, the first of them more slowly."""
    client = Client(fine, limits=limits)
    slow, fast = client.connect(), client.connect()
    slow.send(POST % b"Content-Length: 1000" + bytes(50))
    client.advance(5)
    fast.send(POST % b"Content-Length: 1000" + bytes(length - 50))
    return f"{fate(slow)}, {fate(fast)}"


def owe_together(limits: Limits, length: int) -> str:
    """Two clients are owed so much, and a third one asks; what it is told at once, and after a
    second.
    """
    client = Client(sized, limits=limits)
    readers = [owe(client, length - 500), owe(client, 500)]
    asking = client.connect()
    asking.send(GET)
    found = [fate(asking)]
    for seconds in (0.99, 0.02):
        client.advance(seconds)
        found.append(fate(asking))
    return " / ".join([*found, *map(end_of, readers)])


# -- what is remembered ----------------------------------------------------------------------------


def remember(limits: Limits, count: int) -> str:
    """How many of so many heads are known again, the last ones first."""
    parse = cached_parser(limits)
    seen = [GET.replace(b"/", b"/%d" % number, 1) for number in range(count)]
    first = [parse(data) for data in seen]
    known = [
        parse(data) is parsed for data, parsed in zip(reversed(seen), reversed(first), strict=True)
    ]
    return f"{sum(known)} known"


def remember_long(limits: Limits, length: int) -> str:
    """Whether a head of so many bytes is known again."""
    parse = cached_parser(limits)
    data = GET[:-2] + b"X: " + b"y" * (length - len(GET) - 5) + b"\r\n\r\n"
    return "known" if parse(data) is parse(bytes(bytearray(data))) else "not known"


class Uploads:
    """A program that takes every body in pieces: all of it, or, at `/held`, nothing."""

    def __call__(self, request: Request) -> object:
        return Deferred() if request.path == "/held" else self.take(request)

    def before_body(self, request: Request) -> str:
        """All bodies come in pieces."""
        return "stream"

    def take(self, request: Request) -> Generator[None, bytes, Response]:
        """Take all pieces."""
        while (yield):
            pass
        return fine(request)


def in_pieces(limits: Limits, length: int) -> str:
    """A body of so many bytes, which is taken in pieces."""
    connection = Client(Uploads(), limits=limits).connect()
    connection.send(POST % (b"Content-Length: %d" % length))
    if not connection.received:
        connection.send(bytes(length))
    return fate(connection)


def held(limits: Limits, length: int) -> str:
    """Whether a connection is read of whose body so many bytes are held, and no more fit into its
    buffer.
    """
    client = Client(Uploads(), limits=limits)
    connection = client.connect()
    connection.send(POST.replace(b"/", b"/held", 1) % b"Content-Length: 1000")
    connection.send(bytes(length))
    connection.send(bytes(limits.max_header_len))
    (record,) = clients_of(client.state.slots)
    return f"held, watched for {record.outgoing.interest.name}"


TWO = Limits(max_connection_cnt=2)
BODY, ALIAS = Limits(max_body_len=10), Limits(max_request_len=10)
TURNED_AWAY = "503 with Retry-After 1"

ROWS = (
    Row("max_connection_cnt", TWO, idle, 2, 3, "open, open", "EVICTED, open, open"),
    Row(
        "max_connection_cnt", TWO, idle_beside_websockets, 2, 3, "open, open", "EVICTED, open, open"
    ),
    Row("full_policy", TWO, arrive, 2, 3, "open, open", "open, EVICTED, open"),
    Row(
        "full_policy",
        TWO._replace(full_policy="wait"),
        arrive,
        2,
        3,
        "open, open",
        "open, open, waiting, then open",
    ),
    Row(
        "full_policy",
        TWO._replace(full_policy="503"),
        arrive,
        2,
        3,
        "open, open",
        f"open, open, {TURNED_AWAY}",
    ),
    Row(
        "max_requests_per_connection",
        Limits(max_requests_per_connection=3),
        ask,
        2,
        3,
        "200 200 open",
        "200 200 200 OK",
    ),
    Row(
        "max_requests_per_connection",
        Limits(max_requests_per_connection=3),
        ask,
        3,
        4,
        "200 200 200 OK",
        "200 200 200 OK",
    ),
    Row(
        "date_header",
        Limits(),
        dated,
        0,
        1,
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Thu, 01 Jan 1970 00:00:01 GMT",
    ),
    Row("date_header", Limits(date_header=False), dated, 0, 1, "None", "None"),
    Row(
        "max_header_len", Limits(max_header_len=200), head, 200, 201, "200 open", "431 LARGE_HEADER"
    ),
    Row(
        "max_header_len",
        Limits(max_header_len=200),
        endless_head,
        200,
        201,
        "open",
        "431 LARGE_HEADER",
    ),
    Row("max_headers", Limits(max_headers=5), fields, 5, 6, "200 open", "431 LARGE_HEADER"),
    Row(
        "max_target_len", Limits(max_target_len=20), target, 20, 21, "200 open", "414 PATH_TOO_LONG"
    ),
    Row("max_body_len", BODY, declared, 10, 11, "200 open", "413 LARGE_REQUEST before the rest"),
    Row("max_body_len", BODY, chunks, 10, 11, "200 open", "413 LARGE_REQUEST"),
    Row(
        "max_request_len", ALIAS, declared, 10, 11, "200 open", "413 LARGE_REQUEST before the rest"
    ),
    Row(
        "max_request_len",
        ALIAS._replace(max_body_len=5),
        chunks,
        10,
        11,
        "200 open",
        "413 LARGE_REQUEST",
    ),
    Row(
        "max_streamed_body_len",
        Limits(max_body_len=5, max_streamed_body_len=10),
        in_pieces,
        10,
        11,
        "200 open",
        "413 LARGE_REQUEST",
    ),
    Row(
        "max_body_piece_len",
        Limits(max_body_piece_len=101, max_header_len=100),
        held,
        100,
        101,
        "held, watched for READ",
        "held, watched for NOTHING",
    ),
    Row(
        "max_chunk_line_len",
        Limits(max_chunk_line_len=20),
        chunk_line,
        20,
        21,
        "200 open",
        "400 BAD_REQUEST",
    ),
    Row(
        "max_chunk_extension_len",
        Limits(max_chunk_extension_len=30),
        extensions,
        30,
        31,
        "200 open",
        "400 BAD_REQUEST",
    ),
    Row(
        "max_small_chunks",
        Limits(max_small_chunks=6, min_chunk_len=16),
        small_chunks,
        6,
        7,
        "200 open",
        "400 BAD_REQUEST",
    ),
    Row(
        "min_chunk_len",
        Limits(max_small_chunks=0, min_chunk_len=16),
        chunks_of,
        16,
        15,
        "200 open",
        "400 BAD_REQUEST",
    ),
    Row(
        "max_trailer_len",
        Limits(max_trailer_len=50),
        trailers,
        50,
        51,
        "200 open",
        "431 LARGE_HEADER",
    ),
    Row("max_form_len", Limits(max_form_len=9), form, 9, 10, "200 open", "413 open"),
    Row("max_form_fields", Limits(max_form_fields=3), form_fields, 3, 4, "200 open", "400 open"),
    Row("max_form_fields", Limits(max_form_fields=3), args, 3, 4, "200 open", "400 open"),
    Row("max_form_fields", Limits(max_form_fields=3), cookies, 3, 4, "200 open", "400 open"),
    Row(
        "max_form_len", Limits(max_form_len=999), multipart_len, 999, 1_000, "200 open", "413 open"
    ),
    Row("max_form_files", Limits(max_form_files=3), form_files, 3, 4, "200 open", "400 open"),
    Row("max_part_headers", Limits(max_part_headers=3), part_headers, 3, 4, "200 open", "431 open"),
    Row("max_part_header_len", HEADER_60, part_header_len, 60, 61, "200 open", "431 open"),
    Row("max_json_depth", Limits(max_json_depth=5), json_depth, 5, 6, "200 open", "400 open"),
    Row(
        "max_queued_requests",
        Limits(max_queued_requests=4),
        queue,
        4,
        5,
        "4 handed out, 4 in the end",
        "4 handed out, 5 in the end",
    ),
    Row(
        "max_outbox_len",
        Limits(max_outbox_len=3_000),
        fall_behind,
        2_999,
        3_000,
        "read, 200 200 open",
        "not read, 200 200 open",
    ),
    Row(
        "max_outbox_len",
        Limits(max_outbox_len=3_000),
        fall_behind_at_once,
        2_999,
        3_000,
        "3 handed out, 200 200 200 open",
        "2 handed out, 200 200 200 open",
    ),
    Row(
        "max_inbound_len",
        Limits(max_inbound_len=100),
        send_together,
        100,
        101,
        "open, open",
        "503 EVICTED, open",
    ),
    Row(
        "max_outbound_len",
        Limits(max_outbound_len=1_500),
        owe_together,
        1_500,
        1_501,
        "200 open / 200 open / 200 open / open / open",
        "open / open / 200 open / TOO_SLOW / open",
    ),
    Row(
        "proxy_protocol",
        Limits(proxy_protocol=("127.0.0.0/8",)),
        sent,
        b"PROXY TCP4 192.0.2.9 192.0.2.2 5 80\r\n" + GET,
        GET,
        "200 open",
        "BAD_PROXY_HEADER",
    ),
    Row("max_cached_heads", Limits(max_cached_heads=3), remember, 3, 4, "3 known", "1 known"),
    Row(
        "max_cached_head_len",
        Limits(max_cached_head_len=100),
        remember_long,
        100,
        101,
        "known",
        "not known",
    ),
)
