"""The flags of the command, as a table: one row for each, and which of them exclude each other.

Theory: the command line is one table, `FLAGS`, each row with the field of `Settings` that it fills
and the commands that accept it; the parser is built from the table. Flags are spelled as uvicorn's,
so that who knows the one knows the other.

Rules: one flag, one field. A flag that another one makes meaningless is refused: whoever gave both
expects something that will not happen. The sentence says why. It does not know the defaults, which
are those of `Settings`.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from sigil.cli import values

LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
INTERFACES = ("auto", "handler", "wsgi", "asgi")
LOOPS = ("auto", "asyncio", "uvloop")
LIFESPANS = ("auto", "on", "off")
MAX_PORT = 65_535
MAX_INT = 2**31 - 1
"""The largest descriptor and backlog that the system's interface can express."""
MAX_HISTORY = 2**20
"""Lines of history that `sigil stream` may be asked to hold."""
MAX_LINE_LEN = 2**26
"""Bytes in a line of `sigil stream`, at most: a ring for such lines, with their compressed
encodings, fits into a gigabyte.
"""
MAX_WORKERS = 1024
"""Processes that `--workers` may ask for: more than any machine has cores to run them on."""
SLOW_POLICIES = ("drop", "skip")
"""What may become of a slow reader."""
NETWORKS = ("market", "unreliable")
"""The simulated networks of `sigil world`."""
MAX_SEED = 2**32 - 1
MAX_CLIENTS = 10_000
"""Clients of a program in `sigil world`: what they do is kept, turn by turn."""
MAX_THREADS = 4096
"""Threads that `--threads` may ask for: each takes a stack."""


class Flag(NamedTuple):
    """One row of the table: a flag (or the name of a positional argument) and what it accepts.

    `commands` are the subcommands that have it, `parse` is argparse's `type`, and the rest are
    argparse's own keywords. `default_format` is how the help writes the default value.
    """

    name: str
    commands: tuple[str, ...]
    metavar: str | None
    parse: Callable[[str], object] | None
    help: str
    action: str | type[argparse.Action] | None = None
    choices: tuple[str, ...] | None = None
    default_format: str = "{}"

    @property
    def field(self) -> str:
        """The field of `Settings` that it fills."""
        return self.name.removeprefix("--").replace("-", "_")

    @property
    def options(self) -> dict[str, Any]:
        """The keywords for `ArgumentParser.add_argument`, without those that are not given."""
        options = {
            "metavar": self.metavar,
            "type": self.parse,
            "action": self.action,
            "choices": self.choices,
        }
        return {name: value for name, value in options.items() if value is not None}


COMMANDS = {
    "serve": "serve a program of yours: a handler, an HttpServer, a WSGI or an ASGI application",
    "demo": "serve a live page that draws this machine's load and the server's own ring",
    "files": "serve the files of a folder, with a page of live figures at /-/",
    "stream": "broadcast every line of standard input to WebSocket and event-stream clients",
    "relay": "publish what another server does: one origin feeds many such edges",
    "replay": "replay a recording: prove it, read a connection, explain an end, compare a handler",
    "world": "run a simulated network of clients, which follows from a seed; or show it on a page",
}

# -- the table -------------------------------------------------------------------------------------

_ALL = tuple(COMMANDS)
_SERVE, _STREAM, _RELAY = ("serve",), ("stream",), ("relay",)
_WITH_GRACE, _WITH_HISTORY = ("serve", "stream", "relay"), ("stream", "relay")
_FILES, _FOR_HERE = ("files",), ("demo", "files", "stream", "relay", "replay", "world")
_WORLD, _SHOWN = ("world",), ("replay", "world")
_REPLAY, _WITH_APP = ("replay",), ("serve", "replay", "world")
_RECORDED = ("serve", "demo", "files", "stream", "relay")
_PATH, _NAME = values.nonempty("path"), values.nonempty("name")
_PORT = values.number("a port", 0, MAX_PORT)
_DESCRIPTOR = values.number("a descriptor", 0, MAX_INT)
_SEED = values.number("a seed", 0, MAX_SEED)
_LENGTH = values.number("a length", 1, MAX_INT)
_LINE_LEN = values.number("a length", 1, MAX_LINE_LEN)
_COUNT, _HISTORY = values.number("a count", 1, MAX_INT), values.number("a count", 0, MAX_HISTORY)
_WORKERS = values.number("a count", 1, MAX_WORKERS)
_THREADS = values.number("a count", 1, MAX_THREADS)

# fmt: off
FLAGS = (
    # name, commands, metavar, parse, help
    Flag("app", _SERVE, "module:app", values.target,
         "what to serve: a handler, an HttpServer, a WSGI or an ASGI application"),
    Flag("folder", _FILES, "DIR", _PATH,
         "the folder to serve, or a zip"),
    Flag("recording", _REPLAY, "PATH", _PATH,
         "the recording; with --check a folder of them"),
    Flag("--check", _REPLAY, None, None,
         "replay every recording (*.mcap) in the folder, up to the first that differs",
         action="store_true"),
    Flag("--until", _REPLAY, "TURN", values.number("a turn", 0, MAX_INT),
         "as if the recording had ended behind this turn, which is shown"),
    Flag("--conn", _REPLAY, "N", values.number("a connection", 0, MAX_INT),
         "print what passed over connection N"),
    Flag("--explain", _REPLAY, "N", values.number("a connection", 0, MAX_INT),
         "print the chain of facts that led to the end of connection N"),
    Flag("--stats", _REPLAY, None, None,
         "print the figures of the recording", action="store_true"),
    Flag("--app", _SHOWN, "module:app", values.target,
         "replay: give the recorded requests to this handler, and print which answers differ; "
         "world: run this program among clients"),
    Flag("--ignore", _REPLAY, "NAMES", values.names,
         "header fields that may differ, between commas"),
    Flag("--limits", _REPLAY, "NAME=VALUE", values.limit,
         "who would have been ended, and who not, under this limit; may be repeated",
         action=values.AppendToTuple),
    Flag("--slow", _REPLAY, None, None,
         "who would have been ended, and who not, with this policy for slow readers",
         choices=SLOW_POLICIES),
    Flag("url", _RELAY, "URL", values.origin_url,
         "the stream to publish, such as wss://origin.example/live"),
    Flag("--topics", _RELAY, "NAMES", values.names,
         "the topics to follow, between commas, not all that the origin gives"),
    Flag("--header", _RELAY, "NAME: VALUE", values.header,
         "a field to send to the origin, such as an Authorization; may be repeated",
         action=values.AppendToTuple),
    Flag("--insecure", _RELAY, None, None,
         "do not look at the certificate of the origin", action="store_true"),
    Flag("--cacert", _RELAY, "PATH", _PATH,
         "the certificates by which that of the origin is verified"),
    Flag("--allow-origin", _RELAY, "ORIGIN", values.page_origin,
         "let pages of this origin have the stream, such as https://a.example; '*' is any; may be "
         "repeated", action=values.AppendToTuple),
    Flag("--host", _ALL, None, values.host,
         "the address to listen on"),
    Flag("--port", _ALL, None, _PORT,
         "the port to listen on; 0 picks a free one"),
    Flag("--app-dir", _WITH_APP, None, None,
         "the directory to search for the module first (the current directory)"),
    Flag("--log-level", _ALL, None, None,
         "the least severe messages that are logged to stderr", choices=LOG_LEVELS),
    Flag("--access-log", _ALL, None, None,
         "log each request to stderr", action=argparse.BooleanOptionalAction),
    Flag("--record", _RECORDED, "FILE", _PATH,
         "record every turn to this file, '{pid}' in its name is the process"),
    Flag("--redact", _RECORDED, "NAMES", values.names,
         "what is made unreadable in it, between commas: header fields, 'body', 'messages'"),
    Flag("--uds", _ALL, "PATH", _PATH,
         "listen on a Unix socket at this path instead of an address"),
    Flag("--uds-mode", _ALL, "OCTAL", values.mode,
         "the permissions of that socket", default_format="{:o}"),
    Flag("--fd", _ALL, "N", _DESCRIPTOR,
         "serve a listening socket that was inherited as this descriptor"),
    Flag("--backlog", _ALL, "N", _LENGTH,
         "the maximum number of connections waiting to be accepted"),
    Flag("--ssl-certfile", _ALL, "PATH", _PATH,
         "serve over TLS with the certificate in this PEM file, and those of its chain behind it"),
    Flag("--ssl-keyfile", _ALL, "PATH", _PATH,
         "the key of that certificate, if it is not in the same file"),
    Flag("--ssl-keyfile-password", _ALL, "TEXT", None,
         "the password of that key"),
    Flag("--ssl-ca-certs", _ALL, "PATH", _PATH,
         "the authorities of certificates that clients have"),
    Flag("--ssl-cert-reqs", _ALL, "N", values.number("0, 1 or 2", 0, 2),
         "whether clients are asked for a certificate: 0 no, 1 it may be none, 2 it is required"),
    Flag("--ssl-ciphers", _ALL, "LIST", _NAME,
         "the ciphers of TLS 1.2, as OpenSSL writes them"),
    Flag("--tls", ("demo",), None, None,
         "serve over TLS with a certificate that is made on the spot", action="store_true"),
    Flag("--factory", _WITH_APP, None, None,
         "call module:app without arguments; the result is what is served", action="store_true"),
    Flag("--interface", _SERVE, None, None,
         "what module:app is; auto finds out by its parameters", choices=INTERFACES),
    Flag("--root-path", _SERVE, "PATH", values.root_path,
         "the path of a WSGI or ASGI application, which a proxy takes away"),
    Flag("--lifespan", _SERVE, None, None,
         "whether an ASGI application gets lifespan events; auto: unless it does not support them",
         choices=LIFESPANS),
    Flag("--threads", _SERVE, "N", _THREADS,
         "how many threads call a WSGI application"),
    Flag("--loop", _SERVE, None, None,
         "the event loop to serve in; auto: none, but for what is asynchronous uvloop if it is "
         "installed, else asyncio", choices=LOOPS),
    Flag("--workers", _SERVE, "N", _WORKERS,
         "serve from so many processes on one port; each has its own clients, and what it "
         "broadcasts reaches no others"),
    Flag("--proxy-headers", _SERVE, None, None,
         "believe X-Forwarded-For and -Proto of trusted proxies; the default for WSGI and ASGI, "
         "and with --forwarded-allow-ips", action=argparse.BooleanOptionalAction),
    Flag("--forwarded-allow-ips", _SERVE, "NETWORKS", values.networks,
         "the proxies to trust, between commas, 'unix' for Unix sockets, '*' for all; else "
         "$FORWARDED_ALLOW_IPS"),
    Flag("--proxy-protocol", _SERVE, "NETWORKS", values.networks,
         "the proxies whose connections begin with a PROXY protocol header"),
    Flag("--timeout-keep-alive", _SERVE, "SECONDS", values.positive_seconds,
         "close a connection that has been idle for this long"),
    Flag("--timeout-graceful-shutdown", _WITH_GRACE, "SECONDS", values.seconds,
         "on shutdown, how long to wait for requests in progress and buffered output"),
    Flag("--limit-concurrency", _SERVE, "N", _COUNT,
         "the maximum number of connections; one more is answered with 503"),
    Flag("--limit-max-requests", _SERVE, "N", _COUNT,
         "exit with status 0 after this many requests have been answered; a worker is replaced"),
    Flag("--reload", _SERVE, None, None,
         "restart whenever a Python file changes", action="store_true"),
    Flag("--reload-dir", _SERVE, "DIR", _PATH,
         "watch this directory, not --app-dir; may be repeated", action=values.AppendToTuple),
    Flag("--listing", _FILES, None, None,
         "list a folder that has no index.html", action="store_true"),
    Flag("--spa", _FILES, None, None,
         "send index.html in the place of a page that is not there", action="store_true"),
    Flag("--cors", _FILES, None, None,
         "let pages of any origin read the files", action="store_true"),
    Flag("--history", _WITH_HISTORY, "N", _HISTORY,
         "how many of the latest lines, or messages, a new subscriber is sent"),
    Flag("--topic-field", _STREAM, "NAME", _NAME,
         "publish a line that is a JSON object on the topic that this field of it names"),
    Flag("--max-line", _STREAM, "BYTES", _LINE_LEN,
         "the longest line that is published"),
    Flag("--compress", _STREAM, None, None,
         "compress for WebSocket clients that negotiate it: less to send, far more CPU time",
         action="store_true"),
    Flag("--allow-host", _FOR_HERE, "NAME", values.allowed_host,
         "answer to this Host name too, not only to those of this machine; '*' is any; may be "
         "repeated", action=values.AppendToTuple),
    Flag("--seed", _WORLD, "N", _SEED,
         "what all of it follows from"),
    Flag("--network", _WORLD, None, None,
         "which network: market is a program that publishes prices, and clients that read at "
         "their own pace; unreliable is sigil.testing.World, with all that a network may do",
         choices=NETWORKS),
    Flag("--clients", _WORLD, "N", values.number("a count", 1, MAX_CLIENTS),
         "with --app, how many clients come"),
    Flag("--serve", _SHOWN, None, None,
         "serve a page that shows it turn by turn, until a signal", action="store_true"),
    Flag("--linger", _STREAM, None, None,
         "keep serving after the end of the input, until a signal", action="store_true"),
)
# fmt: on

CONTRADICTIONS = (
    ("uds", "fd", "each says where to listen"),
    ("uds", "host", "each says where to listen"),
    ("uds", "port", "a Unix socket has no port"),
    ("uds", "allow_host", "no browser comes to a Unix socket, so any Host is answered to"),
    ("insecure", "cacert", "the one says not to look at what the other is for"),
    ("fd", "host", "an inherited socket has its address already"),
    ("fd", "port", "an inherited socket has its port already"),
    ("fd", "uds_mode", "an inherited socket has its permissions already"),
    ("fd", "backlog", "an inherited socket has its backlog already"),
    ("tls", "ssl_certfile", "each says what certificate there is"),
    *[
        ("serve", field, "the page shows one recording, and prints nothing")
        for field in ("check", "conn", "explain", "stats", "limits", "slow")
    ],
    *[
        ("check", field, "a folder is compared, and asked nothing else")
        for field in ("conn", "explain", "stats", "limits", "slow")
    ],
    ("app", "network", "each says what the clients are clients of"),
    ("reload", "workers", "there is one process, which is restarted when a file changes"),
    ("reload", "limit_max_requests", "the one ends the server for good, the other starts it again"),
)
"""Pairs of fields that cannot be given together, and why."""

COMPANIONS = (
    ("uds_mode", "uds", "there is no other file to give it to"),
    ("ssl_keyfile", "ssl_certfile", "there is no certificate that it is the key of"),
    ("ssl_keyfile_password", "ssl_certfile", "there is no key that it opens"),
    ("ssl_ca_certs", "ssl_certfile", "without TLS no client has a certificate"),
    ("ssl_cert_reqs", "ssl_certfile", "without TLS no client has a certificate"),
    ("ssl_ciphers", "ssl_certfile", "without TLS nothing is encrypted"),
    ("redact", "record", "nothing is recorded without it"),
    ("ignore", "app", "no answers are compared without it"),
    ("reload_dir", "reload", "nothing else watches directories"),
)
"""Fields that mean nothing without a second one, and why."""

OF_INTERFACE = {"root_path": ("wsgi", "asgi"), "lifespan": ("asgi",), "threads": ("wsgi",)}
"""Fields that mean something for applications of some interfaces only."""

FLAG_NAMES = {flag.field: flag.name for flag in FLAGS}


def conflict_in(given: Mapping[str, object]) -> str:
    """What is wrong with the combination of these fields, as a sentence; empty if nothing is."""
    names = FLAG_NAMES
    for one, other, reason in CONTRADICTIONS:
        if one in given and other in given:
            return f"{names[one]} and {names[other]} cannot be given together: {reason}"
    for one, other, reason in COMPANIONS:
        if one in given and other not in given:
            return f"{names[one]} needs {names[other]}: {reason}"
    if given.get("proxy_headers") is False and "forwarded_allow_ips" in given:
        return (
            "--no-proxy-headers and --forwarded-allow-ips cannot be given together: nobody is "
            "believed whom the other names"
        )
    interface = given.get("interface", "auto")
    return "" if interface == "auto" else foreign_flag_in(given, str(interface))


def foreign_flag_in(given: Iterable[str], interface: str) -> str:
    """What is wrong with a flag among these fields that says nothing to an application of this
    interface, as a sentence; empty if there is none.
    """
    for field in given:
        needed = OF_INTERFACE.get(field, (interface,))
        if interface not in needed:
            return f"{FLAG_NAMES[field]} is for {' and '.join(map(str.upper, needed))} applications"
    return ""
