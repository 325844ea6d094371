"""The load in Python: load.c for machines without a compiler, with the same arguments, checks and
conversation.

It costs the machine about as much as the server it measures, which on one core slows the run and
never changes what is counted: only the server's own CPU time is. It waits asleep, not in a spin, so
here a server's send may pay for waking it; compare such a table only with another of its kind (the
harness prints which load it used).
"""

from __future__ import annotations

import re
import select
import signal
import socket
import sys
from itertools import count
from typing import NamedTuple

COUNTER_DIGITS = 10
STATUS = b"HTTP/1.1 200 "
BODY = b"hello, world\n"
RECEIVE_SZ = 1 << 16


class Task(NamedTuple):
    port: int
    conn_cnt: int
    depth: int
    warm_batch_cnt: int
    batch_cnt: int
    counter_offset: int
    life_s: int
    request: bytes


class Tally(NamedTuple):
    response_cnt: int
    received_sz: int


def dial(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def learn_response_sz(sock: socket.socket, request: bytes) -> int:
    """The length of the first response, read to its end, which every later one must share."""
    sock.sendall(request)
    got = b""
    while True:
        data = sock.recv(RECEIVE_SZ)
        if not data:
            raise SystemExit("load: first response: closed")
        got += data
        head, found, body = got.partition(b"\r\n\r\n")
        field = re.search(rb"(?i)\r\ncontent-length:[ \t]*([0-9]+)", head)
        if found and not field:
            raise SystemExit("load: no content-length")
        if found and field and len(body) >= int(field[1]):
            return len(head) + 4 + int(field[1])


def check(response: bytes) -> None:
    if not response.startswith(STATUS):
        raise SystemExit(f"load: status: {response[:64]!r}")
    if not response.endswith(BODY):
        raise SystemExit(f"load: body: {response[-64:]!r}")


class Load:
    """Connections by descriptor, and what each still owes: the response bytes of its batch in
    flight.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.counter = count()
        first = dial(task.port)
        self.response_sz = learn_response_sz(first, task.request)
        socks = [first, *(dial(task.port) for _ in range(task.conn_cnt - 1))]
        self.socks = {sock.fileno(): sock for sock in socks}
        self.got = dict.fromkeys(self.socks, b"")
        self.epoll = select.epoll()
        for fd in self.socks:
            self.epoll.register(fd, select.EPOLLIN)

    def batch(self) -> bytes:
        request, at = self.task.request, self.task.counter_offset
        if at < 0:
            return request * self.task.depth
        before, after = request[:at], request[at + COUNTER_DIGITS :]
        return b"".join(
            b"%s%010d%s" % (before, next(self.counter), after) for _ in range(self.task.depth)
        )

    def receive(self, fd: int) -> tuple[int, bool]:
        """How many bytes came, and whether the batch is answered in full (and then each response
        was checked).
        """
        data = self.socks[fd].recv(RECEIVE_SZ)
        if not data:
            raise SystemExit("load: closed by the server")
        got = self.got[fd] + data
        owed_sz = self.response_sz * self.task.depth
        if len(got) > owed_sz:
            raise SystemExit("load: more bytes than asked for")
        done = len(got) == owed_sz
        if done:
            for at in range(0, owed_sz, self.response_sz):
                check(got[at : at + self.response_sz])
        self.got[fd] = b"" if done else got
        return len(data), done

    def run(self, batch_cnt: int) -> Tally:
        busy = list(self.socks)[:batch_cnt]
        for fd in busy:
            self.socks[fd].sendall(self.batch())
        busy_cnt, left_cnt, response_cnt, received_sz = len(busy), batch_cnt - len(busy), 0, 0
        while busy_cnt:
            for fd, _ in self.epoll.poll():
                data_sz, done = self.receive(fd)
                received_sz += data_sz
                if not done:
                    continue
                response_cnt += self.task.depth
                if left_cnt:
                    left_cnt -= 1
                    self.socks[fd].sendall(self.batch())
                else:
                    busy_cnt -= 1
        return Tally(response_cnt, received_sz)


def main(arguments: list[str]) -> None:
    port, conn_cnt, depth, warm_batch_cnt, batch_cnt, counter_offset, life_s = map(
        int, arguments[:7]
    )
    request = arguments[7].encode("ascii")
    task = Task(port, conn_cnt, depth, warm_batch_cnt, batch_cnt, counter_offset, life_s, request)
    signal.alarm(task.life_s)
    load = Load(task)
    load.run(task.warm_batch_cnt)
    print("ready", load.response_sz, flush=True)
    if not sys.stdin.readline():
        return
    print("done", *load.run(task.batch_cnt), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
