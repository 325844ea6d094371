"""A proxy that does to connections what networks and other proxies do: it swallows their bytes,
stalls, cuts them, is gone, refuses WebSockets, or holds answers back.

Theory: bytes that are swallowed, and no end told, are what a network does whose route is gone, a
laptop that was closed, a NAT that has forgotten: both ends go on believing. A reset is what a
restarted router does, an upgrade that is answered 502 or never, or a response that is held back
until it ends, is what HTTP proxies do. Each can be told to happen to the connections that there
are, or to those to come.

Rules: one thread with an asyncio loop; everything it has is gone at the end. It does not know what
the bytes mean, but for the first head of a connection, when it refuses upgrades.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.servers import HOST

REFUSAL = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class SilentProxy:
    """A proxy to a port of this machine, which can be told what to do."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._epoch = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0
        self.is_gone = False
        """Nothing comes through, also over connections to come."""
        self.refuses_upgrades = False
        self.swallows_websockets = False
        """Handshakes come through, and nothing behind them."""
        self.buffers = False
        """Event streams are held back until they end."""

    def fall_silent(self) -> None:
        """Swallow all that comes over the connections there are."""
        self._epoch += 1

    def cut(self) -> None:
        """Reset the connections there are."""
        self._call(lambda: [writer.transport.abort() for writer in list(self._writers)])

    def stall(self) -> None:
        """Carry nothing until `resume`, and lose nothing."""
        self._call(self._flows.clear)

    def resume(self) -> None:
        """Carry what has come meanwhile, and go on."""
        self._call(self._flows.set)

    def _call(self, function: Callable[[], object]) -> None:
        """Call it on the thread of the loop, and wait until it has returned."""
        done = threading.Event()
        assert self._loop is not None
        self._loop.call_soon_threadsafe(lambda: (function(), done.set()))
        assert done.wait(30)

    async def serve(self, started: threading.Event, ended: asyncio.Event) -> None:
        """Take connections until the end."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._take, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        async with server:
            await ended.wait()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes between a client and the target."""
        epoch = self._epoch
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            is_upgrade = b"upgrade: websocket" in head.lower()
            if is_upgrade and self.refuses_upgrades:
                writer.write(REFUSAL)
                writer.close()
                return
            back_reader, back_writer = await asyncio.open_connection(HOST, self._target)
            self._writers.add(back_writer)
            await self._pass(head, back_writer, epoch)
            if is_upgrade and self.swallows_websockets:
                await self._pass(await back_reader.readuntil(b"\r\n\r\n"), writer, epoch)
                epoch = -1
            await asyncio.gather(
                self._carry(reader, back_writer, epoch),
                self._carry(
                    back_reader, writer, epoch, holds=self.buffers and b"text/event-stream" in head
                ),
            )
        self._writers.discard(writer)

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        epoch: int,
        *,
        holds: bool = False,
    ) -> None:
        """Carry bytes one way."""
        held = b""
        with suppress(OSError):
            while data := await reader.read(65_536):
                held += data
                if not holds:
                    await self._pass(held, writer, epoch)
                    held = b""
            await self._pass(held, writer, epoch)
        if epoch == self._epoch and not self.is_gone:
            writer.close()
        self._writers.discard(writer)

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, epoch: int) -> None:
        """Pass bytes on, as long as the proxy was not told to swallow them since `epoch`."""
        await self._flows.wait()
        if epoch == self._epoch and not self.is_gone:
            writer.write(data)


@contextmanager
def silent_proxy(target: int) -> Iterator[SilentProxy]:
    """A proxy to this port, in a thread."""
    proxy, started = SilentProxy(target), threading.Event()
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        loop.run_until_complete(proxy.serve(started, ended))
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(30)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
