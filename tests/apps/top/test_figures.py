"""What `sigil top` makes of the text of `/metrics`."""

from hypothesis import given
from hypothesis import strategies as st

from sigil.apps.top.figures import Reading, closes_of, durations_of, rate_of, read_metrics, value_of
from sigil.apps.top.lines import lines_of
from sigil.core.limits import Limits
from sigil.core.server import make_server
from sigil.core.views.metrics import Histogram, Measured, metrics_text

NAMES = (
    "sigil_uptime_seconds",
    "sigil_ring_bytes",
    "sigil_ring_capacity_bytes",
    "sigil_requests_total",
    "sigil_sent_bytes_total",
    "sigil_loop_lag_seconds_count",
    "sigil_loop_lag_seconds_sum",
    'sigil_loop_lag_seconds_bucket{le="0.1"}',
    'sigil_loop_lag_seconds_bucket{le="x"}',
    'sigil_closes_total{reason="ok"}',
    "sigil_memory_bound_bytes",
    "process_resident_memory_bytes",
)
TEXT = """# HELP sigil_connections x
sigil_build_info{version="1.2",core="pure"} 1
sigil_connections 3
sigil_requests_total 10
sigil_closes_total{reason="ok"} 4
sigil_closes_total{reason="too_slow"} 0
no number x
"""


def reading(at: float, **values: float) -> Reading:
    return Reading(at, values, {})


def test_a_reading_is_numbers_by_name() -> None:
    read = read_metrics(TEXT, 5.0)
    assert read is not None
    assert (read.version, read.core, read.at) == ("1.2", "pure", 5.0)
    assert value_of(read, "sigil_connections") == 3 and value_of(read, "nothing") == 0
    assert closes_of(None, read) == [("ok", 4, 0)]


def test_what_a_server_says_is_read_whole() -> None:
    histogram = Histogram((0.001, 0.01), (98, 1, 1), 0.5)
    text = metrics_text(make_server(Limits(), 0.0, 0), Measured(lag=histogram), "1")
    read = read_metrics(text, 0.0)
    assert read is not None and value_of(read, "sigil_ring_capacity_messages") == 8_192
    found = durations_of(None, read, "sigil_loop_lag_seconds")
    assert found is not None and found == (100, 0.005, 0.01)


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.floats(), st.floats()), max_size=20),
    st.booleans(),
    st.integers(1, 200),
)
def test_whatever_the_numbers_are_they_are_shown(
    figures: list[tuple[str, float, float]], has_before: bool, width: int
) -> None:
    old, new = [
        read_metrics(
            "sigil_connections 1\n"
            + "\n".join(f"{one[0]} {one[which]!r}" for one in figures)
            + '\nsigil_closes_total{reason="\x1b[31m\u202e"} 1',
            float(which),
        )
        for which in (1, 2)
    ]
    assert new is not None
    lines = lines_of("http://a", old if has_before else None, new, "", width)
    assert all(line.text.isprintable() for line in lines)


@given(st.text(max_size=200))
def test_whatever_else_it_is_is_none(text: str) -> None:
    assert read_metrics(text, 0.0) is None
    assert read_metrics(f"sigil_connections 1\n{text}", 0.0) is not None


def test_a_rate_is_of_two_readings_of_one_server() -> None:
    assert rate_of(reading(1, a=10), reading(3, a=30), "a") == 10
    assert rate_of(None, reading(3, a=30), "a") is None
    assert rate_of(reading(1, a=10), reading(3, a=5), "a") is None  # it was started anew
    assert rate_of(reading(1, a=10), reading(1, a=10), "a") is None


def test_durations_are_those_between_two_readings() -> None:
    def of(count: float, first: float, total: float) -> Reading:
        buckets = {"h_bucket": {"0.001": first, "+Inf": count}}
        return Reading(0.0, {"h_count": count, "h_sum": total}, buckets)

    assert durations_of(of(10, 0, 5.0), of(30, 20, 5.02), "h") == (20, (5.02 - 5.0) / 20, 0.001)
    assert durations_of(of(10, 10, 5.0), of(10, 10, 5.0), "h") is None
    assert durations_of(None, of(2, 0, 4.0), "h") == (2, 2.0, float("inf"))
