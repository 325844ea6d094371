"""`sigil ws` as it is run, between pipes and in a terminal, against an echo."""

import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from sigil import Callbacks, Conn, HttpServer, Request, Response, make_http_server
from tests.support.command import PATIENCE_SECONDS, command


def echo(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    """What came goes back; some words are orders."""
    if data == "close me":
        server.close(conn, 4000, "as you wish")
    else:
        server.send(conn, data)


def app(request: Request) -> Response:
    """A WebSocket at /echo."""
    return Response.upgrade() if request.path == "/echo" else Response.error(404)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of the echo."""
    served = make_http_server(app, port=0, callbacks=Callbacks(ws_message=echo))
    with served.serve_in_thread():
        yield f"ws://127.0.0.1:{served.port}"


def piped(*words: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    """The command between pipes."""
    return subprocess.run(
        command("ws", *words), input=text, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )


def test_between_pipes_every_line_is_a_message(url: str) -> None:
    done = piped(f"{url}/echo", "--no-proxy", text="one\n/two\nthr\u00e9e")
    assert (done.returncode, done.stdout, done.stderr) == (0, "one\n/two\nthr\u00e9e\n", "")


def test_the_end_is_the_exit_status(url: str) -> None:
    done = piped(f"{url}/echo", "--no-proxy", text="close me\n")
    assert done.returncode == 1
    assert done.stderr == "sigil: closed: 4000 (a code of the program) as you wish\n"
    done = piped(f"{url}/none", "--no-proxy")
    assert done.returncode == 22 and "404" in done.stderr


def test_what_cannot_be_written_is_said_in_a_sentence(url: str) -> None:
    words = command("ws", f"{url}/echo", "--no-proxy")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            words, input=b"one\n", stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE_SECONDS
        )
    sentence = b"sigil: error: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (23, sentence)


def test_what_the_output_does_not_have_is_escaped(url: str) -> None:
    done = subprocess.run(
        command("ws", f"{url}/echo", "--no-proxy"), input="thr\u00e9e\n".encode(),
        capture_output=True, timeout=PATIENCE_SECONDS,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"thr\\xe9e\n", b"")


def test_in_a_terminal_there_are_commands_and_ctrl_c_closes(url: str) -> None:
    primary, secondary = pty.openpty()
    words = command("ws", f"{url}/echo", "--no-proxy")
    process = subprocess.Popen(
        words, stdin=secondary, stdout=secondary, stderr=secondary, start_new_session=True
    )
    os.close(secondary)
    shown = b""

    def until(text: bytes) -> None:
        nonlocal shown
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in shown:
            assert time.monotonic() < deadline, shown
            shown += os.read(primary, 65_536)

    try:
        until(b"* connected to ")
        os.write(primary, b"hello\n")
        until(b"< hello")
        os.write(primary, b"/ping abc\n/binary 00 ff\n/what\n")
        until(b"* pong abc: ")
        until(b"< (2 bytes) 00 ff")
        until(b"* there is no /what")
        process.send_signal(signal.SIGINT)
        until(b"* closed: 1000 (normal closure)")
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        os.close(primary)
