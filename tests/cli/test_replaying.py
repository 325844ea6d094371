"""`sigil world` as it is run: it prints what happened, or serves the page of it."""

import json
from http.client import HTTPConnection
from pathlib import Path

from sigil import Request, Response, make_http_server
from tests.support.command import PATIENCE_SECONDS, run, running


def test_a_world_is_run_and_what_happened_is_printed() -> None:
    ended = run("world", "--seed", "2")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("seed 2, turns ") and ", evicted " in ended.out
    assert ended.out.count("\n") == 1


def test_where_to_serve_means_nothing_without_serving() -> None:
    ended = run("world", "--port", "0")
    assert ended.status == 2
    assert ended.err == "sigil: error: --port needs --serve: nothing is served without it\n"
    assert run("world", "--seed", "-1").status == 2
    assert run("world", "--network", "moon").status == 2


def test_the_page_of_a_world_is_served() -> None:
    words = ("world", "--serve", "--network", "unreliable", "--seed", "4", "--no-access-log")
    with running(*words) as server:
        status, page = server.get("/")
        assert status == 200 and "<title>sigil replay</title>" in page
        status, about = server.get("/about.json")
        assert status == 200 and json.loads(about)["title"] == "World 4"
        status, turn = server.get("/turn.json?turn=3&seed=7")
        assert status == 200 and json.loads(turn)["turn"] == 3
        status, sentence = server.get("/about.json?seed=x")
        assert status == 400 and "seed is a number from 0" in sentence
        ended = server.end()
    assert ended.status == 0
    assert "open it in a browser; Ctrl-C stops it\n" in ended.out


def test_a_program_of_ones_own_is_run(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from sigil import Response, make_http_server\n"
        "server = make_http_server(lambda request: Response.text(request.path))\n"
        "app = lambda request: Response.text('hello')\n"
    )
    for name in ("shop:server", "shop:app"):
        ended = run("world", "--app", name, "--clients", "3", "--seed", "5", folder=tmp_path)
        assert ended.status == 0 and "seed 5, digest " in ended.out, ended
    words = ("world", "--app", "shop:app", "--clients", "3", "--serve")
    with running(*words, folder=tmp_path) as page:
        about = json.loads(page.get("/about.json?seed=6")[1])
    assert (about["title"], about["networks"]) == ("Your program, seed 6", ["app"])
    ended = run("world", "--app", "shop:app", "--network", "market", folder=tmp_path)
    assert ended.status == 2 and "--app and --network cannot be given together" in ended.err


def test_the_page_of_a_recording_is_served(tmp_path: Path) -> None:
    def app(request: Request) -> Response:
        return Response.text(request.path)

    server = make_http_server(app, port=0)
    with server.recording(tmp_path / "run.mcap"), server.serve_in_thread():
        client = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
        for path in ("/a", "/b"):
            client.request("GET", path)
            client.getresponse().read()
        client.close()
    with running("replay", "run.mcap", "--serve", folder=tmp_path) as page:
        about = json.loads(page.get("/about.json")[1])
        assert (about["title"], about["connections"]) == ("run.mcap", 1)
        document = json.loads(page.get(f"/turn.json?turn={about['turns']}&conn=0")[1])
        texts = [text for _, _, _, text in document["dialogue"]["lines"]]
        assert any("call the handler: GET '/b'" in text for text in texts)
        assert json.loads(page.get("/why.json?conn=0")[1])["facts"]
        assert page.get("/about.json?seed=7")[0] == 200
    (tmp_path / "broken.mcap").write_bytes(b"<b>no recording")
    ended = run("replay", "broken.mcap", "--serve", "--port", "0", folder=tmp_path)
    assert ended.status == 3 and "broken.mcap cannot be read" in ended.err
    ended = run("replay", "run.mcap", "--serve", "--stats", folder=tmp_path)
    assert ended.status == 2 and "--serve and --stats cannot be given together" in ended.err
