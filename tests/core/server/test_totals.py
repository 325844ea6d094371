"""What the functions that count change: the fields that they name, and no others."""

from sigil.core.close_reasons import CloseReason
from sigil.core.connection.client import make_client
from sigil.core.server import totals
from sigil.core.server.totals import NO_TOTALS, Totals, add_run
from tests.support.builds import needs_pure_sources
from tests.support.core_driver import CONN, PEER
from tests.support.records import Update, updated

CLIENT = make_client(CONN, PEER, 0.0).replace(responded=5, bytes_in=20, bytes_out=300)


@needs_pure_sources
def test_what_cohorts_were_sent_is_added_to_the_bytes_out_alone() -> None:
    update = updated(totals.count_sent, Totals)
    assert update.changed == {"bytes_out"}
    assert update.after.bytes_out == update.before.bytes_out + update.arguments["length"]


def test_what_ended_is_added_to_the_figures_that_connections_have() -> None:
    after = add_run(NO_TOTALS, 0, [(CLIENT, CloseReason.SHUTDOWN)])
    assert Update(NO_TOTALS, after, {}).changed == {"requests", "bytes_in", "bytes_out", "closed"}
    assert (after.requests, after.bytes_in, after.bytes_out) == (5, 20, 300)
    ended = [(CLIENT, CloseReason.SHUTDOWN), (CLIENT, CloseReason.EVICTED)] * 2
    assert dict(add_run(after, 0, ended).closed) == {"SHUTDOWN": 3, "EVICTED": 2}
    assert add_run(after, 0, ended).requests == 25


def test_who_is_accepted_is_counted_and_nothing_else() -> None:
    after = add_run(NO_TOTALS, 3, [])
    assert (Update(NO_TOTALS, after, {}).changed, after.accepted) == ({"accepted"}, 3)
