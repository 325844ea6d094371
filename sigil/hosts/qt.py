"""A server in a Qt application: PySide6, or PyQt6.

    app = QApplication([])
    sigil.hosts.qt.attach(server)
    app.exec()

Theory: Qt calls back when a descriptor is readable (`QSocketNotifier`) and when a time is over
(`QTimer`). Handlers and callbacks run on the thread of the application, between two of its events,
so they may touch what is shown.

Rules: the binding that the program has imported is used. When the application quits, the server is
stopped at once. What leaves a tick (a `SystemExit`, say) is printed by Qt, as of every slot.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from .hosting import CallbackHost, Hosted, milliseconds

BINDINGS = ("PySide6", "PyQt6")


def attach(hosted: Hosted, on_end: Callable[[], object] | None = None) -> "QtHost":
    """Have the application tick a server, which listens from now on, until it has ended, when
    `on_end` is called (`app.quit`, say); `detach()` of what is returned leaves it to itself.

    ImportError without PySide6 and PyQt6, RuntimeError without an application, OSError if the
    server cannot listen.
    """
    return QtHost(hosted, on_end)


class QtHost(CallbackHost):
    """A server that a Qt application ticks."""

    def __init__(self, hosted: Hosted, on_end: Callable[[], object] | None) -> None:
        self._core = core = _qt_core()
        application = core.QCoreApplication.instance()
        if application is None:
            raise RuntimeError("there is no Qt application yet: make one before attach()")
        self._timer = core.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setTimerType(core.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        self._notifier: Any = None
        super().__init__(hosted, on_end)
        application.aboutToQuit.connect(self.end)

    def _watch(self, descriptor: int) -> None:
        notifier = self._core.QSocketNotifier
        self._notifier = notifier(descriptor, notifier.Type.Read)
        self._notifier.activated.connect(self.tick)

    def _unwatch(self) -> None:
        self._notifier.setEnabled(False)
        self._timer.stop()

    def _call_in(self, seconds: float | None) -> None:
        if seconds is None:
            self._timer.stop()
        else:
            self._timer.start(milliseconds(seconds))


def _qt_core() -> Any:
    """The module `QtCore` of the binding that is there; one that was imported comes first."""
    names = sorted(BINDINGS, key=lambda name: name not in sys.modules)
    for name in names:
        try:
            return import_module(f"{name}.QtCore")
        except ImportError:
            continue
    raise ImportError("neither PySide6 nor PyQt6 is installed")
