"""A proxy that goes silent: bytes are swallowed from then on, and no end is told.

Theory: that is what a network does whose route is gone, a laptop that was closed, a NAT that has
forgotten: both ends go on believing. Connections that come later are served again.

Rules: one thread with an asyncio loop; everything it has is gone at the end. It does not know what
the bytes mean.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.servers import HOST


class SilentProxy:
    """A proxy to a port of this machine, which can be told to swallow."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._epoch = 0
        self.port = 0

    def fall_silent(self) -> None:
        """Swallow all that comes over the connections there are."""
        self._epoch += 1

    async def serve(self, started: threading.Event, ended: asyncio.Event) -> None:
        """Take connections until the end."""
        server = await asyncio.start_server(self._take, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        async with server:
            await ended.wait()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes between a client and the target."""
        epoch = self._epoch
        back_reader, back_writer = await asyncio.open_connection(HOST, self._target)
        await asyncio.gather(
            self._carry(reader, back_writer, epoch), self._carry(back_reader, writer, epoch)
        )

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, epoch: int
    ) -> None:
        """Carry bytes one way, as long as the proxy was not told to be silent since `epoch`."""
        while data := await reader.read(65_536):
            if epoch == self._epoch:
                writer.write(data)
        if epoch == self._epoch:
            writer.close()


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
