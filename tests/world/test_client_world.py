"""Worlds with clients of ours on the other end, and whether they would notice."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from sigil.core.client.failures import FailureKind
from sigil.core.client.requests import OutgoingRequest
from sigil.shell.loop.tls_socket import TlsSocket
from sigil.testing.world import Violation
from sigil.testing.world.client_world import ClientWorld
from tests.support.builds import needs_pure_sources

SEEDS, CHUNK = 150, 50


def broken(seeds: range) -> list[str]:
    """What is wrong with the worlds of these seeds."""
    found: list[str] = []
    for seed in seeds:
        try:
            ClientWorld(seed).run()
        except Violation as violation:
            found.append(f"{seed}: {violation}")
    return found


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_all_that_must_hold_holds(first: int) -> None:
    assert broken(range(first, first + CHUNK)) == []


# -- the same seed, the same world -----------------------------------------------------------------

QUIET = range(8)


def digests() -> list[str]:
    """How the first worlds end."""
    return [ClientWorld(seed).run().digest for seed in QUIET]


def test_the_same_seed_is_the_same_world_in_every_interpreter() -> None:
    code = "from tests.world.test_client_world import digests; print(*digests())"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(seed)},
            text=True,
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout.split()
        for seed in (1, 2)
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == len(QUIET)


def test_worlds_are_worth_looking_at() -> None:
    worlds = [ClientWorld(seed) for seed in range(25)]
    outcomes = [world.run() for world in worlds]
    assert 5 < sum(world.is_secure for world in worlds) < 20
    assert sum(outcome.answers for outcome in outcomes) > 150
    assert sum(outcome.received for outcome in outcomes) > 100
    assert sum(outcome.dropped for outcome in outcomes) > 0, "gaps"
    assert any(stream.attempts > 1 for world in worlds for stream in world.streams)
    assert any(stream.echoes for world in worlds for stream in world.streams)


# -- would they notice -----------------------------------------------------------------------------


def notices(*rules: str) -> bool:
    """True if one of the first worlds breaks one of these rules."""
    for seed in range(SEEDS):
        with suppress(Exception):
            try:
                ClientWorld(seed).run()
            except Violation as violation:
                if violation.check in rules:
                    return True
    return False


def test_what_tls_holds_and_nobody_is_told_of_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    send: Callable[[TlsSocket, Any], int] = TlsSocket._send

    def all_taken(self: TlsSocket, data: bytes) -> int:
        count = send(self, data)
        return len(data) if self._is_ahead and count == len(data) - 1 else count

    monkeypatch.setattr(TlsSocket, "_send", all_taken)
    assert notices("response", "failure", "settled")


def test_a_stream_that_begins_again_in_the_place_of_going_on_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "sigil.testing.world.client_streams.stream_target", lambda *_: "/live?after="
    )
    assert notices("order", "gap")


@needs_pure_sources
def test_a_retry_of_what_may_have_been_handled_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(request: OutgoingRequest, kind: FailureKind, *_: object) -> bool:
        return kind is FailureKind.CLOSED

    monkeypatch.setattr("sigil.core.client.endings.may_retry", always)
    assert notices("twice")


@needs_pure_sources
def test_a_connection_that_was_over_and_is_used_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigil.core.client.fold.replace_stale", lambda *_: None)
    assert notices("settled")


@needs_pure_sources
def test_an_answer_that_is_not_read_to_its_end_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sigil.core.client.pooling.made_idle", lambda connection, deadline: connection
    )
    assert notices("settled", "pool", "held")
