"""What users of libwebsockets look for, and what is no method of a server."""

import logging
import re
import socket
import sys
from collections.abc import Iterator

import pytest

import sigil
from sigil import Callbacks, Conn, HttpServer, Request, Response, SendStatus, lws
from sigil.testing import Client
from tests.support.websocket_client import upgrade


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    logger = logging.getLogger("sigil")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


def test_the_numbers_are_those_of_libwebsockets() -> None:
    assert [level.value for level in lws.LogLevel] == [1 << bit for bit in range(10)]
    assert [kind.value for kind in lws.WriteKind] == [0, 1, 5]
    reasons = [reason.value for reason in lws.TimeoutReason]
    assert reasons == [*range(15), 1_000]


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        (lws.DEFAULT_LEVELS, ["ERR e", "WARN w", "NOTICE n"]),
        (lws.LogLevel.ERR, ["ERR e"]),
        (lws.LogLevel.INFO | lws.LogLevel.ERR, ["ERR e", "INFO i"]),
        (lws.LogLevel.DEBUG, ["DEBUG d"]),
        (lws.LogLevel.CLIENT, ["CLIENT c"]),
        (0, []),
    ],
)
def test_levels_are_those_of_logging(levels: lws.LogLevel, told: list[str]) -> None:
    lines: list[str] = []
    lws.set_log_level(lws.LogLevel(1023))
    lws.set_log_level(levels, lambda level, line: lines.append(f"{level.name} {line}"))
    logging.getLogger("sigil.error").error("e")
    logging.getLogger("sigil.server").warning("w")
    logging.getLogger("sigil.server").info("n")
    logging.getLogger("sigil.access").info("i")
    logging.getLogger("sigil.server").debug("d")
    logging.getLogger("sigil.client").debug("c")
    assert lines == told


def test_lines_go_to_standard_error_with_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    lws.set_log_level()
    logging.getLogger("sigil.server").warning("three %d", 3)
    written = capsys.readouterr().err
    assert re.fullmatch(r"\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d:\d{4}\] WARN: three 3\n", written)
    assert sys.stderr is not None


def test_a_timestamp_has_tenths_of_milliseconds() -> None:
    assert lws.timestamp(lws.LogLevel.ERR, 12.0625).endswith(":12:0625] ERR: ")
    assert re.match(r"\[\d{4}/", lws.timestamp(lws.LogLevel.ERR))


def test_a_page_for_a_status_is_small_and_escaped() -> None:
    page = lws.return_http_status(404, "<b>no & never</b>")
    assert (page.status, dict(page.headers)["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert isinstance(page.body, bytes)
    assert page.body.endswith(b"<h1>404</h1>&lt;b&gt;no &amp; never&lt;/b&gt;")
    assert lws.return_http_status(500).body == b""
    with pytest.raises(ValueError, match="1024 bytes at most"):
        lws.return_http_status(404, "<" * 300)
    with pytest.raises(ValueError):
        lws.return_http_status(99, "x")


def test_names_of_the_version_and_of_the_machine() -> None:
    assert lws.library_version() == f"sigil {sigil.__version__}"
    assert lws.canonical_hostname() == socket.gethostname()


def test_write_sends_what_its_kind_says() -> None:
    said: list[SendStatus] = []

    def answer(server: HttpServer, conn: Conn, data: str | bytes) -> None:
        said.append(lws.write(server, conn, b"text", lws.WriteKind.TEXT))
        said.append(lws.write(server, conn, "words", lws.WriteKind.TEXT))
        said.append(lws.write(server, conn, "bytes", lws.WriteKind.BINARY))
        said.append(lws.write(server, conn, b"ping", lws.WriteKind.PING))

    client = Client(upgrade, callbacks=Callbacks(ws_message=answer))
    websocket = client.websocket("/")
    websocket.send("go")
    assert [websocket.receive() for _ in range(3)] == ["text", "words", b"bytes"]
    client.run_until_idle()
    assert websocket.pings == [b"ping"] and said == [SendStatus.SUCCESS] * 4
    handle = websocket.handle
    assert handle is not None
    with pytest.raises(ValueError):
        lws.write(client.server, handle, b"", 8)  # type: ignore[arg-type]
    with pytest.raises(UnicodeDecodeError):
        lws.write(client.server, handle, b"\xff", lws.WriteKind.TEXT)


def test_a_page_is_a_response_like_others() -> None:
    def app(request: Request) -> Response:
        return lws.return_http_status(418, "short")

    assert "short" in Client(app).get("/").text
