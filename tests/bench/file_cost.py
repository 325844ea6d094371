"""CPU time of a large file: sigil with its defaults and with other limits, beside nginx.

    .venv/bin/python -m tests.bench.file_cost --rounds 15

Theory: what a server spends on a file is what its process was on a core for, which the kernel
counts in nanoseconds (/proc/<pid>/schedstat). The file is in memory, the client reads as fast as it
can, and the servers take turns, so that whatever else the machine does concerns all of them.

Rules: nginx has one worker and sendfile on. Where it is not installed sigil is measured alone. It
does not know why anything costs what it costs.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

REQUEST = b"GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
SERVER = """\
import sys
from sigil import Limits, make_http_server, static_files
limits = Limits(max_unsent_response_len=int(sys.argv[2]), max_file_send_len=int(sys.argv[3]))
server = make_http_server(static_files(sys.argv[1]), port=0, limits=limits)
server.listen()
print(server.port, flush=True)
server.start()
"""
NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 64; }}
http {{ access_log off; sendfile on; client_body_temp_path {folder}/t; proxy_temp_path {folder}/t;
  fastcgi_temp_path {folder}/t; uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  server {{ listen 127.0.0.1:{port}; root {folder}; }} }}
"""
KINDS = {
    "sigil": (2**22, 2**22),
    "sigil, 64 KiB unsent": (65_536, 2**22),
    "sigil, 1 MiB at once": (2**22, 2**20),
}
"""`max_unsent_response_len` and `max_file_send_len` of each sigil."""


def cpu_ms(pid: int) -> float:
    """Milliseconds that a process was on a core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def fetch(port: int, length: int) -> None:
    """Read the file once."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(REQUEST)
        buffer, count = bytearray(2**20), 0
        while received := client.recv_into(buffer):
            count += received
    assert count >= length, f"{count} bytes came of {length}"


@contextmanager
def sigil_server(folder: str, kind: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The port and the process of a sigil."""
    words = (sys.executable, "-c", SERVER, folder, *map(str, kind))
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def nginx_server(path: str, folder: str) -> Iterator[tuple[int, int]]:
    """The port and the process of an nginx."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    conf = Path(folder) / "nginx.conf"
    conf.write_text(NGINX.format(folder=folder, port=port))
    words = (path, "-e", "stderr", "-p", folder, "-c", str(conf))
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10.0
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None and time.monotonic() < deadline
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Measure, and print a line for each server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="how often each sends the file")
    parser.add_argument("--mib", type=int, default=100, help="how long the file is")
    options = parser.parse_args()
    length, path = options.mib * 2**20, shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        os.chmod(folder, 0o755)
        with open(f"{folder}/large.bin", "wb") as file:
            for _ in range(options.mib):
                file.write(os.urandom(2**20))
        servers = {name: sigil_server(folder, kind) for name, kind in KINDS.items()}
        if path is not None:
            servers["nginx"] = nginx_server(path, folder)
        running = {name: stack.enter_context(server) for name, server in servers.items()}
        costs: dict[str, list[float]] = {name: [] for name in running}
        for _ in range(options.rounds):
            for name, (port, pid) in running.items():
                before = cpu_ms(pid)
                fetch(port, length)
                costs[name].append(cpu_ms(pid) - before)
        for name, values in costs.items():
            print(f"{name:20} median {statistics.median(values):6.1f} ms, least {min(values):6.1f}")


if __name__ == "__main__":
    main()
