"""What the command was told: flags, and the record they fill.

Theory: a command line is a value.  `FLAGS` is the one table of flags; each row names the field of `Settings` it
fills and the commands that know it, and the parser is built from the table.  Flags are spelled as uvicorn's, so that
who knows the one knows the other.

Rules: one flag, one field; the defaults are those of `Settings` and are written nowhere else.  What can be seen to be
wrong from the words alone is a usage error here (exit status 2, by argparse).

It does not know whether the module exists, whether the port is free, or what is done with either.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
_LARGEST_PORT = 65_535


class Settings(NamedTuple):
    """One field for each flag.  Port 0 lets the system pick a free one; an empty `app_dir` is the current directory."""

    command: str
    app: str = ""
    host: str = "127.0.0.1"
    port: int = 8080
    app_dir: str = ""
    log_level: str = "info"
    access_log: bool = True


class Flag(NamedTuple):
    """One row of the table: the words on the command line, the field they fill, and what argparse is told."""

    words: tuple[str, ...]
    field: str
    commands: tuple[str, ...]
    options: Mapping[str, Any]


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


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= _LARGEST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a number from 0 to {_LARGEST_PORT}")
    return int(text)


COMMANDS = {
    "serve": "serve a handler of yours: a function from Request to Response",
    "demo": "serve a page that draws this machine's load and the server's own figures, live",
}

_EVERY_COMMAND = tuple(COMMANDS)

FLAGS = (
    Flag(("app",), "app", ("serve",), {"metavar": "module:app", "type": _target, "help": "the handler to serve"}),
    Flag(("--host",), "host", _EVERY_COMMAND, {"type": _host, "help": "the address to listen on"}),
    Flag(("--port",), "port", _EVERY_COMMAND, {"type": _port, "help": "the port to listen on; 0 picks a free one"}),
    Flag(("--app-dir",), "app_dir", ("serve",), {"help": "look for the module here first (the current directory)"}),
    Flag(("--log-level",), "log_level", _EVERY_COMMAND, {"choices": LOG_LEVELS, "help": "how much to say on stderr"}),
    Flag(("--access-log",), "access_log", _EVERY_COMMAND, {"action": argparse.BooleanOptionalAction,
                                                           "help": "a line on stderr for each request"}),
)


def _add_flag(parser: argparse.ArgumentParser, flag: Flag) -> None:
    """One argument.  A flag has its field's default, and says so where that says anything."""
    default = Settings._field_defaults[flag.field]
    if not flag.words[0].startswith("-"):
        parser.add_argument(*flag.words, **flag.options)
        return
    shown = "" if default in ("", True) else " (default: %(default)s)"
    options = {**flag.options, "help": flag.options["help"] + shown}
    parser.add_argument(*flag.words, dest=flag.field, default=default, **options)


def _add_version(parser: argparse.ArgumentParser, version: str) -> None:
    parser.add_argument("--version", action="version", version=f"sigil {version}", help="show the version and exit")


def make_parser(version: str) -> argparse.ArgumentParser:
    """The parser of the whole command line, built from the tables above."""
    parser = argparse.ArgumentParser("sigil", description="An HTTP server with a functional core.", allow_abbrev=False)
    _add_version(parser, version)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, sentence in COMMANDS.items():
        description = f"{sentence[0].upper()}{sentence[1:]}."
        command = commands.add_parser(name, help=sentence, description=description, allow_abbrev=False)
        _add_version(command, version)
        for flag in FLAGS:
            if name in flag.commands:
                _add_flag(command, flag)
    return parser


def read_settings(words: Sequence[str] | None, version: str) -> Settings:
    """The settings that `words` ask for (None: the words of this process).  Exits with 2 when they make no sense."""
    return Settings(**vars(make_parser(version).parse_args(words)))
