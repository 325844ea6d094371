"""Chromium for the tests: a page that is shown, or a browser that is driven by its own protocol.

Theory: a browser is the one client whose behaviour nobody here has written. A test either shows it
a page and asks the server what came, or drives it over the Chrome DevTools Protocol, whose address
it prints when it starts.

Rules: it has a profile of its own, and it and what it started are gone at the end, or after
`LIFE_SECONDS` whatever happens. It does not know what is on a page.
"""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from websockets.sync.client import ClientConnection, connect

from tests.tools import need

LIFE_SECONDS = 300.0

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--enable-precise-memory-info",
    "--remote-debugging-port=0",
)


@contextmanager
def _chromium(
    profile: Path, address: str, stderr: int, flags: tuple[str, ...] = ()
) -> Iterator["subprocess.Popen[str]"]:
    """The process of a browser that shows this page."""
    process = subprocess.Popen(
        (need("chromium"), *FLAGS, *flags, f"--user-data-dir={profile}", address),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    watchdog = threading.Timer(LIFE_SECONDS, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def browser_at(profile: Path, address: str, *flags: str) -> Iterator[None]:
    """A browser that shows this page."""
    with _chromium(profile, address, subprocess.DEVNULL, flags):
        yield


@contextmanager
def driven_browser(profile: Path) -> Iterator[ClientConnection]:
    """The DevTools connection of a browser."""
    with _chromium(profile, "about:blank", subprocess.PIPE) as process:
        assert process.stderr is not None
        with process.stderr:
            found = (re.search(r"ws://\S+", line) for line in process.stderr)
            address = next(match[0] for match in found if match is not None)
            with connect(
                address,
                max_size=None,
                compression=None,
                open_timeout=LIFE_SECONDS,
                ping_interval=None,  # a browser on a busy machine may be late, and is waited for
            ) as devtools:
                yield devtools
