"""The routes of the page: what is answered, and what is refused in which words."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sigil import Headers, Limits, Request, Response, replay
from sigil.apps.page import content_security_policy
from sigil.apps.replay.app import ROUTES, make_app, page_text
from sigil.apps.replay.documents import make_view, turn_document
from sigil.shell.recording.errors import RecordingError
from sigil.shell.recording.mcap_scan import scan
from sigil.testing import Answer, Client
from tests.apps.demo.test_handler_page import contrast
from tests.support.replaying import wait_until_written


def recorded() -> Client:
    """A recording of a client that has asked twice."""
    client = Client(
        lambda request: Response.text("hello"), limits=Limits(history_messages=1), keeps_turns=True
    )
    client.get("/a")
    client.advance(2.0)
    client.get("/b")
    return client


VIEW = make_view(recorded().recording(), "two requests")
LAST = VIEW.timeline.turns
PAGE = Client(make_app(lambda request: VIEW))


def ask(target: str) -> Answer:
    return PAGE.get(target)


def document(target: str) -> Any:
    answer = ask(target)
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    return json.loads(answer.body)


def test_a_turn_is_that_of_the_recording() -> None:
    assert document("/turn.json?turn=3") == json.loads(json.dumps(turn_document(VIEW, 3)))
    assert document(f"/turn.json?turn={LAST}&conn=0")["dialogue"]["conn"] == 0
    assert document("/turn.json?turn=3&start=1&count=5&order=lag")["connections"]["rows"] == []


def test_the_whole_and_its_columns() -> None:
    assert document("/about.json")["title"] == "two requests"
    assert document("/timeline.json?first=2&last=5&count=2")["turns"] == [2, 4, 6]
    assert document("/at.json?seconds=0.5")["turn"] < document("/at.json?seconds=2.5")["turn"]
    assert document("/jump.json?kind=closes&turn=0") == {"turn": None}


@pytest.mark.parametrize(
    ("target", "status", "sentence"),
    [
        (
            f"/turn.json?turn={LAST + 1}",
            404,
            f"there is no turn {LAST + 1}: the last one is {LAST}",
        ),
        ("/turn.json?turn=-1", 400, "turn is a number from 0"),
        ("/turn.json?turn=1e3", 400, "turn is a number from 0"),
        ("/turn.json?turn=" + "9" * 5_000, 400, "turn is a number from 0"),
        ("/turn.json", 400, "turn is a number from 0"),
        ("/turn.json?turn=1&conn=99", 404, "there is no connection 99 in this recording"),
        ("/turn.json?turn=1&conn=%3Cb%3E", 400, "conn is a number from 0"),
        ("/turn.json?turn=1&order=size", 400, "order is one of slot, lag"),
        ("/turn.json?turn=1&since=9999", 404, f"there is no turn 9999: the last one is {LAST}"),
        ("/jump.json?turn=1&kind=joys", 400, "kind is one of closes, evictions, stalls"),
        ("/jump.json?turn=1&direction=up", 400, "direction is one of on, back"),
        ("/timeline.json?first=4&last=3", 400, "first is not behind last"),
        ("/timeline.json?count=x", 400, "count is a number from 0"),
        ("/why.json", 400, "conn is a number from 0"),
        ("/why.json?conn=99", 404, "there is no connection 99 in this recording"),
        ("/at.json", 400, "seconds is a number"),
        ("/at.json?seconds=nan", 400, "seconds is a number"),
        ("/turns.json", 404, "there are /, /about.json"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    target: str, status: int, sentence: str
) -> None:
    answer = ask(target)
    assert (answer.status, sentence in answer.text) == (status, True), answer.text
    assert answer.headers["content-type"].startswith("text/plain")


def test_only_reading_is_allowed() -> None:
    answer = PAGE.post("/turn.json?turn=1")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert PAGE.head("/").status == 200


def test_a_recording_may_be_that_of_the_query() -> None:
    seen: list[str] = []

    def views(request: Request) -> Any:
        seen.append(request.args["seed"])
        return VIEW

    Client(make_app(views)).get("/about.json?seed=7")
    assert seen == ["7"]


# -- the text of the page --------------------------------------------------------------------------


def test_the_page_is_served_with_its_policy() -> None:
    policy = Headers(ask("/").headers.pairs)["content-security-policy"]
    assert policy == content_security_policy(page_text())
    assert len(re.findall("'sha256-", policy)) == 2 and "unsafe" not in policy


def test_the_page_loads_nothing_and_puts_in_no_markup() -> None:
    page = page_text()
    outside = set(re.findall(r"https?://[^\s'\"`)]+", page)) - {"http://www.w3.org/2000/svg"}
    assert outside == set()
    markup = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert re.findall(r"<[^>]*\s(?:style|src|on\w+)\s*=", markup) == []
    for word in ("@import", "url(", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval("):
        assert word not in page


def test_the_page_asks_only_what_is_answered() -> None:
    asked = set(re.findall(r'ask\("([a-z]+)"', page_text()))
    assert {f"/{name}.json" for name in asked} == set(ROUTES)


def test_every_element_the_script_looks_up_is_there() -> None:
    page = page_text()
    ids = re.findall(r'\sid="([^"]+)"', page)
    used = set(re.findall(r'(?:\$|put|drawLines)\("([a-z-]+)"', page))
    assert len(ids) == len(set(ids))
    assert used <= set(ids)
    assert set(re.findall(r'aria-labelledby="([^"]+)"', page)) <= set(ids)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_all_text_can_be_read_on_whatever_it_stands(theme: int) -> None:
    page = page_text()
    blocks = re.findall(r":root \{(.*?)\}", page, re.DOTALL)
    assert len(blocks) == 2
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[theme]))
    for ground in ("ground", "surface", "hover", "changed", "said", "heard"):
        for text in ("ink", "secondary", "accent", "good", "warn", "bad"):
            least = 4.5 if ground in ("ground", "surface") or text in ("ink", "secondary") else 3.0
            assert contrast(colours[text], colours[ground]) >= least, (text, ground)


def test_a_chunk_that_is_damaged_later_is_a_sentence(tmp_path: Path) -> None:
    client, path = Client(lambda request: Response.text("hello")), tmp_path / "run.mcap"
    with client.server.recording(path):
        for number in range(12):
            client.get(f"/{number}")
            wait_until_written(client.server._recorders[0])
    view = make_view(replay(path), "damaged")
    page, last = Client(make_app(lambda request: view, RecordingError)), view.timeline.turns
    whole = path.read_bytes()
    chunks = scan(path).chunks
    chunk = chunks[len(chunks) // 2]
    middle = chunk.offset + chunk.length // 2
    path.write_bytes(whole[:middle] + bytes(9) + whole[middle + 9 :])
    answers = [page.get(f"/turn.json?turn={turn}") for turn in range(1, last + 1)]
    refused = [answer for answer in answers if answer.status != 200]
    assert refused and len(refused) < last
    for answer in refused:
        assert answer.status == 404
        assert re.search(r"the chunk at byte \d+ is damaged", answer.text)
