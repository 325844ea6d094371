"""What this process takes of its machine, as far as the system tells.

Theory: the figures of a server say what it holds; whether that is all that the process takes, only
the system knows. On Linux it says so in files, elsewhere less.

Rules: whatever cannot be read is None. It does not know what the figures are compared with.
"""

import os
import time
from contextlib import suppress

from ...core.views.metrics import ProcessFigures

_STARTED_AT = time.time()
"""When this module was imported, which is about when the process began."""


def process_figures() -> ProcessFigures:
    """What the process takes now."""
    resident = open_fds = None
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/self/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        open_fds = len(os.listdir("/proc/self/fd"))
    return ProcessFigures(time.process_time(), resident, open_fds, _STARTED_AT)
