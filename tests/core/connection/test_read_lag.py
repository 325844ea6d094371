"""What is known of how a client reads: what the kernel took, and what it still has."""

from math import inf

import pytest

from sigil.core.connection.client import Client, with_outgoing
from sigil.core.connection.context import context
from sigil.core.connection.outgoing import ReadLag, with_watch
from sigil.core.connection.read_lag import (
    LOOK_SECONDS,
    after_look,
    is_asked_about,
    look_deadline,
    read_lag_after,
    read_len,
    read_rate_deadline,
)
from sigil.core.effects import Interest
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from tests.support.core_driver import advance_by, answered, asked, client_of
from tests.support.core_websockets import open_websocket
from tests.support.requests import GET

LAG = ReadLag(10.0, 1_000, inf, 0, 0.0, 10.0, None)


def behind(read_lag: ReadLag, bytes_out: int = 5_000, waiting_since: float = 10.0) -> Client:
    """A client of HTTP that reads like this, to which the kernel took so much."""
    client = client_of(asked(GET))
    outgoing = with_watch(client.outgoing, Interest.WRITE, read_lag)
    return with_outgoing(client, outgoing).replace(bytes_out=bytes_out, waiting_since=waiting_since)


def read_lag_of(client: Client) -> ReadLag:
    """How a client reads that is behind."""
    assert client.outgoing.read_lag is not None
    return client.outgoing.read_lag


def test_the_first_answer_is_a_beginning() -> None:
    after = after_look(behind(LAG.replace(lapsed=70.0)), 3_000, now=12.0)
    assert read_lag_of(after) == ReadLag(12.0, 2_000, inf, 0, 0.0, 12.0, 2_000)
    assert after.waiting_since == 12.0
    assert read_len(after, read_lag_of(after)) == 0


@pytest.mark.parametrize(
    ("held", "taken", "since"), [(3_000, 2_000, 12.0), (2_999, 2_001, 14.0), (0, 5_000, 14.0)]
)
def test_less_than_last_time_is_progress(held: int, taken: int, since: float) -> None:
    client = after_look(behind(LAG), 3_000, now=12.0)
    after = after_look(client, held, now=14.0)
    assert read_lag_of(after) == ReadLag(12.0, 2_000, inf, 0, 0.0, 14.0, taken)
    assert after.waiting_since == since


def test_more_that_the_kernel_took_is_no_progress() -> None:
    client = after_look(behind(LAG), 3_000, now=12.0).replace(bytes_out=9_000)
    assert after_look(client, 7_000, now=14.0).waiting_since == 12.0
    assert after_look(client, 6_999, now=14.0).waiting_since == 14.0


def test_where_the_kernel_cannot_be_asked_all_that_it_took_is_taken() -> None:
    after = after_look(behind(LAG), 0, now=12.0)
    assert read_lag_of(after) == ReadLag(10.0, 1_000, inf, 0, 0.0, 12.0, 5_000)
    assert (after.waiting_since, read_len(after, read_lag_of(after))) == (10.0, 4_000)
    more = after_look(after.replace(bytes_out=6_000), 0, now=14.0)
    assert read_len(more, read_lag_of(more)) == 5_000


def test_who_has_caught_up_meanwhile_is_left_alone() -> None:
    client = client_of(asked(GET))
    assert after_look(client, 5, now=1.0) is client


def test_the_rate_is_of_what_was_taken() -> None:
    limits = Limits(rate_grace=30.0, min_read_rate=100)
    assert read_rate_deadline(behind(LAG), limits) == 10.0 + 30.0 + 40.0
    client = after_look(behind(LAG), 3_000, now=12.0)
    assert read_rate_deadline(client, limits) == 12.0 + 30.0
    assert read_rate_deadline(after_look(client, 2_000, now=14.0), limits) == 12.0 + 30.0 + 10.0
    assert read_rate_deadline(client, Limits(min_read_rate=0)) == inf


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        (Limits(), LOOK_SECONDS),
        (Limits(stall_timeout=4.0), 1.0),
        (Limits(rate_grace=2.0), 0.5),
    ],
)
def test_the_kernel_is_asked_again_after_a_while(limits: Limits, seconds: float) -> None:
    assert look_deadline(behind(LAG), limits) == 10.0 + seconds
    assert look_deadline(after_look(behind(LAG), 7, now=12.0), limits) == 12.0 + seconds
    assert look_deadline(client_of(asked(GET)), limits) == inf


@pytest.mark.parametrize(("bytes_out", "since"), [(1_999, 10.0), (2_000, 20.0), (2_001, 20.0)])
def test_who_is_behind_again_has_all_its_time_once_it_took_all_of_before(
    bytes_out: int, since: float
) -> None:
    caught_up = LAG.replace(caught_up_at=20.0, caught_up_at_bytes=2_000)
    again = read_lag_after(caught_up, True, bytes_out, context(now=20.0))
    assert again is not None and again.since == since


def test_nobody_asks_about_who_is_sent_what_is_live() -> None:
    websocket = client_of(open_websocket())
    stream = client_of(advance_by(asked(GET), answered(0, Response.sse()))[0])
    assert [is_asked_about(client) for client in (websocket, stream)] == [False, False]
    for client in (websocket, stream):
        lagging = with_outgoing(client, with_watch(client.outgoing, Interest.BOTH, LAG))
        assert look_deadline(lagging, Limits()) == inf
