"""The command line as a value: the table of flags, and the record they fill.

Theory: a command line is a value. `FLAGS` is the one table of flags; each row names a flag, which
fills the field of `Settings` of the same name, and the commands that accept it. The parser is built
from the table. Flags are spelled as uvicorn's, so that who knows the one knows the other.

Rules: one flag, one field; the defaults are those of `Settings` and are written nowhere else. What
is wrong with the command line by itself is a usage error here (exit status 2, by argparse). That
includes a flag that another one makes meaningless: whoever gave both expects something that will
not happen.

It does not know whether the module exists, whether the port is free, or what is done with either.
"""

import argparse
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sigil import Limits

LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
MAX_PORT = 65_535
MAX_INT = 2**31 - 1
"""The largest descriptor and backlog that the system's interface can express."""
MAX_HISTORY = 2**20
"""Lines of history that `sigil stream` may be asked to hold."""
MAX_LINE_LEN = 2**26
"""Bytes in a line of `sigil stream`, at most: a ring for such lines, with their compressed
encodings, fits into a gigabyte.
"""


class Settings(NamedTuple):
    """One field for each flag.

    Port 0 lets the system pick a free one; an empty `app_dir` is the current directory; an empty
    `uds` or `topic_field` and None are flags that were not given. Times are in seconds.
    """

    command: str
    app: str = ""
    host: str = "127.0.0.1"
    port: int = 8080
    app_dir: str = ""
    log_level: str = "info"
    access_log: bool = True
    uds: str = ""
    uds_mode: int = 0o660
    fd: int | None = None
    backlog: int = 128
    factory: bool = False
    timeout_keep_alive: float = Limits().idle_timeout
    timeout_graceful_shutdown: float = 5.0
    limit_concurrency: int | None = None
    limit_max_requests: int | None = None
    reload: bool = False
    reload_dir: tuple[str, ...] = ()
    history: int = 100
    topic_field: str = ""
    max_line: int = 2**20
    compress: bool = False
    linger: bool = False
    folder: str = ""
    listing: bool = False
    spa: bool = False
    cors: bool = False
    allow_host: tuple[str, ...] = ()


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


# -- values ----------------------------------------------------------------------------------------


def _target(text: str) -> str:
    """`module:attribute`, either of them dotted."""
    module, colon, attribute = text.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form module:attribute")
    return text


def _host(text: str) -> str:
    """A host name or an IP address; whether it is one of this machine is the system's to check."""
    try:
        encoded = text.encode("idna")
    except UnicodeError:
        encoded = b""
    if not encoded:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a name nor an address")
    return text


def _allowed_host(text: str) -> str:
    """A host name or an address, without scheme, port and path; or `*`."""
    is_address = text.count(":") > 1 and re.fullmatch(r"\[?[0-9A-Fa-f:.]+\]?", text)
    if text != "*" and not is_address and not re.fullmatch(r"[A-Za-z0-9_.\-]+", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the name of a host: without scheme, port and path, such as a.example"
        )
    return text


def _number(kind: str, minimum: int, maximum: int) -> Callable[[str], int]:
    """A parser of whole numbers from `minimum` to `maximum`; `kind` is their name in the error."""
    max_digits = len(str(maximum))

    def read(text: str) -> int:
        # Digits are counted first: int() of a very long text is slow, and refused by Python.
        is_number = text.isascii() and text.isdecimal() and len(text) <= max_digits
        if not (is_number and minimum <= int(text) <= maximum):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not {kind}: a number from {minimum} to {maximum}"
            )
        return int(text)

    return read


def _seconds(text: str) -> float:
    """A time in seconds, from 0; a decimal point is allowed."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: a number of seconds from 0")
    return seconds


def _positive_seconds(text: str) -> float:
    """A time in seconds that is not zero."""
    seconds = _seconds(text)
    if seconds == 0.0:
        raise argparse.ArgumentTypeError(
            "0 seconds would close every connection before its first request"
        )
    return seconds


def _mode(text: str) -> int:
    """The permission bits of a file, in three or four octal digits."""
    if not re.fullmatch("[0-7]{3,4}", text) or int(text, 8) > 0o777:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a file mode: three octal digits, such as 660"
        )
    return int(text, 8)


def _nonempty(kind: str) -> Callable[[str], str]:
    """A parser of texts that are not empty; `kind` is what they are in the error."""

    def read(text: str) -> str:
        if not text:
            raise argparse.ArgumentTypeError(f"it is empty, which is no {kind}")
        return text

    return read


class _AppendToTuple(argparse.Action):
    """A flag that may be given several times: all its values, in order."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add one value."""
        setattr(namespace, self.dest, (*getattr(namespace, self.dest, ()), values))


COMMANDS = {
    "serve": "serve a handler of yours: a function from Request to Response",
    "demo": "serve a live page that draws this machine's load and the server's own ring",
    "files": "serve the files of a folder, with a page of live figures at /-/",
    "stream": "broadcast every line of standard input to WebSocket and event-stream clients",
}

# -- the table -------------------------------------------------------------------------------------

_ALL = tuple(COMMANDS)
_SERVE, _STREAM, _SERVE_STREAM = ("serve",), ("stream",), ("serve", "stream")
_FILES, _FOR_HERE = ("files",), ("demo", "files", "stream")
_PATH, _NAME = _nonempty("path"), _nonempty("name")
_PORT = _number("a port", 0, MAX_PORT)
_DESCRIPTOR = _number("a descriptor", 0, MAX_INT)
_LENGTH, _LINE_LEN = _number("a length", 1, MAX_INT), _number("a length", 1, MAX_LINE_LEN)
_COUNT, _HISTORY = _number("a count", 1, MAX_INT), _number("a count", 0, MAX_HISTORY)

# fmt: off
FLAGS = (
    # name, commands, metavar, parse, help
    Flag("app", _SERVE, "module:app", _target,
         "the handler to serve"),
    Flag("folder", _FILES, "DIR", _PATH,
         "the folder to serve, or a zip"),
    Flag("--host", _ALL, None, _host,
         "the address to listen on"),
    Flag("--port", _ALL, None, _PORT,
         "the port to listen on; 0 picks a free one"),
    Flag("--app-dir", _SERVE, None, None,
         "the directory to search for the module first (the current directory)"),
    Flag("--log-level", _ALL, None, None,
         "the least severe messages that are logged to stderr", choices=LOG_LEVELS),
    Flag("--access-log", _ALL, None, None,
         "log each request to stderr", action=argparse.BooleanOptionalAction),
    Flag("--uds", _ALL, "PATH", _PATH,
         "listen on a Unix socket at this path instead of an address"),
    Flag("--uds-mode", _ALL, "OCTAL", _mode,
         "the permissions of that socket", default_format="{:o}"),
    Flag("--fd", _ALL, "N", _DESCRIPTOR,
         "serve a listening socket that was inherited as this descriptor"),
    Flag("--backlog", _ALL, "N", _LENGTH,
         "the maximum number of connections waiting to be accepted"),
    Flag("--factory", _SERVE, None, None,
         "call module:app without arguments; the result is the handler", action="store_true"),
    Flag("--timeout-keep-alive", _SERVE, "SECONDS", _positive_seconds,
         "close a connection that has been idle for this long"),
    Flag("--timeout-graceful-shutdown", _SERVE_STREAM, "SECONDS", _seconds,
         "on shutdown, how long to wait for requests in progress and buffered output"),
    Flag("--limit-concurrency", _SERVE, "N", _COUNT,
         "the maximum number of connections; one more is answered with 503"),
    Flag("--limit-max-requests", _SERVE, "N", _COUNT,
         "exit with status 0 after this many requests have been answered"),
    Flag("--reload", _SERVE, None, None,
         "restart whenever a Python file changes", action="store_true"),
    Flag("--reload-dir", _SERVE, "DIR", _PATH,
         "watch this directory, not --app-dir; may be repeated", action=_AppendToTuple),
    Flag("--listing", _FILES, None, None,
         "list a folder that has no index.html", action="store_true"),
    Flag("--spa", _FILES, None, None,
         "send index.html in the place of a page that is not there", action="store_true"),
    Flag("--cors", _FILES, None, None,
         "let pages of any origin read the files", action="store_true"),
    Flag("--history", _STREAM, "N", _HISTORY,
         "how many of the latest lines a new subscriber is sent"),
    Flag("--topic-field", _STREAM, "NAME", _NAME,
         "publish a line that is a JSON object on the topic that this field of it names"),
    Flag("--max-line", _STREAM, "BYTES", _LINE_LEN,
         "the longest line that is published"),
    Flag("--compress", _STREAM, None, None,
         "compress for WebSocket clients that negotiate it: less to send, far more CPU time",
         action="store_true"),
    Flag("--allow-host", _FOR_HERE, "NAME", _allowed_host,
         "answer to this Host name too, not only to those of this machine; '*' is any; may be "
         "repeated", action=_AppendToTuple),
    Flag("--linger", _STREAM, None, None,
         "keep serving after the end of the input, until a signal", action="store_true"),
)
# fmt: on

CONTRADICTIONS = (
    ("uds", "fd", "each says where to listen"),
    ("uds", "host", "each says where to listen"),
    ("uds", "port", "a Unix socket has no port"),
    ("uds", "allow_host", "no browser comes to a Unix socket, so any Host is answered to"),
    ("fd", "host", "an inherited socket has its address already"),
    ("fd", "port", "an inherited socket has its port already"),
    ("fd", "uds_mode", "an inherited socket has its permissions already"),
    ("fd", "backlog", "an inherited socket has its backlog already"),
    ("reload", "limit_max_requests", "the one ends the server for good, the other starts it again"),
)
"""Pairs of fields that cannot be given together, and why."""

COMPANIONS = (
    ("uds_mode", "uds", "there is no other file to give it to"),
    ("reload_dir", "reload", "nothing else watches directories"),
)
"""Fields that mean nothing without a second one, and why."""


def conflict_in(given: Mapping[str, object]) -> str:
    """What is wrong with the combination of these fields, as a sentence; empty if nothing is."""
    names = {flag.field: flag.name for flag in FLAGS}
    for one, other, reason in CONTRADICTIONS:
        if one in given and other in given:
            return f"{names[one]} and {names[other]} cannot be given together: {reason}"
    for one, other, reason in COMPANIONS:
        if one in given and other not in given:
            return f"{names[one]} needs {names[other]}: {reason}"
    return ""


# -- the parser ------------------------------------------------------------------------------------


def _add_flag(parser: argparse.ArgumentParser, flag: Flag) -> None:
    """Add one argument.

    A flag that is not given is absent from the result, unlike one given with its default value.
    """
    if not flag.name.startswith("-"):
        parser.add_argument(flag.name, help=flag.help, **flag.options)
        return
    default = Settings._field_defaults[flag.field]
    help_text = flag.help
    if not isinstance(default, bool) and default not in ("", None, ()):
        help_text += f" (default: {flag.default_format.format(default)})"
    parser.add_argument(
        flag.name, dest=flag.field, default=argparse.SUPPRESS, help=help_text, **flag.options
    )


def _add_version(parser: argparse.ArgumentParser, version: str) -> None:
    parser.add_argument(
        "--version", action="version", version=f"sigil {version}", help="show the version and exit"
    )


def make_parser(version: str) -> argparse.ArgumentParser:
    """The parser of the whole command line, built from the tables above."""
    parser = argparse.ArgumentParser(
        "sigil", description="An HTTP server with a functional core.", allow_abbrev=False
    )
    _add_version(parser, version)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, sentence in COMMANDS.items():
        description = f"{sentence[0].upper()}{sentence[1:]}."
        command = commands.add_parser(
            name, help=sentence, description=description, allow_abbrev=False
        )
        command.set_defaults(parser=command)
        _add_version(command, version)
        for flag in FLAGS:
            if name in flag.commands:
                _add_flag(command, flag)
    return parser


def read_settings(words: Sequence[str] | None, version: str) -> Settings:
    """The settings that the arguments `words` give (None: those of this process).

    SystemExit with status 2 for a usage error.
    """
    given = vars(make_parser(version).parse_args(words))
    parser = given.pop("parser")
    error = conflict_in(given)
    if error:
        parser.error(error)
    return Settings(**given)
