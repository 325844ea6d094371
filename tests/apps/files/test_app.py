"""The program of `sigil files`: the folder, the page beside it, and figures once a second."""

import json
from pathlib import Path

from sigil import make_http_server, static_files
from sigil.apps.files.app import INTERVAL_SECONDS, FolderSite, drive, figures_of
from sigil.testing import Client
from tests.support.servers import Raw, pump, ticking

STREAM = b"GET /-/figures HTTP/1.1\r\nHost: a\r\n\r\n"


def test_everything_is_a_file_but_the_page(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "-").mkdir()
    (tmp_path / "-" / "x.txt").write_text("not served")
    site = FolderSite(static_files(tmp_path, listing=True))
    with Client(site.handle) as client:
        assert client.get("/a.txt").text == "hello"
        page = client.get("/-/")
        assert "script-src 'self' 'sha256-" in page.headers["content-security-policy"]
        assert "EventSource" in page.text
        assert client.get("/-/x.txt").status == 404
        assert client.get("/-").status == 301


def test_figures_are_published_once_a_second_and_only_to_somebody(tmp_path: Path) -> None:
    now = [10.0]
    site = FolderSite(static_files(tmp_path), lambda: now[0])
    with ticking(site.handle) as server, Raw(server) as client:
        site.run_due(server)
        assert site.seconds_until_due(server) is None
        client.send(STREAM)
        pump(server, lambda: server.subscriber_count("figures") == 1, client)
        assert site.seconds_until_due(server) == 0.0
        site.run_due(server)
        site.run_due(server)
        pump(server, lambda: b"data: " in client.received, client)
        assert client.received.count(b"data: ") == 1
        assert site.seconds_until_due(server) == INTERVAL_SECONDS
        now[0] += INTERVAL_SECONDS
        site.run_due(server)
        pump(server, lambda: client.received.count(b"data: ") == 2, client)
        figures = json.loads(figures_of(server))
        assert figures["requests"] == 1 and figures["clients"] == 1
        assert figures["bytes_out"] > 0


def test_the_loop_ends_with_the_server(tmp_path: Path) -> None:
    server = make_http_server(static_files(tmp_path), port=0)
    server.listen()
    server.stop()
    drive(server, FolderSite(static_files(tmp_path)))
    assert not server.running
