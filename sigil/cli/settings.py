"""What the command was told: flags, and the record they fill.

Theory: a command line is a value. `FLAGS` is the one table of flags; each row names the field of
`Settings` it fills and the commands that know it, and the parser is built from the table. Flags are
spelled as uvicorn's, so that who knows the one knows the other.

Rules: one flag, one field; the defaults are those of `Settings` and are written nowhere else. What
can be seen to be wrong from the words alone is a usage error here (exit status 2, by argparse):
also flags of which one makes the other mean nothing, for whoever gave both expects something that
will not happen.

It does not know whether the module exists, whether the port is free, or what is done with either.
"""

import argparse
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..core.limits import Limits

LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
_LARGEST_PORT = 65_535
_LARGEST_NUMBER = 2**31 - 1
"""The largest descriptor and backlog that the system's interface can express."""
_MOST_HISTORY = 2**20
_LONGEST_LINE = 2**26
"""What `sigil stream` may be told to keep: a ring for it, compressed forms too, still fits into a
gigabyte.
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


class Flag(NamedTuple):
    """One row of the table: the words on the command line, the field they fill, and what argparse
    is told.

    `safe_repr` is how the help writes the default, if that says anything.
    """

    words: tuple[str, ...]
    field: str
    commands: tuple[str, ...]
    options: Mapping[str, Any]
    shown: str = "{}"


def _target(text: str) -> str:
    """`module:attribute`, either of them dotted."""
    module, colon, attribute = text.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form module:attribute")
    return text


def _host(text: str) -> str:
    """A name or an address; whether it is one of this machine is for the system to say."""
    try:
        encoded = text.encode("idna")
    except UnicodeError:
        encoded = b""
    if not encoded:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a name nor an address")
    return text


def _number(what: str, least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` to `max_frames`."""

    def read(text: str) -> int:
        if not (
            text.isascii()
            and text.isdecimal()
            and len(text) <= len(str(most))
            and least <= int(text) <= most
        ):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not {what}: a number from {least} to {most}"
            )
        return int(text)

    return read


def _seconds(text: str) -> float:
    """A time; a decimal point is allowed."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: a number of seconds from 0")
    return seconds


def _positive_seconds(text: str) -> float:
    """A time that is not zero."""
    seconds = _seconds(text)
    if seconds == 0.0:
        raise argparse.ArgumentTypeError(
            "0 seconds would close every connection before its first request"
        )
    return seconds


def _mode(text: str) -> int:
    if not re.fullmatch("[0-7]{3,4}", text) or int(text, 8) > 0o777:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a file mode: three octal digits, such as 660"
        )
    return int(text, 8)


def _path(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is empty, which is no path")
    return text


def _name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is empty, which is no name")
    return text


class _Gather(argparse.Action):
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
    "demo": "serve a page that draws this machine's load and the server's own ring, live",
    "stream": "send every line of standard input to every client: browsers, WebSockets, event streams",
}

_EVERY_COMMAND = tuple(COMMANDS)

FLAGS = (
    Flag(
        ("app",),
        "app",
        ("serve",),
        {"metavar": "module:app", "type": _target, "help": "the handler to serve"},
    ),
    Flag(("--host",), "host", _EVERY_COMMAND, {"type": _host, "help": "the address to listen on"}),
    Flag(
        ("--port",),
        "port",
        _EVERY_COMMAND,
        {
            "type": _number("a port", 0, _LARGEST_PORT),
            "help": "the port to listen on; 0 picks a free one",
        },
    ),
    Flag(
        ("--app-dir",),
        "app_dir",
        ("serve",),
        {"help": "look for the module here first (the current directory)"},
    ),
    Flag(
        ("--log-level",),
        "log_level",
        _EVERY_COMMAND,
        {"choices": LOG_LEVELS, "help": "how much to say on stderr"},
    ),
    Flag(
        ("--access-log",),
        "access_log",
        _EVERY_COMMAND,
        {"action": argparse.BooleanOptionalAction, "help": "a line on stderr for each request"},
    ),
    Flag(
        ("--uds",),
        "uds",
        _EVERY_COMMAND,
        {
            "metavar": "PATH",
            "type": _path,
            "help": "listen on a Unix socket at this path instead of an address",
        },
    ),
    Flag(
        ("--uds-mode",),
        "uds_mode",
        _EVERY_COMMAND,
        {"metavar": "OCTAL", "type": _mode, "help": "the permissions of that socket"},
        "{:o}",
    ),
    Flag(
        ("--fd",),
        "fd",
        _EVERY_COMMAND,
        {
            "metavar": "N",
            "type": _number("a descriptor", 0, _LARGEST_NUMBER),
            "help": "serve a listening socket that was inherited as this descriptor",
        },
    ),
    Flag(
        ("--backlog",),
        "backlog",
        _EVERY_COMMAND,
        {
            "metavar": "N",
            "type": _number("a length", 1, _LARGEST_NUMBER),
            "help": "how many connections may wait to be accepted",
        },
    ),
    Flag(
        ("--factory",),
        "factory",
        ("serve",),
        {
            "action": "store_true",
            "help": "call module:app without arguments: what it returns is the handler",
        },
    ),
    Flag(
        ("--timeout-keep-alive",),
        "timeout_keep_alive",
        ("serve",),
        {
            "metavar": "SECONDS",
            "type": _positive_seconds,
            "help": "close a connection that asks for nothing so long",
        },
    ),
    Flag(
        ("--timeout-graceful-shutdown",),
        "timeout_graceful_shutdown",
        ("serve", "stream"),
        {
            "metavar": "SECONDS",
            "type": _seconds,
            "help": "at the end, how long to go on answering what is under way",
        },
    ),
    Flag(
        ("--limit-concurrency",),
        "limit_concurrency",
        ("serve",),
        {
            "metavar": "N",
            "type": _number("a count", 1, _LARGEST_NUMBER),
            "help": "the most connections at once; one more is answered 503",
        },
    ),
    Flag(
        ("--limit-max-requests",),
        "limit_max_requests",
        ("serve",),
        {
            "metavar": "N",
            "type": _number("a count", 1, _LARGEST_NUMBER),
            "help": "end, with status 0, after so many requests have been answered",
        },
    ),
    Flag(
        ("--reload",),
        "reload",
        ("serve",),
        {"action": "store_true", "help": "start afresh whenever a Python file changes"},
    ),
    Flag(
        ("--reload-dir",),
        "reload_dir",
        ("serve",),
        {
            "metavar": "DIR",
            "action": _Gather,
            "type": _path,
            "help": "watch this directory, and not --app-dir; may be given several times",
        },
    ),
    Flag(
        ("--history",),
        "history",
        ("stream",),
        {
            "metavar": "N",
            "type": _number("a count", 0, _MOST_HISTORY),
            "help": "how many of the last lines a newcomer is sent",
        },
    ),
    Flag(
        ("--topic-field",),
        "topic_field",
        ("stream",),
        {
            "metavar": "NAME",
            "type": _name,
            "help": "publish a line that is a JSON object on the topic that this field of it names",
        },
    ),
    Flag(
        ("--max-line",),
        "max_line",
        ("stream",),
        {
            "metavar": "BYTES",
            "type": _number("a length", 1, _LONGEST_LINE),
            "help": "a longer line is not sent",
        },
    ),
    Flag(
        ("--compress",),
        "compress",
        ("stream",),
        {
            "action": "store_true",
            "help": "compress for WebSockets that ask for it: less to send, and far more to do",
        },
    ),
    Flag(
        ("--linger",),
        "linger",
        ("stream",),
        {"action": "store_true", "help": "serve on when the input has ended, until a signal comes"},
    ),
)

CONTRADICTIONS = (
    ("uds", "fd", "each says where to listen"),
    ("uds", "host", "each says where to listen"),
    ("uds", "port", "a Unix socket has no port"),
    ("fd", "host", "an inherited socket has its address already"),
    ("fd", "port", "an inherited socket has its port already"),
    ("fd", "uds_mode", "an inherited socket has its permissions already"),
    ("fd", "backlog", "an inherited socket has its backlog already"),
    ("reload", "limit_max_requests", "the one ends the server for good, the other starts it again"),
)
"""Fields of which one command line gives one at most, and why."""

COMPANIONS = (
    ("uds_mode", "uds", "there is no other file to give it to"),
    ("reload_dir", "reload", "nothing else watches directories"),
)
"""Fields that mean nothing without another one, and why."""


def conflict_in(given: Mapping[str, object]) -> str:
    """What is wrong with these fields beside each other; empty if nothing is."""
    words = {flag.field: flag.words[0] for flag in FLAGS}
    for one, other, reason in CONTRADICTIONS:
        if one in given and other in given:
            return f"{words[one]} and {words[other]} cannot be given together: {reason}"
    for one, other, reason in COMPANIONS:
        if one in given and other not in given:
            return f"{words[one]} needs {words[other]}: {reason}"
    return ""


def _add_flag(parser: argparse.ArgumentParser, flag: Flag) -> None:
    """One argument. One that is not given leaves no trace, so that what was given can be told from
    the defaults.
    """
    default = Settings._field_defaults[flag.field]
    if not flag.words[0].startswith("-"):
        parser.add_argument(*flag.words, **flag.options)
        return
    is_telling = not isinstance(default, bool) and default not in ("", None, ())
    shown = f" (default: {flag.shown.format(default)})" if is_telling else ""
    options = {**flag.options, "help": flag.options["help"] + shown}
    parser.add_argument(*flag.words, dest=flag.field, default=argparse.SUPPRESS, **options)


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
    """The settings that `words` ask for (None: the words of this process). Exits with 2 when they
    make no sense.
    """
    given = vars(make_parser(version).parse_args(words))
    parser = given.pop("parser")
    complaint = conflict_in(given)
    if complaint:
        parser.error(complaint)
    return Settings(**given)
