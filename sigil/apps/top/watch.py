"""`sigil top` at work: it asks a server for its metrics again and again, and shows them.

Theory: a client asks, `figures` reads, `lines` says it, and rich draws the lines in place. A server
that is gone for a while is asked on: the last figures stay, with a sentence above them.

Rules: what is wrong at the first time ends the command with a sentence and status 1: an address
without a server, a server without metrics, something else than a server of sigil. Without a
terminal, or with `--once`, it prints the figures once, and rich is not needed. An interrupt is the
end that one wants: status 0. It does not know what the figures mean.
"""

import argparse
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from sigil.apps.terminal import CommandError, print_error, print_line
from sigil.apps.top.figures import Reading, read_metrics
from sigil.apps.top.lines import TopLine, lines_of
from sigil.client import ClientError, http_get
from sigil.core.views.markup import printable

DEFAULT_URL = "http://127.0.0.1:8080"
PATHS = ("/metrics", "/-/metrics")
"""Where metrics are, if the address has no path: by convention, and in `sigil files`."""
FAILED_STATUS = 1
TIMEOUT_SECONDS = 5.0
LENGTH_MAX = 2**20
"""Bytes of metrics at most: those of a server of sigil are some thousand."""
SENTENCE_CHARS = 500
DUMB = ("dumb", "unknown")
"""Terminals that cannot be drawn in place (TERM): the figures are printed once."""
BARS = str.maketrans("█░", "#.")
"""What bars are drawn with where a terminal has not the usual characters."""
USER = re.compile(r"(?<=://)[^/?#]*@")
"""The name and password of an address, which are not shown."""
STYLES = {"title": "bold", "quiet": "dim", "good": "green", "warning": "yellow", "": ""}


def main(chosen: argparse.Namespace) -> int:
    """Run the command with these flags; its exit status."""
    try:
        source = Source(chosen.url)
        first = source.read()
        is_dumb = os.environ.get("TERM", "").lower() in DUMB
        if chosen.once or is_dumb or not sys.stdout.isatty():
            for line in lines_of(source.shown, None, first):
                print_line(fitting(line.text, sys.stdout.encoding))
            return 0
        watch(source, first, chosen.interval)
    except CommandError as error:
        print_error(printable(str(error), SENTENCE_CHARS))
        return error.status
    except KeyboardInterrupt:
        pass
    return 0


class Source:
    """Where the metrics of a server are."""

    def __init__(self, url: str, get: Callable[..., Any] = http_get) -> None:
        self.url = url if "://" in url else f"http://{url}"
        self._get = get
        rest = self.url.split("://", 1)[1]
        has_path = "/" in rest and rest.split("/", 1)[1] != ""
        base = self.url.rstrip("/")
        self._urls = [self.url] if has_path else [base + path for path in PATHS]

    @property
    def shown(self) -> str:
        """The address without a name and a password."""
        return shown(self.url)

    def read(self) -> Reading:
        """What the server says now; CommandError with a sentence if that is nothing."""
        for url in self._urls:
            response = self._response(url)
            if response.status == 200:
                reading = read_metrics(response.text, time.monotonic())
                if reading is None:
                    sentence = f"what is at {shown(url)} are no metrics of a server of sigil"
                    raise CommandError(sentence, FAILED_STATUS)
                self._urls, self.url = [url], url
                return reading
            status = response.status
            if status not in (404, 405):
                raise CommandError(f"{shown(url)} answers {status}", FAILED_STATUS)
        places = " nor at ".join(map(shown, self._urls))
        raise CommandError(
            f"there are no metrics at {places}: a program shows them by sigil.web.metrics()",
            FAILED_STATUS,
        )

    def _response(self, url: str) -> Any:
        """The response of this address."""
        try:
            return self._get(
                url,
                timeout=TIMEOUT_SECONDS,
                headers={"Accept": "text/plain"},
                max_response_len=LENGTH_MAX,
            )
        except (ClientError, OSError, ValueError) as error:
            why = str(error).removeprefix(f"GET {url}: ")
            raise CommandError(f"cannot read {shown(url)}: {why}", FAILED_STATUS) from error


def shown(url: str) -> str:
    """An address as others may see it."""
    return USER.sub("", url)


def watch(source: Source, first: Reading, interval: float) -> None:
    """Show the figures until somebody interrupts."""
    try:
        from rich.console import Console
        from rich.live import Live
    except ImportError as error:
        raise CommandError(
            "sigil top needs rich to draw in place: pip install 'sigil-http[top]'; "
            "--once prints the figures without it",
            FAILED_STATUS,
        ) from error
    signal.signal(signal.SIGTERM, _end)
    console, before, now, problem = Console(), first, first, ""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            old = before if before is not now else None
            lines = [
                line._replace(text=fitting(line.text, console.encoding))
                for line in lines_of(source.shown, old, now, problem, console.width)
            ]
            live.update(drawn(lines), refresh=True)
            time.sleep(interval)
            try:
                before, now, problem = now, source.read(), ""
            except CommandError as error:
                problem = f"asking on: {error}"


def fitting(text: str, encoding: str | None) -> str:
    """A text in characters that a terminal with this encoding has: bars of others, escapes."""
    encoding = encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(BARS).encode(encoding, "backslashreplace").decode(encoding)
    return text


def _end(number: int, frame: object) -> None:
    """End by a signal as otherwise: the screen is given back, and the cursor is seen."""
    raise SystemExit(128 + number)


def drawn(lines: list[TopLine]) -> Any:
    """The lines as rich draws them: texts, in which nothing is markup, each on a row of its own."""
    from rich.text import Text

    text = Text("\n", no_wrap=True, overflow="crop")
    return text.join([Text(line.text, STYLES[line.style]) for line in lines])
