"""Whoever has a recording that was redacted does not find the secret, wherever it was."""

import json
import socket
from pathlib import Path

import pytest
from mcap.reader import make_reader
from zstandard import ZstdDecompressor

from sigil import Callbacks, Conn, HttpServer, Request, Response, make_http_server
from sigil.core.websocket.frames import Opcode, encode_masked
from sigil.shell.recording.reader import read_recording
from tests.support.replaying import replayed

MARKER = b"s3cr3t-marker"
TEXT = MARKER.decode()
KEY = b"\x10\x20\x99\xff"
ALL = ["authorization", "proxy-authorization", "cookie", "body", "messages"]
FIELDS = b"Host: a\r\nAuthorization: Basic %b\r\nProxy-Authorization: %b\r\nCookie: a=%b; b=c\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Cookie: id=%b\r\n\r\n" % MARKER
)


def app(request: Request) -> Response:
    """Gives every secret back."""
    if request.path == "/ws":
        return Response.upgrade()
    if request.path == "/raise":
        raise ValueError(TEXT)
    if request.path == "/stream":
        return Response.stream(iter([MARKER[:5], MARKER[5:]]))
    return Response.bytes(request.body or MARKER, headers=(("Set-Cookie", f"id={TEXT}"),))


def on_message(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    """Sends a message back, and to everybody, and keeps it."""
    server.send(conn, data)
    server.broadcast(data, topic="t", retain=True)


def in_pieces(sock: socket.socket, data: bytes, size: int = 7) -> None:
    """Send in pieces that cut every secret."""
    for start in range(0, len(data), size):
        sock.sendall(data[start : start + size])


def receive_until(sock: socket.socket, end: bytes) -> bytes:
    """What comes, up to this."""
    data = b""
    while end not in data:
        more = sock.recv(65_536)
        assert more, data
        data += more
    return data


def connected(server: HttpServer) -> socket.socket:
    """A connection."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def talk(server: HttpServer) -> None:
    """Say the secret in every place that there is."""
    with connected(server) as sock:
        fields = (
            b"Host: a\r\nAuthorization: Basic %b\r\nProxy-Authorization: %b\r\nCookie: a=%b\r\n"
        )
        head = fields % (MARKER, MARKER, MARKER)
        in_pieces(sock, b"POST /a HTTP/1.1\r\n%bContent-Length: 13\r\n\r\n%b" % (head, MARKER))
        receive_until(sock, MARKER + b"\r\n")
        chunk = b"d\r\n%b\r\n" % MARKER
        chunked = b"POST /b HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n" % head
        in_pieces(sock, chunked + chunk * 3 + b"0\r\n\r\n")
        receive_until(sock, MARKER * 3)
        in_pieces(sock, b"GET /stream HTTP/1.1\r\n%b\r\n" % head)
        receive_until(sock, b"0\r\n\r\n")
        in_pieces(sock, b"GET /raise HTTP/1.1\r\n%b\r\n" % head)
        receive_until(sock, b"500 ")
    with connected(server) as sock:
        in_pieces(sock, UPGRADE)
        receive_until(sock, b"\r\n\r\n")
        half = len(MARKER) // 2
        first = encode_masked(Opcode.TEXT, MARKER[:half], KEY, fin=False)
        in_pieces(sock, first + encode_masked(0, MARKER[half:], KEY))
        receive_until(sock, MARKER)
        in_pieces(sock, encode_masked(Opcode.BINARY, MARKER * 30, KEY))
        receive_until(sock, MARKER * 30)
        in_pieces(sock, encode_masked(Opcode.PING, MARKER, KEY))
        receive_until(sock, MARKER)
        in_pieces(sock, encode_masked(Opcode.CLOSE, b"\x03\xe8" + MARKER, KEY))


def readable(path: Path) -> bytes:
    """Everything in a file, decompressed."""
    with path.open("rb") as file:
        reader = make_reader(file)
        found = [message.data for _, _, message in reader.iter_messages()]
        attachments = list(reader.iter_attachments())
        found += [ZstdDecompressor().decompress(item.data) for item in attachments]
        found += [json.dumps(item.metadata).encode() for item in reader.iter_metadata()]
    return path.read_bytes() + b"\n".join(found)


def with_keys(data: bytes) -> list[bytes]:
    """The secret as it is, and as it lies in a frame."""
    masked = [encode_masked(Opcode.TEXT, data, KEY)[6:]]
    return [data, data[2:9], *masked, *[piece[4:12] for piece in masked]]


@pytest.fixture(scope="module", name="recorded")
def record_everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Recordings of the same: not redacted, redacted, and redacted from the middle on."""
    folder = tmp_path_factory.mktemp("redacted")
    paths = folder / "open.mcap", folder / "redacted.mcap", folder / "middle.mcap"
    server = make_http_server(app, port=0, callbacks=Callbacks(ws_message=on_message))
    with (
        server.serve_in_thread(),
        server.recording(paths[0]),
        server.recording(paths[1], redact=ALL),
    ):
        talk(server)
        with connected(server) as head, connected(server) as body, connected(server) as ws:
            head.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=%b" % MARKER)
            body.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 26\r\n\r\n" + MARKER)
            ws.sendall(UPGRADE)
            receive_until(ws, b"\r\n\r\n")
            frame = encode_masked(Opcode.TEXT, MARKER, KEY)
            ws.sendall(frame + frame[:12])
            receive_until(ws, MARKER)
            with server.recording(paths[2], redact=ALL):
                head.sendall(b"%b\r\n\r\n" % MARKER)
                receive_until(head, MARKER)
                body.sendall(MARKER)
                receive_until(body, MARKER * 2)
                ws.sendall(frame[12:])
                receive_until(ws, MARKER)
    return paths


def test_the_secret_is_in_a_recording_that_is_not_redacted(
    recorded: tuple[Path, Path, Path],
) -> None:
    assert all(piece in readable(recorded[0]) for piece in with_keys(MARKER)[:2])


@pytest.mark.parametrize("which", [1, 2], ids=["from the beginning", "from the middle"])
def test_the_secret_is_nowhere_in_one_that_is(
    recorded: tuple[Path, Path, Path], which: int
) -> None:
    data = readable(recorded[which])
    assert [piece for piece in with_keys(MARKER) if piece in data] == []


@pytest.mark.parametrize("which", [1, 2], ids=["from the beginning", "from the middle"])
def test_one_that_is_redacted_replays(recorded: tuple[Path, Path, Path], which: int) -> None:
    parts = read_recording(recorded[which])
    assert parts.about.redaction == tuple(ALL)
    replayed(parts)


def test_a_field_that_is_needed_is_refused_at_the_call(tmp_path: Path) -> None:
    server = make_http_server(app, port=0)
    with (
        pytest.raises(ValueError, match="the field host cannot be redacted"),
        server.recording(tmp_path / "a.mcap", redact=["host"]),
    ):
        raise AssertionError("it was not refused")
    assert not (tmp_path / "a.mcap").exists()
