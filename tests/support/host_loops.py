"""Every loop that a server or a client can be hosted in, with a timer of it that calls the test.

Theory: what is to be shown of a host is what happens between two turns of the loop that it is in,
so the test is called by that loop: once in `interval` seconds, by the timer that a program in it
would use, until it says that it has seen enough. Tests and benches run the same functions.

Rules: each returns when the server has ended, or the client was closed. Libraries are imported when
their loop is run. It does not know what is looked at.
"""

import atexit
import gc
import os
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import sigil.hosts.asyncio
import sigil.hosts.matplotlib
import sigil.hosts.poll
import sigil.hosts.pygame
import sigil.hosts.qt
import sigil.hosts.tk
import sigil.hosts.trio
import sigil.hosts.trio_guest
from sigil.client import Client
from sigil.hosts.hosting import Hosted, begin, begin_end, end_now, is_running, seconds_left
from sigil.hosts.pygame import tick_until
from tests.tools import need, need_module

Frame = Callable[[], bool]
"""Called by the loop; False when it has seen enough."""
Loop = Callable[[Hosted, Frame, float], None]
"""A loop, which is run until the server or the client in it has ended."""


async def _in_asyncio(server: Hosted, frame: Frame, interval: float) -> None:
    import asyncio

    if isinstance(server, Client):
        async with server:
            while is_running(server) and frame():
                await asyncio.sleep(interval)
        return
    serving = asyncio.create_task(sigil.hosts.asyncio.serve(server))
    while not serving.done() and frame():
        await asyncio.sleep(interval)
    begin_end(server)
    await serving


def run_asyncio(server: Hosted, frame: Frame, interval: float) -> None:
    import asyncio

    asyncio.run(_in_asyncio(server, frame, interval))


def run_uvloop(server: Hosted, frame: Frame, interval: float) -> None:
    import uvloop

    uvloop.run(_in_asyncio(server, frame, interval))


async def _in_trio(server: Hosted, frame: Frame, interval: float) -> None:
    import trio

    async with trio.open_nursery() as nursery:
        await nursery.start(sigil.hosts.trio.serve, server)
        await _frames_in_trio(server, frame, interval)
        begin_end(server)


async def _frames_in_trio(server: Hosted, frame: Frame, interval: float) -> None:
    import trio

    while is_running(server) and frame():
        await trio.sleep(interval)


def run_trio(server: Hosted, frame: Frame, interval: float) -> None:
    import trio

    trio.run(_in_trio, server, frame, interval)


def run_trio_on_asyncio(server: Hosted, frame: Frame, interval: float) -> None:
    """trio is the guest of asyncio, and the server is in trio."""
    import asyncio

    import trio

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            _in_trio,
            server,
            frame,
            interval,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=done.set_result,
        )
        (await done).unwrap()

    asyncio.run(main())


def run_trio_guest(server: Hosted, frame: Frame, interval: float) -> None:
    """trio is the guest of the server."""
    sigil.hosts.trio_guest.run(server, _frames_in_trio, server, frame, interval)


def run_qt(server: Hosted, frame: Frame, interval: float) -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QTimer
    from PySide6.QtGui import QGuiApplication

    app = QGuiApplication.instance() or QGuiApplication([])
    sigil.hosts.qt.attach(server, on_end=app.quit)
    timer = QTimer()
    timer.timeout.connect(lambda: frame() or app.quit())
    timer.start(round(interval * 1_000))
    app.exec()
    timer.stop()


@cache
def need_display() -> None:
    """Sets DISPLAY to one that nobody sees, for what is made with tkinter. It lasts as long as the
    process: Tk keeps its connection when windows are destroyed, and an X client whose display goes
    away ends its process.
    """
    need_module("tkinter")
    end, ours = os.pipe()
    screen = ("-nolisten", "tcp", "-screen", "0", "64x64x24")
    command = [need("Xvfb"), "-displayfd", str(ours), *screen]
    server = subprocess.Popen(command, pass_fds=[ours], stderr=subprocess.DEVNULL)
    atexit.register(server.terminate)
    os.close(ours)
    with open(end, "rb") as told:
        os.environ["DISPLAY"] = f":{told.readline().decode().strip()}"


def _let_go(run: Loop) -> Loop:
    """The loop; windows of it that are in cycles are collected by the thread that made them, and by
    no other: Tcl would end the process.
    """

    def run_and_collect(server: Hosted, frame: Frame, interval: float) -> None:
        gc.disable()
        try:
            run(server, frame, interval)
        finally:
            gc.collect()
            gc.enable()

    return run_and_collect


@_let_go
def run_tk(server: Hosted, frame: Frame, interval: float) -> None:
    import tkinter

    need_display()
    root = tkinter.Tk()

    def due() -> None:
        if frame():
            root.after(round(interval * 1_000), due)
        else:
            root.destroy()

    sigil.hosts.tk.attach(server, root, on_end=root.destroy)
    root.after(0, due)
    try:
        root.mainloop()
    finally:
        with suppress(tkinter.TclError):  # it is destroyed
            root.destroy()


@_let_go
def run_matplotlib(server: Hosted, frame: Frame, interval: float) -> None:
    import matplotlib

    need_display()
    matplotlib.use("TkAgg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(1, 1))
    window = figure.canvas.get_tk_widget()

    def due() -> None:
        if frame():
            axes.set_title("drawn")
            figure.canvas.draw_idle()
            window.after(round(interval * 1_000), due)
        else:
            pyplot.close(figure)

    sigil.hosts.matplotlib.attach(server, figure, on_end=lambda: pyplot.close(figure))
    window.after(0, due)
    try:
        pyplot.show()
    finally:
        pyplot.close(figure)


def run_pygame(server: Hosted, frame: Frame, interval: float) -> None:
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import pygame

    pygame.display.init()
    screen = pygame.display.set_mode((64, 64))
    for _ in sigil.hosts.pygame.frames(server, fps=1 / interval):
        screen.fill("black")
        if not frame():
            pygame.event.post(pygame.event.Event(pygame.QUIT))
        pygame.display.flip()
    pygame.display.quit()


class Ticker:
    """A timer for a loop that has none, as one more that is hosted."""

    def __init__(self, frame: Frame, interval: float, on_end: Callable[[], object]) -> None:
        self._frame, self._interval, self._on_end = frame, interval, on_end
        self._at = time.monotonic()
        self._ends = socket.socketpair()
        self.running = True

    def fileno(self) -> int:
        return self._ends[0].fileno()

    def next_deadline(self) -> float:
        return self._at

    def tick(self, timeout: float, /) -> bool:
        self._at += self._interval
        if self.running and not self._frame():
            self.close()
            self._on_end()
        return True

    def close(self) -> None:
        self.running = False
        for end in self._ends:
            end.close()


def run_poll(server: Hosted, frame: Frame, interval: float) -> None:
    sigil.hosts.poll.serve(server, Ticker(frame, interval, lambda: begin_end(server)))


@contextmanager
def ending(server: Hosted) -> Iterator[None]:
    """The server has ended behind this."""
    try:
        yield
    finally:
        end_now(server)


def run_loop(server: Hosted, frame: Frame, interval: float) -> None:
    """A game without a library: one tick a frame, which waits for the next frame."""
    begin(server)
    due_at = time.monotonic()
    with ending(server):
        while is_running(server) and frame():
            due_at = max(due_at + interval, time.monotonic())
            tick_until(server, due_at)


def run_select(server: Hosted, frame: Frame, interval: float) -> None:
    """A loop that a program has written for itself: it waits for the descriptor, or the frame."""
    begin(server)
    frame_at = time.monotonic()
    with ending(server):
        while is_running(server):
            if time.monotonic() >= frame_at:
                frame_at += interval
                if not frame():
                    begin_end(server)
                    continue
            left, seconds = frame_at - time.monotonic(), seconds_left(server)
            wait = max(0.0, left if seconds is None else min(left, seconds))
            if select.select([server], [], [], wait)[0] or seconds_left(server) == 0.0:
                server.tick(0.0)


LOOPS: dict[str, Loop] = {
    "asyncio": run_asyncio,
    "uvloop": run_uvloop,
    "trio": run_trio,
    "trio on asyncio": run_trio_on_asyncio,
    "trio as a guest": run_trio_guest,
    "qt": run_qt,
    "tk": run_tk,
    "matplotlib": run_matplotlib,
    "pygame": run_pygame,
    "poll": run_poll,
    "select": run_select,
    "game loop": run_loop,
}
