"""The rows of the bench, as values: what is sent to a server, and what it is compared with.

Theory: a row is a situation that a server can be in, and a figure that says what it costs there. A
fast figure belongs to the situation, not to the server, as long as its *sisters* are slow: the same
situation with one thing that real programs and clients do (a header field of the program's, a
cookie, the access log, a fragment). So every row has sisters, and `sister_of` names whose they are.

Rules: nothing here runs anything; a load is a record that says what to do. `work_cnt` is how much
work one measurement is, chosen to take about half a second of CPU. A row does not know who serves.
"""

from __future__ import annotations

from typing import NamedTuple

from .programs.orders import HELLO, LARGE_SZ, QUERY_BODY, VALUE_BODY
from .requests import (
    COUNTER,
    GET,
    GET_10,
    GET_ONCE,
    GET_ONCE_10,
    GET_QUERY,
    get_of_browser,
    post,
    post_in_chunks,
)


class Http(NamedTuple):
    """`conn_cnt` connections with `depth` requests in flight on each, answered by `answer`.

    `body` is what must come back, =N for N letters x. With `is_closing` every request has a
    connection of its own, which the server closes; with `has_log` it writes its access log.
    With `is_recorded` every turn is recorded to a file.
    `interface` is how the program speaks to its server: as its users write for it, "wsgi" or
    "asgi".
    """

    conn_cnt: int
    depth: int
    request: str
    answer: str = "plain"
    body: str = HELLO
    is_closing: bool = False
    has_log: bool = False
    interface: str = "http"
    is_recorded: bool = False


class Echo(NamedTuple):
    """`conn_cnt` WebSockets, `depth` texts of `payload_sz` bytes in one write, all sent back.

    Each text is sent in `fragment_cnt` frames; with `has_pings` a ping follows each.
    """

    conn_cnt: int
    depth: int
    payload_sz: int
    fragment_cnt: int = 1
    has_pings: bool = False


class FanOut(NamedTuple):
    """`conn_cnt` WebSockets that read, `depth` texts of `payload_sz` bytes to all of them a tick.

    The next tick comes when all have all, or `per_second` times a second if that is not 0. With
    `is_deflated` the clients offer permessage-deflate, and the texts are JSON. If `topic` is not
    empty, all have subscribed to it; a server that knows no topics sends to all. If `behind_every`
    is not 0, every so manieth reads only a little, and of the texts it needs only the last: a
    server that knows `latest` is told so.
    """

    conn_cnt: int
    depth: int
    payload_sz: int
    per_second: int = 0
    is_deflated: bool = False
    topic: str = ""
    behind_every: int = 0
    is_recorded: bool = False

    @property
    def reader_cnt(self) -> int:
        """How many of the WebSockets read all that comes."""
        behind_cnt = len(range(1, self.conn_cnt, self.behind_every)) if self.behind_every else 0
        return self.conn_cnt - behind_cnt


class AtRest(NamedTuple):
    """Bytes of memory for each of `conn_cnt` connections that were used once and are silent."""

    service: str
    conn_cnt: int


class Start(NamedTuple):
    """A process is started and asked one thing; `what` is `time` (of its CPU) or `memory`."""

    what: str


class Growth(NamedTuple):
    """How much more one busy connection costs while `conn_cnt` others are silent, in percent."""

    service: str
    conn_cnt: int


Load = Http | Echo | FanOut | AtRest | Start | Growth


class Row(NamedTuple):
    """A row of the table. `yardstick` is the server whose figure is 1; "" where there is none.

    `without` are servers that do not do what is asked here.
    """

    name: str
    group: str
    words: str
    load: Load
    work_cnt: int
    yardstick: str
    sister_of: str = ""
    without: frozenset[str] = frozenset()


# -- the table -------------------------------------------------------------------------------------

CLOSES_HTTP_10 = frozenset({"uvicorn", "socketify", "granian"})
"""Those that end a connection of HTTP/1.0 that asks for keep-alive."""
PIPELINES_NOT = frozenset({"bjoern"})
"""Those that lose requests behind the first of a read."""
READS_NO_CHUNKS = frozenset({"freastal"})
"""Those whose application finds no body in a request that has it in chunks."""
DIES_OF_HTTP_10 = frozenset({"cymongoose"})
"""Those that end themselves with a connection of HTTP/1.0."""
HOLDS_A_THOUSAND = frozenset({"cymongoose"})
"""Those that reset connections when there are some thousands."""
WAITS_FOR_ALL = frozenset({"c-floor", "py-floor"})
"""Those that wait in a send until the client has taken it."""
NOBODY: frozenset[str] = frozenset()


def http(
    name: str, words: str, load: Http, count: int, main: str = "", without: frozenset[str] = NOBODY
) -> Row:
    """A row of requests, beside uvicorn; `main` is the row whose sister it is."""
    return Row(name, "HTTP", words, load, count, "uvicorn", main, without)


def get_rows(name: str, words: str, load: Http, count: int, without: frozenset[str]) -> list[Row]:
    """A row of GETs, and its sisters: what programs and clients add to them."""
    query = load._replace(request=GET_QUERY, answer="query", body=QUERY_BODY % COUNTER)
    head = load._replace(request=get_of_browser("a" * len(COUNTER)))
    browser = load._replace(request=get_of_browser(COUNTER), answer="browser")
    sisters = {
        "field": ("a header field of the program's", load._replace(answer="field")),
        "cookie": ("a field and a cookie of the program's", load._replace(answer="cookie")),
        "json": ("JSON, made each time", load._replace(answer="json", body=VALUE_BODY)),
        "log": ("the access log on", load._replace(has_log=True)),
        "recorded": ("every turn recorded to a file", load._replace(is_recorded=True)),
        "http10": ("HTTP/1.0 with keep-alive", load._replace(request=GET_10)),
        "query": ("a query that varies", query),
        "head": ("a browser's head", head),
        "browser": ("a browser's head, a cookie that varies, 4 fields, a Set-Cookie", browser),
    }
    rows = [http(name, words, load, count, "", without)]
    for suffix, (more, sister) in sisters.items():
        unable = without | CLOSES_HTTP_10 if suffix == "http10" else without
        rows.append(http(f"{name}-{suffix}", more, sister, count, name, unable))
    return rows


KIB_10 = "0123456789abcdef" * 640
FORM = "name=value&" * 11 + "end=true"
POST = Http(64, 1, post(KIB_10), "echo", KIB_10)
CHUNKED = Http(64, 1, post_in_chunks(KIB_10, 2048), "echo", KIB_10)
SMALL_POST = Http(64, 1, post(FORM), "echo", FORM)
LARGE = Http(2, 1, GET, "large", f"={LARGE_SZ}")
ONCE = Http(16, 1, GET_ONCE, is_closing=True)
ONCE_10 = Http(16, 1, GET_ONCE_10, is_closing=True)

HTTP_ROWS = (
    *get_rows("get", "64 connections, a GET in flight on each", Http(64, 1, GET), 12_000, NOBODY),
    *get_rows("pipe", "16 connections, 16 GETs at once", Http(16, 16, GET), 24_000, PIPELINES_NOT),
    http("post", "64 connections, a POST of 10 KiB, sent back", POST, 6_000),
    http("post-chunked", "in chunks of 2 KiB", CHUNKED, 6_000, "post", READS_NO_CHUNKS),
    http("post-form", "a POST of 128 bytes", SMALL_POST, 8_000, "post"),
    http("large", "2 connections, a GET of 10 MiB from memory", LARGE, 60),
    http("connect", "16 at a time, a connection per GET", ONCE, 5_000),
    http("connect-http10", "HTTP/1.0", ONCE_10, 5_000, "connect", DIES_OF_HTTP_10),
    http("connect-field", "a field", ONCE._replace(answer="field"), 5_000, "connect"),
)


WSGI = Http(64, 1, GET, interface="wsgi")


ASGI = WSGI._replace(interface="asgi")


def interface_rows(load: Http, name: str, words: str, count: int, yardstick: str) -> list[Row]:
    """Requests to an application of WSGI or ASGI, beside a server that is known for it."""
    sisters = {
        "cookie": ("a field and a cookie of the program's", load._replace(answer="cookie")),
        "query": (
            "a query that varies",
            load._replace(request=GET_QUERY, answer="query", body=QUERY_BODY % COUNTER),
        ),
        "browser": (
            "a browser's head, a cookie that varies, 4 fields, a Set-Cookie",
            load._replace(request=get_of_browser(COUNTER), answer="browser"),
        ),
        "post": (
            "a POST of 10 KiB, sent back",
            POST._replace(interface=load.interface),
        ),
    }
    rows = [Row(name, name.upper(), words, load, count, yardstick)]
    for suffix, (more, sister) in sisters.items():
        row = f"{name}-{suffix}"
        rows.append(Row(row, name.upper(), more, sister, count * 3 // 4, yardstick, name))
    return rows


def wsgi_rows() -> list[Row]:
    """Requests to an application of WSGI in four threads, beside waitress."""
    words = "64 connections, a GET in flight on each"
    return interface_rows(WSGI, "wsgi", words, 8_000, "waitress")


def asgi_rows() -> list[Row]:
    """Requests to an application of ASGI in the loop that serves, beside uvicorn."""
    words = "64 connections, a GET in flight on each"
    return interface_rows(ASGI, "asgi", words, 12_000, "uvicorn")


def websocket(name: str, words: str, load: Echo | FanOut, count: int, main: str = "") -> Row:
    """A row of messages, beside websockets."""
    group = "Echo" if isinstance(load, Echo) else "Fan-out"
    return Row(name, group, words, load, count, "websockets", main)


DEEP = Echo(64, 8, 128)
RECORDED = FanOut(100, 16, 128, is_recorded=True)
BEHIND = FanOut(100, 16, 4096, behind_every=10)
MIB = Echo(1, 1, 2**20)
WEBSOCKET_ROWS = (
    websocket("echo", "64 WebSockets, 8 texts of 128 bytes at once", DEEP, 24_000),
    websocket("echo-fragments", "in 2 fragments", DEEP._replace(fragment_cnt=2), 16_000, "echo"),
    websocket("echo-pings", "a ping behind each", DEEP._replace(has_pings=True), 16_000, "echo"),
    websocket("echo-single", "64 WebSockets, one text of 128 bytes", Echo(64, 1, 128), 8_000),
    websocket("mib", "1 WebSocket, a text of 1 MiB", MIB, 60),
    websocket("mib-fragments", "in 16 fragments", MIB._replace(fragment_cnt=16), 60, "mib"),
    websocket("fan-100", "100 WebSockets, 16 texts of 128 bytes", FanOut(100, 16, 128), 160_000),
    websocket("fan-100-topic", "on a topic", FanOut(100, 16, 128, topic="a"), 160_000, "fan-100"),
    websocket("fan-100-recorded", "recorded", RECORDED, 160_000, "fan-100"),
    websocket("fan-100-single", "100 WebSockets, one of 128 bytes", FanOut(100, 1, 128), 40_000),
    websocket("fan-1000", "1,000 WebSockets, 16 of 1 KiB", FanOut(1000, 16, 1024), 320_000),
    websocket("fan-1000-paced", "one of 64 bytes at 200/s", FanOut(1000, 1, 64, 200), 100_000),
    websocket(
        "latest", "100 WebSockets, a tenth behind, 16 states of 4 KiB", BEHIND, 48_000
    )._replace(without=WAITS_FOR_ALL),
    websocket("deflate", "200 x 16 of 4 KiB JSON", FanOut(200, 16, 4096, 0, True), 16_000),
)


def at_rest(name: str, words: str, load: AtRest | Start | Growth, count: int = 1) -> Row:
    """A row of what a server costs when nothing happens."""
    without = NOBODY if isinstance(load, Start) else HOLDS_A_THOUSAND
    return Row(name, "At rest", words, load, count, "", "", without)


REST_ROWS = (
    at_rest("rest-http", "a connection that had a GET", AtRest("http", 10_000)),
    at_rest("rest-websocket", "a WebSocket", AtRest("echo", 10_000)),
    at_rest("start", "from spawn to the first answer", Start("time")),
    at_rest("memory", "resident behind the first answer", Start("memory")),
    at_rest("idle-http", "a GET among 10,000 idle connections", Growth("http", 10_000), 4_000),
    at_rest("idle-websocket", "an echo among 10,000 idle", Growth("echo", 10_000), 4_000),
)
ROWS = (*HTTP_ROWS, *wsgi_rows(), *asgi_rows(), *WEBSOCKET_ROWS, *REST_ROWS)
GROUPS = ("HTTP", "WSGI", "ASGI", "Echo", "Fan-out", "At rest")
UNITS = {
    Http: "us a request",
    Echo: "us a message",
    FanOut: "us a delivery",
    AtRest: "bytes each",
    Growth: "% more",
}
START_UNITS = {"time": "ms", "memory": "MB"}


def unit_of(row: Row) -> str:
    """What the figures of a row are."""
    if isinstance(row.load, Start):
        return START_UNITS[row.load.what]
    return UNITS[type(row.load)]


def service_of(load: Load) -> tuple[str, bool]:
    """(what a server must be able to do, whether it must write an access log)."""
    match load:
        case Http():
            return load.interface, load.has_log
        case FanOut():
            return ("deflate" if load.is_deflated else "ticks"), False
        case AtRest() | Growth():
            return load.service, False
        case _:
            return ("echo" if isinstance(load, Echo) else "http"), False


def is_recorded(load: Load) -> bool:
    """True if every turn is recorded."""
    return isinstance(load, Http | FanOut) and load.is_recorded


def traffic_of(load: Load) -> Http | Echo | FanOut:
    """What is sent to the server: where nearly everybody is silent, by one client."""
    if isinstance(load, Http | Echo | FanOut):
        return load
    service, _ = service_of(load)
    return Http(1, 1, GET) if service == "http" else Echo(1, 1, 128)


def conn_cnt_of(load: Load) -> int:
    """How many connections a server must have room for."""
    return 1 if isinstance(load, Start) else load.conn_cnt


def fitted(row: Row, room: int) -> Row:
    """The row with no more connections than so many."""
    if isinstance(row.load, Start) or row.load.conn_cnt <= room:
        return row
    return row._replace(load=row.load._replace(conn_cnt=room))
