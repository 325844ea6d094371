"""CPU microseconds per WebSocket frame, read and written: sigil beside wsproto and websockets, in
one run.

    python -m tests.bench.frame_cost [--rounds N]

What is measured. The CPU time of this process for a read that holds some masked frames, all equally
long and each a whole message, from bytes to `str` or `bytes`; for one large message that comes in
reads of 64 KiB; and for writing one frame of a server. Nothing touches a socket. Each figure is the
minimum over rounds, since noise only adds, and the contestants take turns within a round, since a
noisy neighbour should bother all alike. Read them as ratios.

The floors. `lowest_cursor` is what the interpreter charges for unmasking one payload in the same
way, and nothing else. wsproto is written in Python and, without its optional accelerator, masks
byte by byte; websockets masks in C.

What it doesn't know. What becomes of a message: no server, no ring, no kernel.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from math import inf, nan
from typing import NamedTuple

from sigil.core.websocket.frames import FrameRules, Opcode, encode_frame, encode_masked
from sigil.core.websocket.masking import apply_mask
from sigil.core.websocket.messages import BETWEEN_MESSAGES, receive_data

TERMS = FrameRules(2**24, 2**24)
KEY = bytes.fromhex("9dfa213d")
READ_LEN = 65_536
BATCH_S = 0.01
READS = (
    (16, 8),
    (125, 8),
    (128, 1),
    (128, 8),
    (130, 8),
    (1_024, 8),
    (4_096, 8),
    (4_096, 1),
    (65_536, 1),
    (2**20, 1),
)
"""(bytes of payload, frames in a read)"""


class Task(NamedTuple):
    """Something to do for one contestant; `frames` is how many frames one call handles."""

    row: str
    contestant: str
    frames: int
    call: Callable[[], object]


def payload_of(length: int) -> bytes:
    return (b'{"t": 1234.5, "x": [1, 2, 3], "name": "abcdefgh"}' * (length // 49 + 1))[:length]


def read_by_sigil(reads: list[bytes]) -> int:
    reader, count = BETWEEN_MESSAGES, 0
    for data in reads:
        reader, items, _ = receive_data(reader, data, TERMS)
        count += len(items)
    return count


def wsproto_reader() -> Callable[[list[bytes]], int]:
    from wsproto.frame_protocol import FrameProtocol

    protocol = FrameProtocol(client=False, extensions=[])

    def read(reads: list[bytes]) -> int:
        count = 0
        for data in reads:
            protocol.receive_bytes(data)
            for frame in protocol.received_frames():
                count += frame.message_finished
        return count

    return read


def websockets_reader() -> Callable[[list[bytes]], int]:
    from websockets.frames import Opcode as Opcodes
    from websockets.protocol import Protocol, Side, State

    protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=2**24)

    def read(reads: list[bytes]) -> int:
        count = 0
        for data in reads:
            protocol.receive_data(data)
            for event in protocol.events_received():
                _ = event.data.decode() if event.opcode is Opcodes.TEXT else event.data
                count += 1
        return count

    return read


def write_by_websockets(opcode: Opcode, payload: bytes) -> bytes:
    from websockets.frames import Frame
    from websockets.frames import Opcode as Opcodes

    return Frame(Opcodes(opcode), payload).serialize(mask=False)


def reading_tasks() -> list[Task]:
    readers: list[tuple[str, Callable[[list[bytes]], int]]] = [("sigil", read_by_sigil)]
    if find_spec("wsproto"):
        readers.append(("wsproto", wsproto_reader()))
    if find_spec("websockets"):
        readers.append(("websockets", websockets_reader()))
    tasks = []
    for opcode in (Opcode.TEXT, Opcode.BINARY):
        for length, count in READS:
            payload = payload_of(length)
            data = encode_masked(opcode, payload, KEY) * count
            row = f"read {opcode.name.lower()} {count} x {length}"
            tasks.append(Task(row, "floor", 1, partial(apply_mask, payload, KEY)))
            tasks += reading(row, readers, [data], count)
            if len(data) > READ_LEN * 2:
                pieces = [data[start : start + READ_LEN] for start in range(0, len(data), READ_LEN)]
                tasks += reading(f"{row} in {len(pieces)} reads", readers, pieces, count)
    return tasks


def reading(
    row: str,
    readers: list[tuple[str, Callable[[list[bytes]], int]]],
    reads: list[bytes],
    count: int,
) -> list[Task]:
    """One row, each reader having shown that it finds all the messages."""
    for name, read in readers:
        if read(reads) != count:
            raise SystemExit(f"{name} does not find {count} messages in {row}")
    return [Task(row, name, count, partial(read, reads)) for name, read in readers]


def writing_tasks() -> list[Task]:
    tasks = []
    for length in (16, 128, 4_096, 65_536, 2**20):
        payload, row = payload_of(length), f"write text 1 x {length}"
        tasks.append(Task(row, "sigil", 1, partial(encode_frame, Opcode.TEXT, payload)))
        if find_spec("websockets"):
            tasks.append(
                Task(row, "websockets", 1, partial(write_by_websockets, Opcode.TEXT, payload))
            )
    return tasks


def cost_us(task: Task, calls: int) -> float:
    """CPU microseconds per frame, over so many calls."""
    call = task.call
    begin = time.process_time_ns()
    for _ in range(calls):
        call()
    return (time.process_time_ns() - begin) / 1000 / calls / task.frames


def calls_in_a_batch(task: Task) -> int:
    """How many calls take about as long as a batch should."""
    begin = time.perf_counter()
    task.call()
    return max(1, min(5_000, int(BATCH_S / (time.perf_counter() - begin + 1e-9))))


def measure(tasks: list[Task], rounds: int) -> dict[tuple[str, str], float]:
    best = {(task.row, task.contestant): inf for task in tasks}
    calls = [calls_in_a_batch(task) for task in tasks]
    for _ in range(rounds):
        for task, count in zip(tasks, calls, strict=True):
            key = task.row, task.contestant
            best[key] = min(best[key], cost_us(task, count))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU microseconds per WebSocket frame")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = max(1, parser.parse_args().rounds)
    tasks = reading_tasks() + writing_tasks()
    best = measure(tasks, rounds)
    contestants = list(dict.fromkeys(task.contestant for task in tasks))
    print(
        f"CPU microseconds per frame, minimum of {rounds} rounds, "
        f"{platform.python_implementation()} {platform.python_version()}\n"
    )
    print(f"{'':36}" + "".join(f"{name:>12}" for name in contestants))
    for row in dict.fromkeys(task.row for task in tasks):
        figures = (best.get((row, name), nan) for name in contestants)
        print(
            f"{row:36}"
            + "".join(f"{'-' if figure != figure else f'{figure:.3f}':>12}" for figure in figures)
        )


if __name__ == "__main__":
    main()
