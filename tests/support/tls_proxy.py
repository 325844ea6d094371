"""A forward proxy that is spoken to over TLS: it makes tunnels, and answers everything else itself.

Theory: a client of such a proxy has TLS within TLS. This one is asyncio's, so that neither end of
the outer TLS is ours but the client's.

Rules: it wants the password `u:p`. It is in a thread of its own, whose end is waited for. It does
not look at what goes through a tunnel.
"""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.servers import HOST, PATIENCE

CREDENTIALS = b"Proxy-Authorization: Basic dTpw\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nby way."


class TlsProxy:
    """The proxy, while it is there: its port, and the heads that it was sent."""

    def __init__(self, cuts_off: bool) -> None:
        self.port = 0
        self.heads: list[bytes] = []
        self._cuts_off = cuts_off

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if CREDENTIALS not in head:
            writer.write(b"HTTP/1.1 407 Password\r\nContent-Length: 0\r\n\r\n")
        elif not head.startswith(b"CONNECT "):
            writer.write(ANSWER)
        else:
            await self._tunnel(head, reader, writer)

    async def _tunnel(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        port = int(head.split()[1].rpartition(b":")[2])
        server_reader, server_writer = await asyncio.open_connection(HOST, port)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        there = asyncio.create_task(pump(reader, server_writer))
        await pump(server_reader, writer)
        if self._cuts_off:
            writer.transport.abort()
        there.cancel()
        server_writer.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, no faster than it is taken, until the end."""
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


@contextmanager
def tls_proxy(context: ssl.SSLContext | None, *, cuts_off: bool = False) -> Iterator[TlsProxy]:
    """A proxy over TLS with this context, or in plain; with `cuts_off` it ends connections without
    TLS saying so.
    """
    proxy = TlsProxy(cuts_off)
    is_ready = threading.Event()
    loop = asyncio.new_event_loop()
    is_over = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(proxy.handle, HOST, 0, ssl=context)
        proxy.port = server.sockets[0].getsockname()[1]
        is_ready.set()
        await is_over.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert is_ready.wait(PATIENCE)
        yield proxy
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join(PATIENCE)
        loop.close()
