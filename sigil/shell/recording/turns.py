"""The turns of a recording in a file, as a sequence that is read when it is asked for.

Theory: a turn is found by its number with a search in the list of chunks; of its chunk all messages
are unpacked, and kept as long as its neighbours are asked for. Events are made of a turn when that
is asked for itself.

Rules: numbers begin with 1, and the turn with number `n` is at index `n - 1`. A chunk whose
checksum is another is a `RecordingError` that says where it is. It does not know what a turn means.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from struct import Struct
from struct import error as struct_error
from typing import Any, NamedTuple, overload
from zlib import crc32

from ...core.server.state import Server
from ...core.trace.events import read_event
from ...core.trace.plain import PlainError, Restorer
from ...core.trace.turn import Gap, Summary, Turn
from .batch import GAPS, TURNS
from .errors import RecordingError
from .mcap_scan import CHUNK_HEAD, ChunkPlace
from .packages import decompress, unpack

CHUNKS_KEPT = 4
"""So many chunks are kept unpacked: whoever compares two places goes to and fro."""
_RECORD = Struct("<BQ")
_MESSAGE = Struct("<BQHIQQ")
_MESSAGE_OPCODE = 5


class RawTurn(NamedTuple):
    """A turn as it is written: events, summaries, and what stands before it, if turns are missing
    there: how many, and a server.
    """

    events: Sequence[Any]
    effects: Any
    gap: Any
    at: int
    """When, in nanoseconds since 1970."""


class FileTurns(Sequence[Turn]):
    """The turns of a recording in a file."""

    def __init__(self, path: Path, chunks: Sequence[ChunkPlace], restorer: Restorer) -> None:
        self._path, self._restorer = path, restorer
        self._places: list[ChunkPlace] = []
        counts = []
        for place in chunks:
            count = place.counts.get(TURNS, 0)
            if not place.counts:  # it was cut off between a chunk and the index behind it
                count = len([0 for channel, _, _ in messages_of(path, place) if channel == TURNS])
            counts.append(count)
            self._places.append(place)
        self._ends = list(accumulate(counts))
        self._chunk = lru_cache(maxsize=CHUNKS_KEPT)(self._read_chunk)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Turn: ...

    @overload
    def __getitem__(self, index: slice) -> list[Turn]: ...

    def __getitem__(self, index: int | slice) -> Turn | list[Turn]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"there are {len(self)} turns, and none at {index}")
        return self._turn(number)

    def __iter__(self) -> Iterator[Turn]:
        return map(self._turn, range(len(self)))

    def time_of(self, index: int) -> float:
        """When the turn at this index was, in seconds since 1970."""
        return self._raw(index).at / 1e9

    def _raw(self, index: int) -> RawTurn:
        """The turn at an index, as it is written."""
        chunk = bisect_right(self._ends, index)
        before = self._ends[chunk - 1] if chunk else 0
        turns = self._chunk(chunk)
        if index - before >= len(turns):
            offset = self._places[chunk].offset
            text = f"the chunk at byte {offset} has fewer turns than its index says"
            raise RecordingError(f"{self._path} cannot be read: {text}")
        return turns[index - before]

    def _turn(self, index: int) -> Turn:
        """The turn at an index."""
        raw = self._raw(index)
        try:
            events = tuple([read_event(event, self._restorer) for event in raw.events])
            return Turn(index + 1, events, _summaries(raw.effects), self._gap(raw.gap))
        except (PlainError, TypeError, ValueError) as error:
            text = f"turn {index + 1} cannot be read: {error}"
            raise RecordingError(f"{self._path}: {text}") from error

    def _gap(self, raw: Any) -> Gap | None:
        """What is missing before a turn."""
        if raw is None:
            return None
        missed, plain = raw
        state = self._restorer.restore(plain)
        if not isinstance(state, Server):
            raise PlainError("what goes on behind a gap is no server")
        return Gap(missed, state)

    def _read_chunk(self, number: int) -> list[RawTurn]:
        """The turns of a chunk, and the gap before it, which is in a chunk of its own."""
        place = self._places[number]
        gap = None
        before = number - 1
        while before >= 0 and not self._count(before):
            gap = gap or _gap_of(messages_of(self._path, self._places[before]))
            before -= 1
        try:
            turns: list[RawTurn] = []
            for channel, at, data in messages_of(self._path, place):
                if channel == GAPS:
                    gap = unpack(data)
                elif channel == TURNS:
                    events, effects = unpack(data)
                    turns.append(RawTurn(events, effects, gap, at))
                    gap = None
        except (ValueError, TypeError) as error:
            if isinstance(error, RecordingError):
                raise
            raise RecordingError(_damaged(self._path, place, error)) from error
        return turns

    def _count(self, number: int) -> int:
        """How many turns are in a chunk."""
        return self._ends[number] - (self._ends[number - 1] if number else 0)


def _damaged(path: Path, place: ChunkPlace, error: Exception) -> str:
    """The sentence for a chunk that cannot be read."""
    return f"{path} cannot be read: the chunk at byte {place.offset} is damaged: {error}"


def _summaries(effects: Any) -> tuple[Summary, ...]:
    """Effects in short, as they were written; `PlainError` if they are none."""
    if not isinstance(effects, tuple) or not all(map(_is_summary, effects)):
        raise PlainError("its effects are none")
    return effects


def _is_summary(row: Any) -> bool:
    """True for what begins with the number of a kind."""
    return isinstance(row, tuple) and bool(row) and type(row[0]) is int


def _gap_of(messages: list[tuple[int, int, bytes]]) -> Any:
    """The last gap among some messages; None if there is none."""
    gaps = [data for channel, _, data in messages if channel == GAPS]
    return unpack(gaps[-1]) if gaps else None


def messages_of(path: Path, place: ChunkPlace) -> list[tuple[int, int, bytes]]:
    """The channel, the time and the data of each message of a chunk; RecordingError if it is
    damaged.
    """
    content = _content_of(path, place)
    messages, offset = [], 0
    while offset + _RECORD.size <= len(content):
        opcode, length = _RECORD.unpack_from(content, offset)
        end = offset + _RECORD.size + length
        if opcode == _MESSAGE_OPCODE:
            _, _, channel, _, at, _ = _MESSAGE.unpack_from(content, offset)
            messages.append((channel, at, content[offset + _MESSAGE.size : end]))
        offset = end
    return messages


def _content_of(path: Path, place: ChunkPlace) -> bytes:
    """What is in a chunk, decompressed and compared with its checksum."""
    data = _bytes_of(path, place)
    try:
        _, _, length, checksum = CHUNK_HEAD.unpack_from(data)
        if checksum != place.checksum:
            raise ValueError("it is not the one that was there when the recording was opened")
        start = CHUNK_HEAD.size + 4
        name_len = int.from_bytes(data[CHUNK_HEAD.size : start], "little")
        compressed = data[start + name_len + 8 :]
        if data[start : start + name_len] != b"zstd":
            raise ValueError("it is compressed in a way that is not known")
        content = decompress(compressed)
        if len(content) != length or crc32(content) != checksum:
            raise ValueError("its CRC-32 is not the one that was written")
    except (ValueError, struct_error) as error:
        raise RecordingError(_damaged(path, place, error)) from error
    return content


def _bytes_of(path: Path, place: ChunkPlace) -> bytes:
    """The bytes of a chunk, as they are in the file now."""
    length = place.length - _RECORD.size
    try:
        with path.open("rb") as file:
            file.seek(place.offset + _RECORD.size)
            data = file.read(length)
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) < length:
        text = f"it was cut off before byte {place.offset + place.length} since it was opened"
        raise RecordingError(f"{path} cannot be read: {text}")
    return data
