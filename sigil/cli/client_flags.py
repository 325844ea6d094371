"""What `sigil get` and `sigil ws` accept: their parsers, with the flags of curl where there are.

Rules: what is wrong with the command line by itself is a usage error, exit status 2. It does not
know the network.
"""

import argparse

from sigil.cli import values

SENTENCES = {
    "get": "make a request and print the response, as curl does",
    "ws": "open a WebSocket: send lines, print messages",
    "top": "show the live figures of a server, in a terminal",
}
"""What each of the commands does."""
MAX_REDIRECTS, MAX_TIMES = 100, 10**9


def _add_connection(parser: argparse.ArgumentParser) -> None:
    """The flags about the way to a server, which both have."""
    add = parser.add_argument
    add("url", metavar="URL", help="the address")
    add(
        "-H",
        "--header",
        metavar="NAME: VALUE",
        type=values.header,
        action="append",
        default=[],
        help="a field to send; may be repeated",
    )
    add("-u", "--user", metavar="NAME:PASSWORD", help="credentials for basic authentication")
    add("-k", "--insecure", "--no-verify", action="store_true", help="do not look at certificates")
    add(
        "--cacert",
        metavar="PATH",
        type=values.nonempty("path"),
        help="the certificates by which that of the server is verified",
    )
    add(
        "-x",
        "--proxy",
        metavar="[USER:PASSWORD@]HOST:PORT",
        help="go through this proxy, not the one of the environment; https://... is one over TLS",
    )
    add(
        "--proxy-cacert",
        metavar="PATH",
        type=values.nonempty("path"),
        help="the certificates by which that of the proxy is verified",
    )
    add("--proxy-insecure", action="store_true", help="do not look at the proxy's certificate")
    add("--no-proxy", action="store_true", help="go through no proxy")


def get_parser(version: str) -> argparse.ArgumentParser:
    """The parser of `sigil get`."""
    parser = argparse.ArgumentParser("sigil get", description=_sentence("get"), allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"sigil {version}")
    _add_connection(parser)
    _add_request(parser)
    _add_output(parser)
    add = parser.add_argument
    add("-L", "--location", action="store_true", help="follow redirects")
    add(
        "--max-redirs",
        metavar="N",
        type=values.number("a count", 0, MAX_REDIRECTS),
        default=20,
        help="how many redirects -L follows; one more is exit status 47 (default: 20)",
    )
    add(
        "-m",
        "--max-time",
        metavar="SECONDS",
        type=values.positive_seconds,
        help="how long all of it may take",
    )
    return parser


def _add_request(parser: argparse.ArgumentParser) -> None:
    """The flags about what is asked for."""
    add = parser.add_argument
    add(
        "-X",
        "--request",
        metavar="METHOD",
        default="",
        help="the method (default: GET, or POST with -d)",
    )
    add(
        "-d",
        "--data",
        metavar="DATA",
        action="append",
        default=[],
        help="send this body; @FILE is that of a file, @- standard input; several are joined by &",
    )
    add("--json", metavar="JSON", help="send this body as application/json, and accept that")


def _add_output(parser: argparse.ArgumentParser) -> None:
    """The flags about what is printed."""
    add = parser.add_argument
    add("-i", "--include", action="store_true", help="print the head of the response as well")
    add("-I", "--head", action="store_true", help="ask for the head alone, and print it")
    add("-v", "--verbose", action="store_true", help="print what is asked and answered to stderr")
    add(
        "-o",
        "--output",
        metavar="FILE",
        type=values.nonempty("path"),
        help="write the body to this file",
    )
    add(
        "-f",
        "--fail",
        action="store_true",
        help="exit with 22 for a status from 400 on, and print no body",
    )


def ws_parser(version: str) -> argparse.ArgumentParser:
    """The parser of `sigil ws`."""
    parser = argparse.ArgumentParser("sigil ws", description=_sentence("ws"), allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"sigil {version}")
    _add_connection(parser)
    add = parser.add_argument
    add(
        "--subprotocol",
        metavar="NAME",
        action="append",
        default=[],
        help="offer this subprotocol; may be repeated",
    )
    add("--origin", metavar="ORIGIN", help="the origin of the page that this stands for")
    _add_stream(parser)
    add(
        "-n", "--no-input", action="store_true", help="send nothing: print what comes, until Ctrl-C"
    )
    add(
        "--commands",
        action=argparse.BooleanOptionalAction,
        help="whether lines such as /ping are commands (default: if they are typed)",
    )
    add(
        "--wait",
        metavar="SECONDS",
        type=values.seconds,
        default=1.0,
        help="behind the end of the input, close when nothing has come for so long (default: 1)",
    )
    return parser


def _add_stream(parser: argparse.ArgumentParser) -> None:
    """The flags about the stream of a sigil server."""
    add = parser.add_argument
    add(
        "--after",
        metavar="POSITION",
        help="follow a stream with positions, behind this one; empty is from now on",
    )
    add(
        "--topics",
        metavar="NAMES",
        type=values.names,
        default=(),
        help="the topics of the stream, between commas",
    )
    add(
        "--history",
        metavar="N",
        type=values.number("a count", 0, MAX_TIMES),
        help="how many of the last messages of the stream to ask for",
    )


def _sentence(name: str) -> str:
    """What a command does, as a sentence."""
    return SENTENCES[name][0].upper() + SENTENCES[name][1:] + "."
