"""A server behind a figure of matplotlib that is shown in a window.

    figure, axes = pyplot.subplots()
    sigil.hosts.matplotlib.attach(server, figure)
    pyplot.show()

Theory: a figure in a window is part of the application of some toolkit, and that is the loop: Qt
or Tk. Animations go on as ever, and requests are answered between two of their frames.

Rules: a figure without a window has no loop. When the window is closed, so is the server. It does
not know what is drawn.
"""

from collections.abc import Callable
from typing import Any

from . import qt, tk
from .hosting import CallbackHost, Hosted


def attach(hosted: Hosted, figure: Any, on_end: Callable[[], object] | None = None) -> CallbackHost:
    """Have the window of a figure tick a server, which listens from now on, until it has ended,
    when `on_end` is called; `detach()` of what is returned leaves it to itself.

    RuntimeError for a figure that is in no window of Qt or Tk, OSError if the server cannot listen.
    """
    canvas = figure.canvas
    if hasattr(canvas, "get_tk_widget"):
        return tk.attach(hosted, canvas.get_tk_widget().winfo_toplevel(), on_end)
    if hasattr(canvas, "keyPressEvent"):
        host = qt.attach(hosted, on_end)
        canvas.mpl_connect("close_event", host.end)
        return host
    raise RuntimeError(f"the figure is in no window of Qt or Tk, but in a {type(canvas).__name__}")
