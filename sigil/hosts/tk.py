"""A server in a Tk application: tkinter.

    root = tkinter.Tk()
    sigil.hosts.tk.attach(server, root)
    root.mainloop()

Theory: Tk calls back when a descriptor is readable (`createfilehandler`) and when a time is over
(`after`). Handlers and callbacks run on the thread of the window, between two of its events, so
they may touch what is shown.

Rules: when the window is destroyed, the server is stopped at once. What leaves a tick (a
`SystemExit`, say) leaves `mainloop`. Where Tk has no file handlers, which is on Windows, it cannot
be attached.
"""

from collections.abc import Callable
from typing import Any

from .hosting import CallbackHost, Hosted, milliseconds


def attach(hosted: Hosted, root: Any, on_end: Callable[[], object] | None = None) -> "TkHost":
    """Have the window `root` tick a server, which listens from now on, until it has ended, when
    `on_end` is called (`root.destroy`, say); `detach()` of what is returned leaves it to itself.

    OSError if the server cannot listen.
    """
    return TkHost(hosted, root, on_end)


class TkHost(CallbackHost):
    """A server that a Tk application ticks."""

    def __init__(self, hosted: Hosted, root: Any, on_end: Callable[[], object] | None) -> None:
        self._root = root
        self._timer: str | None = None
        self._descriptor = -1
        super().__init__(hosted, on_end)
        root.bind("<Destroy>", self._on_destroy, add=True)

    def _on_destroy(self, event: Any) -> None:
        if event.widget is self._root:  # not something within it
            self.end()

    def _watch(self, descriptor: int) -> None:
        import tkinter

        self._descriptor = descriptor
        self._root.tk.createfilehandler(descriptor, tkinter.READABLE, self.tick)

    def _unwatch(self) -> None:
        self._call_in(None)
        self._root.tk.deletefilehandler(self._descriptor)

    def _call_in(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._root.after_cancel(self._timer)
        self._timer = (
            None if seconds is None else self._root.after(milliseconds(seconds), self._due)
        )

    def _due(self) -> None:
        self._timer = None
        self.tick()
