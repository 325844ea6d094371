"""The ends of connections, what passed over them, and what led to their ends."""

import pytest

from sigil import CloseReason, Limits, Request, Response
from sigil.core.conn import Conn
from sigil.core.trace.closes import closes_in
from sigil.core.trace.dialogue import Dialogue, dialogue_of
from sigil.core.trace.explain import Explanation, explain_life
from sigil.core.trace.figures import recording_stats
from sigil.core.trace.limits_met import LIMITS_MET
from sigil.core.trace.lives import Life, lives
from sigil.core.trace.states import States
from tests.support.recordings import Watched, watched_client, watched_world

SMALL = Limits(outgoing_buffer_sz=4_000, max_ws_send_frame_cnt=20, max_outbox_len=1_000)


def app(request: Request) -> Response:
    """A stream at /stream, an error at /fail, a path elsewhere."""
    if request.path == "/stream":
        return Response.upgrade(topics=["prices"])
    if request.path == "/fail":
        raise ZeroDivisionError("it cannot be divided")
    return Response.text(f"you asked for {request.path}")


def states_of(watched: Watched) -> States:
    return States(watched.states[0], tuple(watched.turns))


@pytest.fixture(scope="module", name="states")
def record_a_slow_reader() -> States:
    """A client that asks and leaves, one that fails, and one that does not read what is published
    until it is dropped.
    """
    watched, client = watched_client(app, SMALL)
    assert client.get("/tea").text == "you asked for /tea"
    client.get("/fail")
    websocket = client.websocket("/stream", window_len=500)
    websocket.send("good morning")
    for number in range(60):
        client.server.broadcast("x" * 100, topic="prices")
        client.server.broadcast(f"all {number}")
        client.advance(0.1)
    client.stop(0.0)
    return states_of(watched)


def the_slow(states: States) -> Life:
    """The life of the client that was dropped."""
    closes = [c for c in closes_in(states) if c.reason is CloseReason.WS_CLIENT_TOO_SLOW]
    assert len(closes) == 1
    return lives(states)[closes[0].conn.generation]


# -- lives and ends --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(15))
def test_every_end_is_listed_once_and_every_life_has_its_turns(seed: int) -> None:
    watched = watched_world(seed)
    states = states_of(watched)
    ends = closes_in(states)
    found = lives(states)
    last = watched.states[-1]
    assert len(ends) == sum(last.totals.closed.values())
    assert len({close.conn for close in ends}) == len(ends)
    assert len(found) == last.next_generation
    assert {life.conn: life.last for life in found.values()} == {
        close.conn: close.turn for close in ends
    }
    for close in ends:
        assert close.peer is not None and str(close.peer) in str(close)


def test_who_is_there_already_has_a_life_from_the_beginning_of_the_recording() -> None:
    watched, client = watched_client(app)
    client.get("/one")
    middle = len(watched.turns)
    client.get("/two")
    turns = [turn.replace(number=number) for number, turn in enumerate(watched.turns[middle:], 1)]
    states = States(watched.states[middle], tuple(turns))
    life = lives(states)[0]
    assert (life.first, life.last) == (0, None)
    assert "was connected already" in str(explain_life(states, life))
    assert "-> GET /two" in str(dialogue_of(states, life))


# -- dialogues -------------------------------------------------------------------------------------


def lines(dialogue: Dialogue) -> list[tuple[str, str]]:
    return [(line.side, line.text) for line in dialogue.lines]


def test_a_request_and_its_response_can_be_read(states: States) -> None:
    first = dialogue_of(states, lives(states)[0])
    assert lines(first)[:5] == [
        ("--", f"{first.peer} is accepted"),
        ("->", "GET /tea"),
        ("<-", "200 OK, text/plain; charset=utf-8, 18 bytes: 'you asked for /tea'"),
        ("->", "GET /fail"),
        ("--", "the handler failed, 500: ZeroDivisionError: it cannot be divided"),
    ]
    assert str(first).splitlines()[0] == f"connection 0, {first.peer}"
    assert all(line.at >= 0 for line in first.lines)
    assert [line.turn for line in first.lines] == sorted(line.turn for line in first.lines)


def test_messages_and_stalls_of_a_websocket_can_be_read(states: States) -> None:
    dialogue = dialogue_of(states, the_slow(states))
    found = lines(dialogue)
    texts = [text for _, text in found]
    assert ("<-", "101 Switching Protocols") in found
    assert ("->", "text 'good morning'") in found
    assert any(text.startswith("text 'xxx") and text.endswith("...") for text in texts)
    assert any(text.startswith("it takes ") and text.endswith(" wait") for text in texts)
    assert texts[-1].startswith("closed, WS_CLIENT_TOO_SLOW: ")


def test_what_was_sent_is_what_was_taken(states: States) -> None:
    """The kernel has taken 500 bytes beyond what was read, and nothing is told twice."""
    dialogue = dialogue_of(states, the_slow(states))
    numbers = [line.text for line in dialogue.lines if line.text.startswith("text 'all ")]
    assert len(set(numbers)) == len(numbers) > 0


def test_how_many_lines_are_kept_is_bounded(states: States) -> None:
    whole, life = dialogue_of(states, the_slow(states)), the_slow(states)
    short = dialogue_of(states, life, max_lines=6)
    assert len(short.lines) == 6 and short.omitted == len(whole.lines) - 6
    assert short.lines == (*whole.lines[:3], *whole.lines[-3:])
    assert f"... {short.omitted} more lines ..." in str(short)


@pytest.mark.parametrize("seed", range(15))
def test_every_connection_of_a_world_can_be_read_and_explained(seed: int) -> None:
    states = states_of(watched_world(seed, is_held_up=seed % 2 == 0))
    for life in lives(states).values():
        dialogue, explanation = dialogue_of(states, life), explain_life(states, life)
        assert dialogue.peer is not None and explanation.close is not None
        assert dialogue.lines[-1].kind == "closed"
        assert explanation.facts[-1].kind == "end"


# -- explanations ----------------------------------------------------------------------------------


def facts(explanation: Explanation, kind: str) -> list[str]:
    return [fact.text for fact in explanation.facts if fact.kind == kind]


def test_an_end_is_explained_by_the_chain_of_facts_that_led_to_it(states: States) -> None:
    chain = explain_life(states, the_slow(states))
    kinds = [fact.kind for fact in chain.facts]
    assert kinds[0] == "accepted" and kinds[-1] == "end"
    assert kinds.index("subscriber") < kinds.index("stall") < kinds.index("last lag")
    assert facts(chain, "subscriber") == [
        "it became a WebSocket (topics: 'prices'; encoding: plain; slow='drop')"
    ]
    assert any(
        "on 'prices' were published in its time" in text for text in facts(chain, "published")
    )
    assert any("for all were published in its time" in text for text in facts(chain, "published"))
    assert facts(chain, "stall")[0].startswith("it took ")
    assert "behind: it needed message" in facts(chain, "last lag")[0]
    assert facts(chain, "limits") == [
        "the limits that decide about this: outgoing_buffer_sz=4000, max_ws_send_frame_cnt=20, "
        f"max_ws_outbox_len={SMALL.max_ws_outbox_len}"
    ]
    assert any("WS_CLIENT_TOO_SLOW: it needed message" in text for text in facts(chain, "log"))
    assert "waiting for the peer to read for " in facts(chain, "waited")[0]
    assert chain.close is not None and chain.close.reason is CloseReason.WS_CLIENT_TOO_SLOW
    title, *rows = str(chain).splitlines()
    assert title.endswith(": WS_CLIENT_TOO_SLOW: it fell too far behind what was published")
    assert len(rows) == len(chain.facts)


def test_what_is_repeated_is_listed_a_few_times() -> None:
    watched, client = watched_client(app)
    for number in range(50):
        client.get(f"/{number}")
    states = states_of(watched)
    chain = explain_life(states, lives(states)[0])
    asked = facts(chain, "request")
    assert asked[:4] == [f"it asked GET /{number}" for number in range(4)]
    assert asked[4] == "... 42 more of the same before this ..."
    assert asked[5:] == [f"it asked GET /{number}" for number in range(46, 50)]
    assert chain.close is None
    assert chain.facts[-1].text.startswith("it is open at the end of the recording, waiting for ")


def test_every_reason_has_its_limits_and_every_limit_is_one() -> None:
    assert set(LIMITS_MET) == set(CloseReason)
    assert {name for names in LIMITS_MET.values() for name in names} <= set(Limits._fields)


# -- figures ---------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_turns(states: States) -> None:
    figures = recording_stats(states)
    assert figures.turns == len(states.turns) and figures.gaps == figures.missed == 0
    assert figures.accepted == len(lives(states)) and figures.rejected == 0
    assert figures.requests == 3 and figures.published == 120
    assert figures.closed["WS_CLIENT_TOO_SLOW"] == 1
    assert 0 < figures.most_ring_bytes <= SMALL.outgoing_buffer_sz
    assert figures.most_laggards == 1 and figures.most_clients == len(lives(states))
    assert figures.events["TickStarted"] > 60 and figures.effects["Adopt"] == figures.accepted
    assert list(figures.events.values()) == sorted(figures.events.values(), reverse=True)


def test_a_life_is_a_value() -> None:
    assert Life(Conn(1, 2), 3, None) == Life(Conn(1, 2), 3, None)
