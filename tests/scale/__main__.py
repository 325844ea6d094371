"""The stream at scale, with figures: python -m tests.scale [--clients 10000] [--only
everybody,stopped,...]

Theory: what the tests check at a size that suits them is run here at any size, and its figures are
printed.

Rules: run it from the repository's folder, on Linux. A claim that does not hold is an
AssertionError. It does not know what is a good figure.
"""

import argparse
import sys
from collections.abc import Callable

from tests.scale.crowd import raise_descriptor_limit
from tests.scale.scenarios import (
    COUNTED,
    SINGLE,
    SIPPING,
    STOPPED,
    Slow,
    try_churn,
    try_everybody,
    try_idle,
    try_profile,
    try_slow,
    try_topics,
)


def tell_everybody(clients: int) -> str:
    """All at once."""
    found = try_everybody(clients, 50)
    return (
        f"{clients:,} clients, 50 broadcasts of 200 bytes, all received by all in order\n"
        f"  a tick               {found.tick_ms:9.1f} ms   "
        f"({found.tick_cpu_ms:.1f} ms of processor time, "
        f"{found.tick_cpu_ms * 1e3 / clients:.2f} us for each client; "
        f"slowest {found.slowest_tick_ms:.1f} ms)\n"
        f"  memory for a client  {found.member_bytes / 1024:9.2f} KiB  "
        f"(kept after all have left: {found.left_bytes / 1024:.2f} KiB)\n"
        f"  an upgrade           {found.join_us:9.0f} us, accepting included\n"
        f"  a close              {found.close_us:9.0f} us"
    )


def tell_slow(found: Slow) -> str:
    """What slow clients cost."""
    return (
        f"  {found.slow} slow beside {found.readers} readers: "
        f"{found.us_per_message:.3f} us of processor time for "
        f"a message delivered; with the slow {found.cpu_share:.1%} as many per processor second, "
        f"{found.wall_share:.1%} per wall second\n"
        f"  memory: the peak grew by {found.grown_bytes / 1024:,.0f} KiB "
        f"while {found.published_len / 2**20:,.0f} "
        f"MiB were broadcast over a ring of {found.ring_len / 2**20:.0f} MiB\n"
        f"  {len(found.notes)} dropped: {found.notes[-1]}"
    )


def tell_stopped(_: int) -> str:
    """One that stops reading."""
    return "\n".join(
        (
            "one stops reading, again and again",
            "  16 messages of 1,000 bytes a tick",
            tell_slow(try_slow(99, 1, STOPPED)),
            "  the same, and the ring is full of frames before it is full of bytes",
            tell_slow(try_slow(99, 1, COUNTED)),
            "  one of 4,000 bytes",
            tell_slow(try_slow(99, 1, SINGLE)),
        )
    )


def tell_sipping(_: int) -> str:
    """Ten that read a part of what comes."""
    return "ten read steadily, but a quarter of what comes\n" + tell_slow(try_slow(90, 10, SIPPING))


def tell_topics(_: int) -> str:
    """Topics."""
    found = try_topics(1_000, 20, 100)
    return (
        f"20 topics, {found.clients:,} clients in one to three each: {found.cohorts} cohorts\n"
        f"  {found.deliveries:,} sends at {found.us_per_send:.2f} us of processor time "
        f"(all in one cohort: {found.us_per_send_in_one:.2f} us); a tick {found.tick_cpu_ms:.1f} ms"
    )


def tell_profile(clients: int) -> str:
    """Where the time goes."""
    found = try_profile(clients // 100, clients)
    rows = [f"    {own:9.3f} ms {calls:12,.1f} calls  {name}" for name, calls, own in found.rows]
    return "\n".join(
        (
            f"a broadcast tick under a profiler: {found.total_ms:.1f} ms, "
            f"of which the core {found.core_ms:.2f} ms and the "
            f"Python code of the shell {found.shell_ms:.1f} ms",
            "  calls of functions of the core in a tick: "
            f"{found.core_calls_few:.0f} with {found.few:,} clients, "
            f"{found.core_calls_many:.0f} with {found.many:,}",
            *rows,
        )
    )


def tell_churn(clients: int) -> str:
    """Coming and going."""
    found = try_churn(clients, 100, 20)
    return (
        f"{found.churn} come and {found.churn} go before a tick among {found.members:,}\n"
        f"  that tick {found.churned_tick_ms:.1f} ms of processor time, "
        f"one after it {found.still_tick_ms:.1f} ms; "
        f"one coming and one going cost {found.turnover_us:.0f} us together"
    )


def tell_idle(clients: int) -> str:
    """Nothing happens."""
    found = try_idle(clients, 6.0)
    return (
        f"{found.clients:,} clients to whom nothing is said "
        f"take {found.cpu_share:.1%} of a processor"
    )


TELLERS: dict[str, Callable[[int], str]] = {
    "everybody": tell_everybody,
    "stopped": tell_stopped,
    "sipping": tell_sipping,
    "topics": tell_topics,
    "profile": tell_profile,
    "churn": tell_churn,
    "idle": tell_idle,
}


def main(arguments: list[str]) -> int:
    """Run what is asked for; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.scale", description="The stream at scale, with figures."
    )
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--only", default=",".join(TELLERS), help="some of: " + ", ".join(TELLERS))
    asked = parser.parse_args(arguments)
    problem = raise_descriptor_limit(asked.clients)
    if problem:
        print(problem)
        return 1
    for name in asked.only.split(","):
        print(TELLERS[name](asked.clients), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
