"""The same events under other limits, or with another policy for slow readers."""

import pytest

from sigil import CloseReason, Limits, Request, Response
from sigil.core.trace.what_if import WhatIf, what_if
from sigil.shell.loop.head_cache import cached_parser
from sigil.shell.recording.recording import Recording
from tests.support.recordings import Watched, watched_client, watched_world

SMALL = Limits(outgoing_buffer_sz=4_000, max_ws_send_frame_cnt=1_000, max_outbox_len=1_000)


def app(request: Request) -> Response:
    if request.path == "/stream":
        return Response.upgrade()
    return Response.text("hello")


def publish_to_a_slow_reader(limits: Limits, count: int = 60) -> Watched:
    """One reads what is published, one does not for a while, and reads then."""
    watched, client = watched_client(app, limits)
    quick = client.websocket("/stream")
    slow = client.websocket("/stream", window_len=500)
    for number in range(count):
        client.server.broadcast(f"{number} " + "x" * 100)
        client.advance(0.01)
    client.get("/")
    while not slow.connection.is_closed and slow.read(10_000):
        client.advance(0.01)
    assert len(quick.messages()) == count
    return watched


@pytest.fixture(scope="module", name="dropped")
def record_a_drop() -> Recording:
    return publish_to_a_slow_reader(SMALL).recording


def test_with_a_larger_ring_the_slow_reader_would_have_been_spared(dropped: Recording) -> None:
    found = dropped.what_if(SMALL._replace(outgoing_buffer_sz=100_000))
    assert not found.is_same and found.ended == found.changed == () and found.rejected == ()
    (fate,) = found.spared
    assert fate.recorded is not None
    assert fate.recorded.reason is CloseReason.WS_CLIENT_TOO_SLOW and fate.otherwise is None
    assert (found.recorded.too_slow, found.otherwise.too_slow) == (1, 0)
    assert found.recorded.most_ring_bytes <= 4_000 < found.otherwise.most_ring_bytes
    text = str(found)
    assert text.startswith(
        "with outgoing_buffer_sz=100000:\n  1 were ended and would not have been"
    )
    assert "WS_CLIENT_TOO_SLOW" in text and "otherwise open at the end" in text


def test_who_skips_would_have_been_spared_too(dropped: Recording) -> None:
    found = dropped.what_if(slow="skip")
    assert len(found.spared) == 1 and found.changes == ("slow='skip'",)
    assert found.otherwise.too_slow == 0


def test_with_half_the_ring_somebody_else_would_have_been_ended() -> None:
    recording = publish_to_a_slow_reader(SMALL, count=30).recording
    assert CloseReason.WS_CLIENT_TOO_SLOW not in [close.reason for close in recording.closes()]
    found = recording.what_if(SMALL._replace(outgoing_buffer_sz=2_000))
    (fate,) = found.ended
    assert fate.otherwise is not None
    assert fate.otherwise.reason is CloseReason.WS_CLIENT_TOO_SLOW
    assert found.left_out["Writable"] > 0, "what the kernel took of it concerns nobody any more"


def test_with_fewer_connections_somebody_would_have_been_evicted_or_rejected() -> None:
    watched, client = watched_client(app)
    for _ in range(5):
        client.connect()
    recording = watched.recording
    evicted = recording.what_if(Limits(max_connection_cnt=2))
    assert [fate.otherwise.reason for fate in evicted.ended if fate.otherwise is not None] == [
        CloseReason.EVICTED
    ] * 3
    rejected = recording.what_if(Limits(max_connection_cnt=2, full_policy="503"))
    assert [conn.generation for conn in rejected.rejected] == [2, 3, 4]
    assert rejected.otherwise.most_clients == 2
    full, some = watched_client(app, Limits(max_connection_cnt=2, full_policy="503"))
    for _ in range(5):
        some.connect()
    assert full.recording.what_if(Limits()).accepted == 3


def test_an_answer_waits_until_it_is_asked_for() -> None:
    """Two requests at once, which the other server hands out one by one."""
    watched, client = watched_client(app)
    connection = client.connect()
    connection.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
    connection.half_close()
    found = watched.recording.what_if(Limits(max_queued_requests=1))
    assert found.is_same and found.left_out == {}


@pytest.mark.parametrize("seed", range(40))
def test_under_the_same_limits_nothing_would_have_been_otherwise(seed: int) -> None:
    recording = watched_world(seed, is_held_up=seed % 3 == 0).recording
    found = recording.what_if()
    assert found.is_same and found.recorded == found.otherwise
    assert found.left_out == {} and found.changes == ()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_limits_are_there_is_an_answer(seed: int) -> None:
    recording = watched_world(seed).recording
    limits = recording.first.limits
    tight = limits._replace(
        outgoing_buffer_sz=200,
        max_ws_send_frame_cnt=2,
        max_connection_cnt=1,
        max_ws_connection_cnt=1,
        max_queued_requests=1,
        max_outbox_len=20,
        idle_timeout=0.05,
        header_timeout=0.05,
        max_body_len=1,
        history_messages=0,
    )
    found: WhatIf = recording.what_if(tight, slow="skip")
    assert str(found).count("\n") >= 10
    assert found.otherwise.most_ring_bytes <= 200


def test_a_recording_that_begins_in_the_middle_goes_on_under_the_other_limits() -> None:
    watched = publish_to_a_slow_reader(SMALL)
    middle = len(watched.turns) // 4
    turns = [turn.replace(number=number) for number, turn in enumerate(watched.turns[middle:], 1)]
    recording = Recording(watched.states[middle], turns)
    assert recording.what_if().is_same
    assert len(recording.what_if(SMALL._replace(outgoing_buffer_sz=100_000)).spared) == 1
    assert len(recording.what_if(slow="skip").spared) == 1


def test_limits_that_make_no_sense_are_refused(dropped: Recording) -> None:
    with pytest.raises(ValueError, match="max_headers"):
        dropped.what_if(Limits(max_headers=0))
    with pytest.raises(ValueError, match="slow is 'drop' or 'skip', not 'maybe'"):
        dropped.what_if(slow="maybe")


def test_the_function_and_the_method_are_one(dropped: Recording) -> None:
    states = dropped._states
    assert what_if(states, SMALL, None, cached_parser(SMALL)) == dropped.what_if(SMALL)
