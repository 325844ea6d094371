"""Applications of WSGI behind a real server, asked over real sockets.

Theory: one server is shared by all tests that need no other; the application of each test is the
one that `Switch` holds. Whatever an application does is watched by `wsgiref.validate`, unless it is
what a test is about.

Rules: what is waited for is an event, with `PATIENCE`. It does not know how a request gets to a
thread.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.validate import validator

import httpx
import pytest

from sigil import HttpServer, Limits, Request, Response, Routes, chain, make_http_server
from sigil.web import trusted_proxies
from sigil.wsgi import handler
from tests.support.servers import PATIENCE

App = Callable[[dict[str, Any], Callable[..., Any]], Any]
TEXT = ("Content-Type", "text/plain")


class Switch:
    """An application that is whatever it was told to be."""

    def __init__(self) -> None:
        self.app: App = hello

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return self.app(environ, start_response)


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The simplest of applications."""
    start_response("200 OK", [TEXT])
    return [b"hello"]


class Served:
    """A server, the application behind it, and a client."""

    def __init__(self, server: HttpServer, switch: Switch) -> None:
        self.server, self.switch = server, switch
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=PATIENCE)

    def serve(self, app: App, is_valid: bool = True) -> httpx.Client:
        """The client, with this application to be asked."""
        self.switch.app = validator(app) if is_valid else app
        return self.client

    def connect(self, text: bytes) -> socket.socket:
        """A connection on which this was sent."""
        sock = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE)
        sock.sendall(text)
        return sock


def read_all(sock: socket.socket) -> bytes:
    """All that comes on a connection, which is closed then."""
    with sock:
        return b"".join(iter(lambda: sock.recv(65_536), b""))


LIMITS = Limits(half_closed_timeout=PATIENCE)


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    switch = Switch()
    server = make_http_server(handler(switch, 4, max_whole_len=1_000), port=0, limits=LIMITS)
    with server.serve_in_thread():
        served = Served(server, switch)
        yield served
        served.client.close()


# -- requests --------------------------------------------------------------------------------------


def test_an_application_that_is_watched_by_the_validator(shared: Served) -> None:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.update(environ)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", [TEXT, ("Content-Length", str(len(body)))])
        return [body]

    answer = shared.serve(app).post("/a%20b?x=1", content=b"body", headers={"X-A": "1"})
    assert (answer.status_code, answer.text) == (200, "body")
    assert answer.headers["content-length"] == "4"
    assert (seen["PATH_INFO"], seen["QUERY_STRING"], seen["HTTP_X_A"]) == ("/a b", "x=1", "1")
    assert (seen["wsgi.multithread"], seen["wsgi.multiprocess"]) == (True, False)
    assert seen["SERVER_SOFTWARE"].startswith("sigil/")
    assert isinstance(seen["sigil.request"], Request)


def read_to_the_end(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """An application that counts what it reads, line by line, and names the length it was told."""
    count = sum(len(line) for line in environ["wsgi.input"])
    start_response("200 OK", [TEXT])
    return [f"{count} {environ.get('CONTENT_LENGTH')} {environ['wsgi.input_terminated']}".encode()]


@pytest.mark.parametrize(
    ("piece_len", "count", "is_chunked", "told"),
    [
        (0, 0, False, "0 0 True"),
        (10, 1, False, "10 10 True"),
        (1_000, 1, False, "1000 1000 True"),
        (1_001, 1, False, "1001 1001 True"),
        (100_000, 30, False, "3000000 3000000 True"),
        (10, 3, True, "30 30 True"),
        (100_000, 30, True, "3000000 None True"),
    ],
)
def test_bodies_short_and_long(
    shared: Served, piece_len: int, count: int, is_chunked: bool, told: str
) -> None:
    client, piece = shared.serve(read_to_the_end), b"x" * (piece_len - 1) + b"\n" * bool(piece_len)
    content: Any = (piece for _ in range(count)) if is_chunked else piece * count
    assert client.post("/", content=content).text == told


def test_an_application_that_leaves_its_body_unread(shared: Served) -> None:
    client = shared.serve(hello)
    for body in (b"short", b"x" * 3_000_000):
        assert client.post("/", content=body).text == "hello"
    assert client.get("/").text == "hello"


def test_a_client_that_leaves_in_the_middle_of_its_body(shared: Served) -> None:
    errors: list[BaseException] = []
    begun, done = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        try:
            environ["wsgi.input"].read(1)
            begun.set()
            environ["wsgi.input"].read()
        except OSError as error:
            errors.append(error)
            raise
        finally:
            done.set()
        return hello(environ, start_response)

    shared.serve(app, is_valid=False)
    sock = shared.connect(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nabc")
    assert begun.wait(PATIENCE)
    sock.close()
    assert done.wait(PATIENCE)
    assert isinstance(errors[0], ConnectionAbortedError)


EXPECTS = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n"
EXPECTS += b"Connection: close\r\n\r\n"


def test_a_client_that_waits_is_told_to_go_on_when_its_body_is_read(shared: Served) -> None:
    shared.serve(read_to_the_end)
    sock = shared.connect(EXPECTS)
    assert sock.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    sock.sendall(b"x" * 5_000)
    assert b"5000 5000 True" in read_all(sock)


def test_a_client_that_waits_and_whose_body_is_not_read_sends_none(shared: Served) -> None:
    def refusing(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("413 Content Too Large", [TEXT])
        return [b"no"]

    shared.serve(refusing)
    sock = shared.connect(EXPECTS)
    assert read_all(sock).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_leaves_while_its_application_works(
    shared: Served, caplog: pytest.LogCaptureFixture
) -> None:
    begun, release, closed = (threading.Event() for _ in range(3))

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a", b"b"])

        def close(self) -> None:
            closed.set()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Body:
        begun.set()
        release.wait(PATIENCE)
        start_response("200 OK", [TEXT])
        return Body()

    shared.serve(app, is_valid=False)
    sock = shared.connect(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert begun.wait(PATIENCE)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()  # a reset: the server knows at once
    assert shared.serve(hello).get("/").text == "hello"
    release.set()
    assert closed.wait(PATIENCE)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_pipelined_requests_are_answered_in_order(shared: Served) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [TEXT])
        return [environ["PATH_INFO"].encode()]

    shared.serve(app)
    requests = [b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(20)]
    sock = shared.connect(b"".join(requests) + b"GET /last HTTP/1.0\r\n\r\n")
    answered = read_all(sock)
    order = [answered.find(b"\r\n/%d" % number) for number in range(20)]
    assert order == sorted(order) and -1 not in order
    assert answered.endswith(b"/last")


# -- responses -------------------------------------------------------------------------------------


def test_a_generator_is_streamed_as_it_goes(shared: Served) -> None:
    is_read = threading.Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [TEXT])
        yield b"first"
        assert is_read.wait(PATIENCE)
        yield b"second"

    with shared.serve(app).stream("GET", "/") as answer:
        pieces = answer.iter_bytes()
        assert next(pieces) == b"first"
        is_read.set()
        assert b"".join(pieces) == b"second"


def test_a_client_that_does_not_read_holds_its_application_up(shared: Served) -> None:
    made: list[int] = []
    closed = threading.Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [TEXT])
        try:
            while True:
                made.append(65_536)
                yield b"x" * 65_536
        finally:
            closed.set()

    shared.serve(app, is_valid=False)
    sock = shared.connect(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert sock.recv(1) == b"H"
    shared.switch.app = hello
    assert shared.client.get("/").text == "hello"
    sock.close()  # with bytes unread: that is a reset
    assert closed.wait(PATIENCE)
    assert sum(made) < 64 * 2**20


def test_a_file_is_sent(shared: Served, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 8_192)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [TEXT, ("Content-Length", str(256 * 8_192))])
        return environ["wsgi.file_wrapper"](path.open("rb"), 8_192)

    assert shared.serve(app).get("/").content == path.read_bytes()


def test_a_head_and_statuses_without_a_body(shared: Served) -> None:
    assert shared.serve(hello, is_valid=False).head("/").headers["content-length"] == "5"

    def empty(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("304 Not Modified", [("ETag", '"a"')])
        return []

    answer = shared.serve(empty).get("/")
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"a"')
    assert "content-type" not in answer.headers


# -- what goes wrong -------------------------------------------------------------------------------


def failing_at_once(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    raise KeyError("at once")


def failing_behind_the_start(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> list[bytes]:
    start_response("200 OK", [TEXT])
    raise KeyError("behind the start")


def exiting(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    raise SystemExit("exiting")


def without_start(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    return [b"a"]


def with_too_much(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [TEXT, ("Content-Length", "2")])
    return [b"abc"]


def with_a_wrong_header(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Connection", "close")])
    return [b"abc"]


@pytest.mark.parametrize(
    ("app", "words"),
    [
        (failing_at_once, "KeyError: 'at once'"),
        (failing_behind_the_start, "KeyError: 'behind the start'"),
        (exiting, "SystemExit: exiting"),
        (without_start, "has not called start_response"),
        (with_too_much, "declares a Content-Length of 2 and sends a body of 3 bytes"),
        (with_a_wrong_header, "the header 'Connection' is the server's"),
    ],
)
def test_what_goes_wrong_before_the_response_is_a_500(
    shared: Served, app: App, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = shared.serve(app, is_valid=False).get("/wrong")
    assert (answer.status_code, answer.text) == (500, "500 Internal Server Error\n")
    assert "GET /wrong" in caplog.text
    assert "Traceback" in caplog.text
    assert words in caplog.text
    assert shared.serve(hello).get("/").text == "hello"


def failing_late(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [TEXT])
    yield b"a"
    raise KeyError("late")


def too_short(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [TEXT, ("Content-Length", "9")])
    yield b"a"


def too_long(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [TEXT, ("Content-Length", "3")])
    yield b"ab"
    yield b"cd"


@pytest.mark.parametrize(
    ("app", "words"),
    [
        (failing_late, "KeyError: 'late'"),
        (too_short, "ended 8 bytes short of the Content-Length"),
        (too_long, "sends more bytes than its Content-Length"),
    ],
)
def test_what_goes_wrong_behind_it_breaks_the_body_off(
    shared: Served, app: App, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        shared.serve(app, is_valid=False).get("/")
    assert words in caplog.text
    assert shared.serve(hello).get("/").text == "hello"


def test_what_is_written_to_errors_is_logged(
    shared: Served, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        print("a line", file=environ["wsgi.errors"])
        environ["wsgi.errors"].write("and no end")
        return hello(environ, start_response)

    shared.serve(app).get("/")
    shared.serve(hello).get("/")
    assert {"a line", "and no end"} <= {record.getMessage() for record in caplog.records}


# -- many ------------------------------------------------------------------------------------------


def test_four_are_answered_at_once_and_the_loop_serves_meanwhile() -> None:
    meeting = threading.Barrier(4)

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        meeting.wait(PATIENCE)
        return hello(environ, start_response)

    routes = Routes()
    routes.add("/fast", lambda request: Response.text("fast"), method="GET")
    routes.mount("/slow", handler(slow, 4))
    server = make_http_server(routes, port=0, limits=LIMITS)
    with server.serve_in_thread():
        served = Served(server, Switch())
        socks = [served.connect(b"GET /slow/ HTTP/1.0\r\n\r\n") for _ in range(3)]
        assert served.client.get("/fast").text == "fast"
        socks.append(served.connect(b"GET /slow/ HTTP/1.0\r\n\r\n"))
        assert [read_all(sock)[-5:] for sock in socks] == [b"hello"] * 4
        served.client.close()


def test_those_that_there_is_no_thread_for_get_a_503_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, release = threading.Semaphore(0), threading.Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        begun.release()
        release.wait(PATIENCE)
        return hello(environ, start_response)

    routes, busy = Routes(), handler(app, 1, max_waiting=1)
    routes.add("/waiting", lambda request: Response.json(busy.waiting), method="GET")
    routes.mount("/", busy)
    server = make_http_server(routes, port=0, limits=LIMITS)
    with server.serve_in_thread():
        served = Served(server, Switch())
        first = served.connect(b"GET / HTTP/1.0\r\n\r\n")
        assert begun.acquire(timeout=PATIENCE)
        second = served.connect(b"GET / HTTP/1.0\r\n\r\n")
        while served.client.get("/waiting").json() == 0:
            pass
        refused = [served.client.get("/") for _ in range(2)]
        assert [answer.status_code for answer in refused] == [503, 503]
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].text == (
            "503 Service Unavailable: all threads of the application are busy\n"
        )
        release.set()
        assert [read_all(sock)[-5:] for sock in (first, second)] == [b"hello"] * 2
        assert served.client.get("/").text == "hello"
        served.client.close()
    assert caplog.text.count("1 requests wait for a thread of the application") == 1


# -- where it is -----------------------------------------------------------------------------------


def places(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """An application that says where it is, and who asks."""
    start_response("200 OK", [TEXT])
    names = ("wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO", "REMOTE_ADDR")
    return [" ".join(environ[name] for name in names).encode()]


def test_behind_routes_and_a_proxy_that_is_trusted() -> None:
    routes = Routes()
    routes.mount("/in", handler(places, script_name="/out"))
    app = chain(routes, trusted_proxies("127.0.0.0/8", host=True))
    server = make_http_server(app, port=0)
    with server.serve_in_thread():
        served = Served(server, Switch())
        fields = {
            "X-Forwarded-For": "192.0.2.9",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "shop.example",
        }
        text = served.client.get("/in/a/b", headers=fields).text
        assert text == "https shop.example /out/in /a/b 192.0.2.9"
        served.client.close()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"app": 1}, TypeError, "an application is called, and int cannot be"),
        ({"threads": 0}, ValueError, "threads is a whole number from 1, not 0"),
        ({"threads": "4"}, ValueError, "threads is a whole number"),
        ({"max_waiting": 0}, ValueError, "max_waiting is a whole number from 1"),
        ({"max_whole_len": -1}, ValueError, "max_whole_len is a whole number from 0"),
        ({"script_name": "app"}, ValueError, "script_name is '' or a path"),
    ],
)
def test_arguments_that_make_no_sense(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        handler(**({"app": hello} | arguments))


def test_the_threads_end_when_the_handler_is_closed() -> None:
    threads: list[threading.Thread] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        threads.append(threading.current_thread())
        return hello(environ, start_response)

    closing = handler(app, 2)
    server = make_http_server(closing, port=0)
    with server.serve_in_thread():
        served = Served(server, Switch())
        for _ in range(2):
            assert served.client.get("/").text == "hello"
            ended = threading.Event()
            closing.close().when_resolved(lambda _, ended=ended: ended.set())
            assert ended.wait(PATIENCE)
            assert not any(thread.is_alive() for thread in threads)
        served.client.close()
