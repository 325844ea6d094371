"""Files for clients that nobody here has written: curl that goes on where it was, httpx, nginx in
front, and a browser that seeks.
"""

import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from sigil import Request, Response, make_http_server, static_files
from tests.support.browser import browser_at
from tests.support.servers import PATIENCE, in_thread
from tests.tools import need, needs

LENGTH = 1_000_000
NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
  uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://127.0.0.1:{backend}; proxy_http_version 1.1;
  }} }}
}}
"""


def folder_with(folder: Path) -> bytes:
    """What is in `large.bin`, which is made in this folder."""
    data = os.urandom(1_000) * (LENGTH // 1_000)
    (folder / "large.bin").write_bytes(data)
    return data


@needs("curl")
def test_curl_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    data = folder_with(tmp_path)
    part = tmp_path / "part.bin"
    part.write_bytes(data[:400_000])
    with in_thread(make_http_server(static_files(tmp_path), port=0)) as server:
        address = f"http://127.0.0.1:{server.port}/large.bin"
        words = (need("curl"), "-sS", "-C", "-", "-o", str(part), "-w", "%{http_code}", address)
        ended = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
        assert (ended.stdout, part.read_bytes()) == ("206", data)
        words = (need("curl"), "-sS", "-r", "5-9,100-104,-5", address)
        several = subprocess.run(words, capture_output=True, timeout=PATIENCE).stdout
        assert several.count(b"Content-Range: bytes ") == 3
        assert b"\r\n\r\n" + data[100:105] + b"\r\n--" in several


def test_httpx_reads_ranges_and_asks_whether_anything_has_changed(tmp_path: Path) -> None:
    data = folder_with(tmp_path)
    os.utime(tmp_path / "large.bin", (1_000_000_000, 1_000_000_000))
    with in_thread(make_http_server(static_files(tmp_path), port=0)) as server:  # noqa: SIM117
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
            whole = client.get("/large.bin")
            assert whole.content == data
            etag = whole.headers["etag"]
            seen = client.get("/large.bin", headers={"If-None-Match": etag})
            assert (seen.status_code, seen.content) == (304, b"")
            fields = {"Range": "bytes=999990-", "If-Range": etag}
            assert client.get("/large.bin", headers=fields).content == data[-10:]
            beyond = client.get("/large.bin", headers={"Range": "bytes=1000000-"})
            assert beyond.status_code == 416
            assert beyond.headers["content-range"] == f"bytes */{LENGTH}"


@contextmanager
def behind_nginx(folder: Path, backend: int) -> Iterator[int]:
    """The port of an nginx that passes everything on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    conf = folder / "nginx.conf"
    conf.write_text(NGINX.format(folder=folder, port=port, backend=backend))
    words = (need("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(conf))
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None and time.monotonic() < deadline
        yield port
    finally:
        process.terminate()
        process.wait()


@needs("nginx")
def test_nginx_in_front_passes_on_files_and_ranges(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    data = folder_with(site)
    with in_thread(make_http_server(static_files(site), port=0)) as server:  # noqa: SIM117
        with behind_nginx(tmp_path, server.port) as port:
            whole = httpx.get(f"http://127.0.0.1:{port}/large.bin")
            assert whole.content == data
            fields = {"Range": "bytes=500000-"}
            part = httpx.get(f"http://127.0.0.1:{port}/large.bin", headers=fields)
            assert (part.status_code, part.content) == (206, data[500_000:])


RATE, SECONDS = 8_000, 7_200
PAGE = """\
<!doctype html><audio preload="metadata" src="silence.wav"></audio><script>
const audio = document.querySelector("audio")
audio.onloadedmetadata = () => { audio.currentTime = 3600 }
audio.onseeked = () => fetch(`/seeked?${audio.currentTime}`)
</script>
"""


def write_silence(path: Path) -> None:
    """Two hours of silence as a WAV, whose samples take no room on the disk."""
    length = RATE * SECONDS
    chunk = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE, 1, 8)
    riff = struct.pack("<4sI4s", b"RIFF", 36 + length, b"WAVE")
    path.write_bytes(riff + chunk + struct.pack("<4sI", b"data", length))
    os.truncate(path, 44 + length)


@needs("chromium")
def test_a_browser_seeks_in_what_it_has_not_loaded(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    write_silence(site / "silence.wav")
    (site / "index.html").write_text(PAGE)
    files, seeked, starts = static_files(site), list[str](), list[int]()
    has_seeked = threading.Event()

    def handler(request: Request) -> Any:
        if request.path == "/seeked":
            seeked.append(request.query)
            has_seeked.set()
            return Response.text("")
        start = request.headers.get("range", "").removeprefix("bytes=").partition("-")[0]
        starts.append(int(start or 0))
        return files(request)

    with in_thread(make_http_server(handler, port=0)) as server:  # noqa: SIM117
        with browser_at(tmp_path / "profile", f"http://127.0.0.1:{server.port}/"):
            assert has_seeked.wait(3 * PATIENCE), f"it did not seek; it asked for {starts}"
    assert seeked[0] == "3600"
    assert any(start > RATE * 3_000 for start in starts)
