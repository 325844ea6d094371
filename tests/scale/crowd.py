"""A crowd of real clients in one process, and the line to the server they are clients of.

Theory: a client is a socket and a position in what it must be sent. One epoll serves all of them;
whoever has come to the end of what was said is done, and when all who read are, the tick is over.

Rules: a byte that is not the next one of the script is an AssertionError, and so are an end that
was not expected and whatever takes longer than `PATIENCE_SECONDS`. Source addresses are spread over
127.0.0.2 and those behind it, because one address has some 28,000 ports. It does not know what is
measured.
"""

import contextlib
import json
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.scale.script import NO_TOPICS, Batch, Script, Topics

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
SOURCE_CNT = 50
GROUP = 250
"""Clients that join or leave at the same time: fewer than the backlog of any kernel."""

PATIENCE_SECONDS = 60.0
LIFE_SECONDS = 300
"""No server outlives this, whatever becomes of those who started it."""

RECEIVE_LEN = 1 << 18
KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""Of RFC 6455 section 1.3."""

CLOSE, CLOSED = b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x02\x03\xe8"
"""A close frame with code 1000, masked with zeros, and the answer to it."""

SPARE_DESCRIPTORS = 200


def raise_descriptor_limit(count: int) -> str:
    """Raise this process's limit as far as it goes; why `count` sockets are too many for it, or
    nothing.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most != resource.RLIM_INFINITY and most < count + SPARE_DESCRIPTORS:
        return f"a process may have {most} descriptors, and {count + SPARE_DESCRIPTORS} are needed"
    return ""


class Member:
    """A client: `broadcast` is what it must be sent, from `start`, and `at` is how far
    it has come.
    """

    __slots__ = ("at", "has_ended", "reads", "sock", "start", "stream", "topics")

    def __init__(self, sock: socket.socket, topics: Topics, stream: bytearray, reads: bool) -> None:
        self.sock = sock
        self.topics = topics
        self.stream = stream
        self.start = self.at = len(stream)
        self.reads = reads
        self.has_ended = False

    def take(self, most: int) -> int:
        """Receive up to so many bytes, which must be the next ones; how many came."""
        try:
            data = self.sock.recv(most)
        except BlockingIOError:
            return 0
        except ConnectionError:
            data = b""
        self.has_ended = not data
        assert self.stream.startswith(data, self.at), (
            f"other bytes than those due at {self.at}: {data[:60]!r}"
        )
        self.at += len(data)
        return len(data)

    @property
    def is_done(self) -> bool:
        """True if all that was said has come."""
        return self.at == len(self.stream)


class Crowd:
    """All clients of one server, what they are to hear, and who has not heard it yet."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.script = Script()
        self.members: dict[int, Member] = {}
        self.waiting: set[int] = set()
        self.lines: list[str] = []
        """What the server has logged, as far as it was reported."""
        self._process = process
        self._epoll = select.epoll()
        self._dialled = 0
        self.port = int(self._answer()["port"])
        self.descriptors_at_first = self.ask(descriptors=None)

    # -- the line to the server --------------------------------------------------------------------

    def order(self, **orders: object) -> None:
        """Give an order that has no answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(orders).encode() + b"\n")
        self._process.stdin.flush()

    def ask(self, **orders: object) -> dict[str, Any]:
        """Give an order, and the answer."""
        self.order(**orders)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer = json.loads(self._process.stdout.readline() or "null")
        assert isinstance(answer, dict), "the server has ended"
        return answer

    def report(self) -> dict[str, Any]:
        """The server's figures since the last report."""
        report = self.ask(report=None)
        self.lines += report["lines"]
        return report

    def report_when(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first report of which this is true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            report = self.report()
            if is_so(report):
                return report
            assert time.monotonic() < deadline, f"it never came to be: {report}"

    # -- who is there ------------------------------------------------------------------------------

    def join(
        self, topics_of_each: Iterable[Topics], reads: bool = True, receive_buffer: int = 0
    ) -> list[Member]:
        """So many more clients; those who do not read are read by `Member.take` alone."""
        wanted, joined = list(topics_of_each), []
        for first in range(0, len(wanted), GROUP):
            group = [
                (self._dial(topics, receive_buffer), topics)
                for topics in wanted[first : first + GROUP]
            ]
            for sock, topics in group:
                read_handshake(sock)
                member = Member(sock, topics, self.script.stream(topics), reads)
                joined.append(member)
                if reads:
                    self.members[sock.fileno()] = member
                    self._epoll.register(sock, select.EPOLLIN)
        return joined

    def wait_for_members(self, count: int) -> dict[str, Any]:
        """The report in which so many are where the head is, and nobody else is there."""
        return self.report_when(lambda report: report["members"] == report["slots"] == count)

    def join_all(self, count: int) -> list[Member]:
        """So many more clients that hear what is for everybody."""
        return self.join([NO_TOPICS] * count)

    def _dial(self, topics: Topics, receive_buffer: int) -> socket.socket:
        """A connection on which the upgrade is asked for."""
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._dialled += 1
        sock.bind((f"127.0.0.{2 + self._dialled % SOURCE_CNT}", 0))
        sock.settimeout(PATIENCE_SECONDS)
        sock.connect((HOST, self.port))
        sock.sendall(
            b"GET /%s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n"
            % (".".join(sorted(topics)).encode(), KEY)
        )
        return sock

    def leave(self, leaving: Sequence[Member]) -> None:
        """Close these as RFC 6455 section 7 has it: our close frame, theirs, and the end of the
        connection.
        """
        for first in range(0, len(leaving), GROUP):
            group = leaving[first : first + GROUP]
            for member in group:
                member.sock.send(CLOSE)
            for member in group:
                self.forget(member)
                read_close(member.sock)

    def forget(self, member: Member) -> None:
        """One that is not waited for any more."""
        if self.members.pop(member.sock.fileno(), None) is not None:
            self._epoll.unregister(member.sock)

    # -- what they hear ----------------------------------------------------------------------------

    def tick(self, *batches: Batch) -> None:
        """Have the server say these in one tick, and wait until all who read have everything."""
        for batch in batches:
            self.script.say(batch)
        self.waiting = {number for number, member in self.members.items() if not member.is_done}
        self.order(publish=batches)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.waiting:
            for number, _ in self._epoll.poll(1.0):
                member = self.members[number]
                member.take(RECEIVE_LEN)
                assert not member.has_ended, (
                    "the server closed the connection of a client that reads"
                )
                if member.is_done:
                    self.waiting.discard(number)
            assert time.monotonic() < deadline, (
                f"{len(self.waiting)} clients did not receive everything"
            )

    def expect_silence(self, seconds: float = 0.0) -> None:
        """Nobody who reads is sent more than was said, for so long."""
        assert self._epoll.poll(seconds) == []
        assert all(member.is_done for member in self.members.values())

    def close(self) -> None:
        """Let go of every socket."""
        for member in self.members.values():
            member.sock.close()
        self._epoll.close()


def read_handshake(sock: socket.socket) -> None:
    """Receive the answer to the upgrade, which must be right and the last thing that
    comes for now.
    """
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = sock.recv(4_096)
        assert data, f"no upgrade: {answer!r}"
        answer += data
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    assert ACCEPT in answer, answer
    assert answer.endswith(b"\r\n\r\n"), "bytes behind the handshake"
    sock.setblocking(False)


def read_close(sock: socket.socket) -> None:
    """Receive the close frame and the end, and nothing else."""
    sock.settimeout(PATIENCE_SECONDS)
    received = b""
    while data := sock.recv(4_096):
        received += data
    assert received == CLOSED, received
    sock.close()


@contextmanager
def crowd_of(**limits: object) -> Iterator[Crowd]:
    """A server within these limits, in a process of its own, and nobody there yet."""
    bounds = {"ws_ping_interval": 3_600.0, **limits}
    command = (sys.executable, "-m", "tests.scale.subject", str(LIFE_SECONDS), json.dumps(bounds))
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            with contextlib.closing(Crowd(process)) as crowd:
                yield crowd
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(PATIENCE_SECONDS) == 0
        finally:
            process.kill()
