"""Thousands of worlds, and whether the worlds would notice."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage
from wsproto.extensions import Extension, PerMessageDeflate
from zstandard import ZstdDecompressor

from sigil.core.broadcast import broadcast
from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import Published
from sigil.core.conn import Conn
from sigil.core.connection import send_queue
from sigil.core.events import InputRead, TimeRead
from sigil.testing import MemoryServer
from sigil.testing.world import Violation, World
from sigil.testing.world.clients import WebSocketClient
from sigil.testing.world.trace import canonical
from tests.world.__main__ import broken_rule, kept_scripts, kept_seeds, replay

pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited:RuntimeWarning"
)  # a world may break off

SEEDS, CHUNK = 1_000, 100


def broken(seeds: Iterator[int] | range | list[int], is_held_up: bool = False) -> list[str]:
    """What is wrong with the worlds of these seeds."""
    violations = ((seed, broken_rule(seed, is_held_up=is_held_up)) for seed in seeds)
    return [f"{seed}: {violation}" for seed, violation in violations if violation]


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_all_that_must_hold_holds(first: int) -> None:
    assert broken(range(first, first + CHUNK)) == []


@pytest.mark.parametrize("first", range(0, SEEDS // 2, CHUNK))
def test_all_that_must_hold_holds_though_the_loop_is_held_up(first: int) -> None:
    assert broken(range(first, first + CHUNK), is_held_up=True) == []


def test_what_once_broke_a_rule_does_so_no_more() -> None:
    for is_held_up in (False, True):
        assert broken([seed for seed, held in kept_seeds() if held is is_held_up], is_held_up) == []
    found = {path.name: replay(path) for path in kept_scripts()}
    assert {name: violation for name, violation in found.items() if violation} == {}


# -- the same seed, the same world -----------------------------------------------------------------

QUIET = range(40)


def digests() -> list[str]:
    """How the first worlds end, or where they broke."""
    found = []
    for seed in QUIET:
        world = World(seed)
        with suppress(Violation):
            world.run()
        found.append(world.trace.digest())
    return found


def test_the_same_seed_is_the_same_world_in_every_interpreter() -> None:
    code = "from tests.world.test_world import digests; print(*digests())"
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
    assert [seed for seed, one, other in zip(QUIET, *runs, strict=True) if one != other] == []


def test_different_seeds_are_different_worlds() -> None:
    assert len(set(digests())) == len(QUIET)


def test_a_trace_spells_sets_in_order_and_views_as_bytes() -> None:
    assert canonical(frozenset(("b", "a"))) == "{'a', 'b'}"
    assert canonical((Conn(1, 2), memoryview(b"xy")[1:], None)) == "tuple(Conn(1, 2), b'y', None)"


def test_worlds_are_worth_looking_at() -> None:
    outcomes = [World(seed).run() for seed in range(100) if broken_rule(seed) is None]
    assert sum(outcome.published for outcome in outcomes) > 500
    assert sum(outcome.received for outcome in outcomes) > 300
    assert sum(outcome.dropped for outcome in outcomes) > 2


# -- would they notice -----------------------------------------------------------------------------


def fewer(entries: tuple[Published, ...], *rest: object) -> tuple[Published, ...]:
    """The entries without the last of several."""
    return entries[:-1] if len(entries) > 1 else entries


def test_a_lost_message_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = broadcast.pending_bytes_for
    monkeypatch.setattr(
        "sigil.core.server.flush.pending_bytes_for",
        lambda one, hearing, index, conn=None: whole(
            one.replace(pending=fewer(one.pending)), hearing, None, conn
        ),
    )
    assert noticed() & {"order", "missing", "buffered"}


def test_a_torn_frame_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    read = send_queue.read_encoded
    monkeypatch.setattr(
        "sigil.core.connection.send_queue.read_encoded",
        lambda *place: ((number, frame and frame[:-1]) for number, frame in read(*place)),
    )
    assert noticed() & {"order", "frame", "missing"}


def test_a_wrong_sum_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigil.core.server.budgets.outgoing_len", lambda client: 0)
    assert "load" in noticed()


def test_a_forgotten_laggard_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigil.core.server.cohorts.add_laggard", lambda one, conn, cursor: one)
    assert noticed() & {"places", "cursor", "defect"}


def test_a_drop_for_what_was_not_needed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigil.core.server.publish.next_needed", lambda conn, one, ring: one.cursor)
    assert "explained" in noticed()


def test_a_client_that_is_ended_though_it_was_ready_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sigil.testing.server.InputRead", lambda unread: InputRead())
    assert noticed(range(450, 600), is_held_up=True) == {"served"}


def test_a_clock_that_is_not_set_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    latest = 0

    def read(server: MemoryServer) -> TimeRead:
        nonlocal latest
        latest = max(latest, int(server.now + server.unix_offset))
        return TimeRead(server.now, latest)

    monkeypatch.setattr("sigil.testing.server.MemoryServer._read_time", read)
    assert noticed() == {"date"}


def test_more_memory_than_was_promised_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigil.testing.world.memory.footprint", lambda *limits, **lengths: 10_000)
    assert noticed() == {"memory"}


def noticed(seeds: range = range(60), is_held_up: bool = False) -> set[str]:
    """The rules that worlds find broken."""
    violations = (broken_rule(seed, is_held_up=is_held_up) for seed in seeds)
    return {found.check for found in violations if found is not None}


# -- another reader --------------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(0, 100, 20))
def test_another_library_understands_what_was_sent(first: int) -> None:
    count = 0
    for seed in range(first, first + 20):
        world = World(seed)
        with suppress(Violation):
            world.run()
        for client in world.clients:
            if (
                isinstance(client, WebSocketClient)
                and client.expectation is not None
                and client.is_upgraded
            ):
                head, frames = (
                    bytes(client.wire.taken[: client.start]),
                    bytes(client.wire.taken[client.start : client.parsed_len]),
                )
                received = messages_in(
                    frames, re.findall(r"Sec-WebSocket-Extensions: (.*)\r\n", head.decode())
                )
                if (
                    client.expectation.encoding is Encoding.ZSTD
                ):  # where nothing tells what was a text
                    assert [unpacked(one) for one in received] == [
                        plain(one) for one in client.messages
                    ]
                else:
                    assert received[: len(client.messages)] == client.messages
                count += len(received)
    assert count > 20


def unpacked(message: str | bytes) -> bytes:
    """What a client of `compress-zstd` reads."""
    return (
        ZstdDecompressor().decompress(message) if isinstance(message, bytes) else message.encode()
    )


def plain(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message


def messages_in(data: bytes, agreed: list[str]) -> list[str | bytes]:
    """The messages that wsproto reads, as a client that has agreed on these extensions."""
    extensions: list[Extension] = [PerMessageDeflate() for _ in agreed]
    for extension, params in zip(extensions, agreed, strict=True):
        extension.finalize(params)
    peer = Connection(ConnectionType.CLIENT, extensions)
    peer.receive_data(data)
    messages: list[str | bytes] = []
    started = False
    for event in peer.events():
        if isinstance(event, TextMessage | BytesMessage):
            piece = event.data if isinstance(event, TextMessage) else bytes(event.data)
            if started:
                messages[-1] += piece  # type: ignore[operator]
            else:
                messages.append(piece)
            started = not event.message_finished
        elif isinstance(event, CloseConnection):
            break
    if started:
        messages.pop()
    return messages
