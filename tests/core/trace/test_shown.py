"""Turns, dialogues and recordings as cards."""

from sigil import Request, Response
from sigil.core.trace.shown import ALL_MAX, SOME, recording_html
from sigil.core.trace.turn import Gap, Turn
from tests.support.html import text_of
from tests.support.recordings import watched_client


def hello(request: Request) -> Response:
    return Response.text("<b>hello</b>")


def test_a_recording_its_turns_and_its_dialogues_are_shown() -> None:
    watched, client = watched_client(hello)
    with client:
        client.get("/<b>".replace("<b>", "%3Cb%3E"))
    recording = watched.recording
    shown = text_of(recording._repr_html_())
    assert f"{len(recording.turns)} turns" in shown and "1 connection ended" in shown
    turn = max(recording.turns, key=lambda turn: len(turn.effects))
    assert f"Turn {turn.number}" in text_of(turn._repr_html_())
    dialogue = recording.dialogue(recording.conns[0])
    html = dialogue._repr_html_()
    assert "GET /%3Cb%3E" in text_of(html) and "<b>hello" not in html


def test_a_gap_is_told_and_a_long_recording_is_read_in_part() -> None:
    watched, client = watched_client(hello)
    with client:
        client.get("/")
    first = watched.states[0]
    gap = Turn(3, (), (), Gap(12, first))
    assert "12 turns are missing" in text_of(gap._repr_html_())

    class Turns(list[Turn]):
        reads = 0

        def __getitem__(self, index):  # type: ignore[no-untyped-def]
            Turns.reads += 1
            return super().__getitem__(index)

    long = Turns([watched.turns[0]] * (10 * ALL_MAX))
    text = text_of(recording_html(first, long, watched.recording.about))
    assert "20,000 turns" in text and Turns.reads <= SOME + 60
