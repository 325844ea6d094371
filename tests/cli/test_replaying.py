"""`sigil world` as it is run: it prints what happened, or serves the page of it."""

import json

from tests.support.command import run, running


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
