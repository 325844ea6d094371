"""CPU time of TLS: handshakes, bytes, requests and a broadcast, and the memory of an idle
connection, beside uvicorn and nginx.

    .venv/bin/python -m tests.bench.tls_cost

Theory: what a server spends is what its process was on a core for, which the kernel counts in
nanoseconds (/proc/<pid>/schedstat). Clients are the standard library's, and cost the server
nothing; the servers take turns, so that whatever else the machine does concerns all of them.

Rules: one process each, one certificate of ECDSA with 256 bits for all. What is not installed is
left out. It does not know why anything costs what it costs.
"""

import argparse
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.file_cost import cpu_ms
from tests.support.certificates import client_context, write_certificate

SIGIL = """\
import sys
from sigil import Response, make_http_server
from sigil.tls import server_context
large = bytes(int(sys.argv[3]))
def app(request):
    if request.path == "/live":
        return Response.upgrade()
    if request.path == "/publish":
        for _ in range(100):
            server.broadcast(bytes(1000))
    return Response.bytes(large if request.path == "/large" else b"hello")
context = server_context(sys.argv[1], sys.argv[2]) if sys.argv[1] else None
server = make_http_server(app, port=0, ssl_context=context)
server.listen()
print(server.port, flush=True)
server.start()
"""
UVICORN = """\
import socket, sys, uvicorn
large = bytes(int(sys.argv[3]))
async def app(scope, receive, send):
    body = large if scope["path"] == "/large" else b"hello"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
sock = socket.create_server(("127.0.0.1", 0))
print(sock.getsockname()[1], flush=True)
tls = {"ssl_certfile": sys.argv[1], "ssl_keyfile": sys.argv[2]} if sys.argv[1] else {}
config = uvicorn.Config(app, lifespan="off", access_log=False, log_level="error", **tls)
uvicorn.Server(config).run([sock])
"""
NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 2048; }}
http {{ access_log off; client_body_temp_path {folder}/t; proxy_temp_path {folder}/t;
  fastcgi_temp_path {folder}/t; uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  keepalive_requests 1000000;
  server {{ listen 127.0.0.1:{port} ssl; root {folder};
    ssl_certificate {certificate}; ssl_certificate_key {key};
    location = / {{ return 200 hello; }} }} }}
"""
CLOSING = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TRIES = 200
CONNECTIONS = 32
PATIENCE = 60.0


class Server:
    """A server under test: its port and its process, and how it is reached."""

    def __init__(self, port: int, pid: int, context: ssl.SSLContext | None) -> None:
        self.port, self.pid, self._context = port, pid, context

    def dial(self, session: ssl.SSLSession | None = None) -> socket.socket:
        """A connection."""
        sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        if self._context is None:
            return sock
        return self._context.wrap_socket(sock, server_hostname="localhost", session=session)

    def memory_bytes(self) -> int:
        """What it occupies."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * 4_096


@contextmanager
def python_server(source: str, words: tuple[str, ...], is_tls: bool) -> Iterator[Server]:
    """A server in Python."""
    command = (sys.executable, "-c", source, *words)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield Server(port, process.pid, client_context() if is_tls else None)
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def nginx_server(path: str, folder: Path, certificate: str, key: str) -> Iterator[Server]:
    """nginx, with one process."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    conf = folder / "nginx.conf"
    conf.write_text(NGINX.format(folder=folder, port=port, certificate=certificate, key=key))
    process = subprocess.Popen((path, "-e", "stderr", "-p", str(folder), "-c", str(conf)))
    try:
        yield Server(port, process.pid, client_context())
    finally:
        process.terminate()
        process.wait()


# -- what is measured ------------------------------------------------------------------------------


def read_all(sock: socket.socket) -> int:
    """How many bytes come until the end."""
    count = 0
    while data := sock.recv(2**20):
        count += len(data)
    return count


def full_handshakes(server: Server, count: int) -> None:
    """Connections, each with a handshake and a request."""
    for _ in range(count):
        with server.dial() as sock:
            sock.sendall(CLOSING % b"/")
            read_all(sock)


def resumed_handshakes(server: Server, count: int) -> None:
    """Connections that go on with a session, and a request on each."""
    session: ssl.SSLSession | None = None
    for _ in range(count):
        with server.dial(session) as sock:
            sock.sendall(CLOSING % b"/")
            read_all(sock)
            assert isinstance(sock, ssl.SSLSocket)
            assert session is None or sock.session_reused
            session = sock.session


def requests(server: Server, count: int) -> None:
    """Requests on `CONNECTIONS` connections, one in flight on each."""
    with ExitStack() as stack:
        clients = [stack.enter_context(server.dial()) for _ in range(CONNECTIONS)]
        for _ in range(count // CONNECTIONS):
            for sock in clients:
                sock.sendall(GET)
            for sock in clients:
                data = b""
                while not data.endswith(b"hello"):
                    data += sock.recv(65_536)


def large(server: Server, count: int) -> None:
    """So many MiB."""
    with server.dial() as sock:
        sock.sendall(CLOSING % b"/large")
        assert read_all(sock) >= count * 2**20


def broadcast(server: Server, count: int) -> None:
    """A hundred messages of 1,000 bytes to so many WebSockets."""
    with ExitStack() as stack:
        clients = [stack.enter_context(server.dial()) for _ in range(count)]
        for client in clients:
            client.sendall(UPGRADE)
            assert b" 101 " in client.recv(65_536)
        before = cpu_ms(server.pid)
        with server.dial() as asking:
            asking.sendall(CLOSING % b"/publish")
            read_all(asking)
        for client in clients:
            left = 100 * 1_004
            while left:
                left -= len(client.recv(min(left, 65_536)))
        SPENT.append(cpu_ms(server.pid) - before)


SPENT: list[float] = []
"""What the broadcasts themselves have cost, their connections apart."""


def spent_ms(server: Server, load: Callable[[Server, int], None], count: int, rounds: int) -> float:
    """The median of what a load costs."""
    costs = []
    for _ in range(rounds):
        before = cpu_ms(server.pid)
        SPENT.clear()
        load(server, count)
        costs.append(SPENT[0] if SPENT else cpu_ms(server.pid) - before)
    return statistics.median(costs)


def idle_kib(server: Server, count: int) -> float:
    """KiB that an idle connection takes, which has had one request."""
    with ExitStack() as stack:
        for is_counted in (False, True):
            before = server.memory_bytes()
            for _ in range(count):
                sock = stack.enter_context(server.dial())
                sock.sendall(GET)
                sock.recv(65_536)
            if is_counted:
                return (server.memory_bytes() - before) / count / 1_024
    raise AssertionError("the second time is counted")


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each load is repeated")
    parser.add_argument("--mib", type=int, default=50, help="how long a large answer is")
    options = parser.parse_args()
    rounds, length = options.rounds, options.mib * 2**20
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        files = write_certificate(folder)
        names = (str(files.certificate), str(files.key), str(length))
        servers = {
            "sigil": python_server(SIGIL, names, True),
            "uvicorn": python_server(UVICORN, names, True),
            "sigil, plain": python_server(SIGIL, ("", *names[1:]), False),
        }
        path = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
        if path is not None:
            (folder / "large").write_bytes(bytes(length))
            servers["nginx"] = nginx_server(path, folder, *names[:2])
        running = {name: stack.enter_context(server) for name, server in servers.items()}
        for name, server in running.items():
            _wait_for(server)
            full, get = spent_ms(server, full_handshakes, 200, rounds), 0.0
            get = spent_ms(server, requests, 2_000, rounds)
            line = f"{name:14} connection {200e3 / full:7.0f}/s, GET {2_000e3 / get:7.0f}/s"
            if "plain" not in name:
                resumed = spent_ms(server, resumed_handshakes, 200, rounds)
                line += f", resumed {200e3 / resumed:7.0f}/s"
            sent = spent_ms(server, large, options.mib, rounds)
            line += f", large {options.mib * 1e3 / sent:6.0f} MiB/s"
            line += f", idle {idle_kib(server, 300):5.1f} KiB"
            if "sigil" in name:
                line += f", 100 x 100 frames {spent_ms(server, broadcast, 100, rounds):5.0f} ms"
            print(line, flush=True)


def _wait_for(server: Server) -> None:
    """Until it accepts."""
    for attempt in range(TRIES):
        try:
            server.dial().close()
            return
        except OSError:
            if attempt == TRIES - 1:
                raise


if __name__ == "__main__":
    main()
