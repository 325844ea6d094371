"""The load of compressed broadcasts: it inflates what comes and compares every byte.

    python -m tests.bench.deflate_load PORT CONNECTIONS DEPTH PAYLOAD_SZ WARM_CNT RUN_CNT CONTROL
        LIFE_S

Theory: the connections offer `permessage-deflate` and only read. A byte written to the descriptor
CONTROL orders one tick of DEPTH messages to everyone; the next is ordered when all of them have
come to all.

Rules: the conversation with the harness is that of native/websocket_load.c. A server that keeps its
window is read with one that is kept, as RFC 7692 section 7.2.2 has it. A message that comes
uncompressed is an error: then nothing would be measured. It does not measure.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import zlib
from itertools import islice

from .programs.orders import HOST, documents

RECEIVE_SZ = 1 << 16
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SQUEEZED_TEXT = 0xC1
BLOCK_END = b"\x00\x00\xff\xff"


class Reader:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection((HOST, port))
        self.sock.sendall(REQUEST)
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        if not head.startswith(b"HTTP/1.1 101 ") or b"permessage-deflate" not in head:
            raise SystemExit("load: no compression was agreed on")
        self.keeps_window = b"server_no_context_takeover" not in head
        self.inflater = zlib.decompressobj(-15)

    def _more(self) -> bytes:
        data = self.sock.recv(RECEIVE_SZ)
        if not data:
            raise SystemExit("load: the connection ended")
        return data

    def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self.buffer += self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def read(self) -> bytes:
        """The next message, inflated."""
        first, length = self._take(2)
        if first != SQUEEZED_TEXT:
            raise SystemExit("load: a message came uncompressed")
        if length >= 126:
            length = int.from_bytes(self._take(2 if length == 126 else 8))
        message = self.inflater.decompress(self._take(length) + BLOCK_END)
        if not self.keeps_window:
            self.inflater = zlib.decompressobj(-15)
        return message


def main(arguments: list[str]) -> None:
    port, conn_cnt, depth, payload_sz, warm_cnt, run_cnt, control, life_s = map(int, arguments)
    signal.alarm(life_s)
    readers = [Reader(port) for _ in range(conn_cnt)]
    expected = documents(payload_sz)

    def run(count: int) -> int:
        received_sz = 0
        for _ in range(count):
            os.write(control, b"\0")
            for wanted in [document.encode() for document in islice(expected, depth)]:
                for reader in readers:
                    if reader.read() != wanted:
                        raise SystemExit("load: wrong answer")
                    received_sz += len(wanted)
        return received_sz

    run(warm_cnt)
    print("ready", flush=True)
    if not sys.stdin.readline():
        return
    print("done", run_cnt * depth * conn_cnt, run(run_cnt), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
