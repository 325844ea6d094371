"""The settings: every flag of the command line as one field of an immutable record.

Theory: the parser is built from the table of `flags`, and what it reads becomes a `Settings`. Some
fields come from environment variables that other servers have as well.

Rules: the defaults are those of `Settings` and are written nowhere else. What is wrong with the
command line by itself is a usage error here (exit status 2, by argparse).

It does not know whether the module exists, whether the port is free, or what is done with either.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sigil import Limits
from sigil.cli.client_flags import SENTENCES
from sigil.cli.flags import COMMANDS, FLAGS, Flag, conflict_in
from sigil.cli.values import networks
from sigil.shell.loop.listen import UNIX_SOCKET_MODE

ALLOW_VARIABLE = "FORWARDED_ALLOW_IPS"


class Settings(NamedTuple):
    """One field for each flag, and which of them were given.

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
    record: str = ""
    redact: tuple[str, ...] = ()
    uds: str = ""
    uds_mode: int = UNIX_SOCKET_MODE
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
    url: str = ""
    topics: tuple[str, ...] = ()
    header: tuple[tuple[str, str], ...] = ()
    insecure: bool = False
    cacert: str = ""
    allow_origin: tuple[str, ...] = ()
    listing: bool = False
    spa: bool = False
    cors: bool = False
    allow_host: tuple[str, ...] = ()
    interface: str = "auto"
    root_path: str = ""
    lifespan: str = "auto"
    threads: int = 4
    loop: str = "auto"
    workers: int = 1
    proxy_headers: bool | None = None
    forwarded_allow_ips: tuple[str, ...] = ("127.0.0.1", "::1", "unix")
    proxy_protocol: tuple[str, ...] = ()
    ssl_certfile: str = ""
    ssl_keyfile: str = ""
    ssl_keyfile_password: str = ""
    ssl_ca_certs: str = ""
    ssl_cert_reqs: int = 0
    ssl_ciphers: str = ""
    tls: bool = False
    seed: int = 1
    network: str = "market"
    clients: int = 20
    serve: bool = False
    recording: str = ""
    check: bool = False
    until: int | None = None
    conn: int | None = None
    explain: int | None = None
    stats: bool = False
    ignore: tuple[str, ...] = ()
    limits: tuple[tuple[str, object], ...] = ()
    slow: str | None = None
    given: tuple[str, ...] = ()
    """The fields that were given, sorted: a server that brings settings of its own keeps those that
    were not.
    """


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
    if isinstance(default, tuple):
        default = ",".join(default)
    if not isinstance(default, bool) and default not in ("", None):
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
    for name, sentence in SENTENCES.items():
        commands.add_parser(name, help=sentence, add_help=False)
    return parser


def _from_environment(
    given: Mapping[str, object], environment: Mapping[str, str]
) -> dict[str, object]:
    """The fields that environment variables give, which flags override; ValueError with a sentence
    for one that makes no sense.
    """
    text = environment.get(ALLOW_VARIABLE, "").strip()
    is_overridden = "forwarded_allow_ips" in given or given.get("proxy_headers") is False
    if not text or given["command"] != "serve" or is_overridden:
        return {}
    try:
        return {"forwarded_allow_ips": networks(text)}
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"${ALLOW_VARIABLE}: {error}") from error


def read_settings(
    words: Sequence[str] | None, version: str, environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings that the arguments `words` (None: those of this process) and these environment
    variables give.

    SystemExit with status 2 for a usage error.
    """
    given = vars(make_parser(version).parse_args(words))
    parser = given.pop("parser")
    error = conflict_in(given)
    if error:
        parser.error(error)
    try:
        given |= _from_environment(given, environment or {})
    except ValueError as problem:
        parser.error(str(problem))
    return Settings(
        **given,
        given=tuple(sorted(given.keys() - {"command", "app", "folder", "url", "recording"})),
    )
