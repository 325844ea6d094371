"""What `sigil top` accepts.

Rules: what is wrong with the command line by itself is a usage error, exit status 2. It does not
know the network.
"""

import argparse

from sigil.apps.top.watch import DEFAULT_URL
from sigil.cli.client_flags import SENTENCES

MIN_INTERVAL, MAX_INTERVAL = 0.1, 3_600.0


def top_parser(version: str) -> argparse.ArgumentParser:
    """The parser of `sigil top`."""
    parser = argparse.ArgumentParser(
        "sigil top", description=f"{SENTENCES['top'].capitalize()}.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--version", action="version", version=f"sigil {version}")
    add(
        "url",
        metavar="URL",
        nargs="?",
        default=DEFAULT_URL,
        help=f"the address of the server, or of its metrics (default: {DEFAULT_URL})",
    )
    add(
        "--interval",
        metavar="SECONDS",
        type=_interval,
        default=1.0,
        help="between two readings (default: 1)",
    )
    add("--once", action="store_true", help="print the figures once, and end")
    return parser


def _interval(text: str) -> float:
    """Seconds between two readings."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not MIN_INTERVAL <= seconds <= MAX_INTERVAL:
        sentence = f"from {MIN_INTERVAL:g} to {MAX_INTERVAL:g} seconds, not {text!r}"
        raise argparse.ArgumentTypeError(sentence)
    return seconds
