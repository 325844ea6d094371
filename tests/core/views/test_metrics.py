"""The figures of a server as Prometheus reads them, read by Prometheus' own parsers."""

import math

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_text

from sigil.core.close_reasons import CloseReason
from sigil.core.events import ConnectionLost
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.server.state import Server
from sigil.core.views.footprint import footprint
from sigil.core.views.metrics import (
    Histogram,
    Measured,
    ProcessFigures,
    escaped,
    metrics_text,
)
from tests.support.core_broadcasts import SMALL, publish_lengths, with_websockets

MEASURED = Measured(
    handlers=Histogram((0.001, 1.0), (3, 2, 1), 4.5),
    lag=Histogram((0.001, 1.0), (0, 0, 0), 0.0),
    process=ProcessFigures(1.25, 4_096, 9, 1e9),
)


def busy() -> Server:
    """A server with three WebSockets, one of which lags, and one of which was lost."""
    server, conns = with_websockets(4)
    server = publish_lengths(server, 100, 100, taken={conns[1].slot: 10})
    server = publish_lengths(server, 50)
    return advance(server, [ConnectionLost(conns[3], 104)])[0]


def samples_of(text: str, is_open: bool = False) -> dict[str, float]:
    """All values by name and labels, as the parser of Prometheus reads them."""
    families = read_open(text) if is_open else read_text(text)
    return {
        sample.name + "".join(f",{name}={value}" for name, value in sample.labels.items()): (
            sample.value
        )
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize("is_open", [False, True])
def test_what_prometheus_reads_is_what_there_is(is_open: bool) -> None:
    samples = samples_of(metrics_text(busy(), MEASURED, "1.2", is_open), is_open)
    expected = {
        "sigil_connections": 3,
        "sigil_subscribers": 3,
        "sigil_connections_accepted_total": 4,
        "sigil_requests_total": 4,
        "sigil_closes_total,reason=peer_reset": 1,
        "sigil_closes_total,reason=ws_client_too_slow": 0,
        "sigil_published_messages_total": 3,
        "sigil_ring_bytes": 250,
        "sigil_ring_capacity_bytes": 600,
        "sigil_ring_messages": 3,
        "sigil_ring_laggards": 1,
        "sigil_ring_at_head": 2,
        "sigil_serving": 1,
        "sigil_memory_bound_bytes": footprint(SMALL),
        "sigil_handler_seconds_bucket,le=0.001": 3,
        "sigil_handler_seconds_bucket,le=1.0": 5,
        "sigil_handler_seconds_bucket,le=+Inf": 6,
        "sigil_handler_seconds_count": 6,
        "sigil_handler_seconds_sum": 4.5,
        "process_cpu_seconds_total": 1.25,
        "process_open_fds": 9,
    }
    assert {name: samples.get(name) for name in expected} == expected
    assert samples["sigil_ring_behind_messages"] >= 1
    assert any(name.startswith("sigil_build_info,version=1.2") for name in samples)
    assert not any(math.isnan(value) for value in samples.values())


@pytest.mark.parametrize("is_open", [False, True])
def test_every_family_has_a_help_and_a_type_and_a_name_as_the_conventions_say(
    is_open: bool,
) -> None:
    text = metrics_text(busy(), MEASURED, "1", is_open)
    assert text.endswith("# EOF\n" if is_open else "\n") and "\n\n" not in text
    families = list(read_open(text) if is_open else read_text(text))
    assert all(family.documentation.endswith(".") for family in families)
    assert {family.type for family in families} == {"gauge", "counter", "histogram"}
    for family in families:
        assert family.name.startswith(("sigil_", "process_"))
        assert not family.name.endswith(("_total", "_count", "_ms", "_kb"))
        assert (family.type == "counter") == any(s.name.endswith("_total") for s in family.samples)


def test_every_reason_for_an_end_is_there_from_the_start() -> None:
    samples = samples_of(metrics_text(make_server(Limits(), 0.0, 0)))
    reasons = {name for name in samples if name.startswith("sigil_closes_total")}
    assert reasons == {f"sigil_closes_total,reason={reason.name.lower()}" for reason in CloseReason}


def test_what_nobody_has_measured_is_left_out() -> None:
    text = metrics_text(make_server(Limits(), 0.0, 0))
    assert "handler_seconds" not in text and "process_" not in text


def test_label_values_are_escaped() -> None:
    version = 'a"b\\c\nd'
    for is_open in (False, True):
        text = metrics_text(make_server(Limits(), 0.0, 0), version=version, is_open=is_open)
        families = read_open(text) if is_open else read_text(text)
        info = next(family for family in families if family.name == "sigil_build_info")
        assert info.samples[0].labels["version"] == version
    assert escaped('\\"\n') == '\\\\\\"\\n'


def test_it_has_a_bounded_length_whoever_comes() -> None:
    few, many = metrics_text(with_websockets(1)[0]), metrics_text(with_websockets(300)[0])
    assert abs(len(many) - len(few)) < 100 and len(many) < 20_000
