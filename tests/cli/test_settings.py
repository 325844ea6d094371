"""The command's pure parts: the command line as a value, the log's set-up as one, errors as
sentences; no processes.
"""

import errno
import json
import logging
import re
from pathlib import Path

import pytest

from sigil import Deferred, Limits, Request, Response
from sigil.cli.logging_setup import levels_of
from sigil.cli.main import limits_from_settings, listen_error, stopping_after
from sigil.cli.reload import CHILD, Inherited, command_of, settings_from
from sigil.cli.settings import COMMANDS, FLAGS, Settings, read_settings
from sigil.core.conn import Peer
from sigil.core.http.headers import Headers


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "command"),
        (("dance",), "dance"),
        (("serve",), "module:app"),
        (("serve", "web"), "not of the form module:attribute"),
        (("serve", "web:"), "not of the form module:attribute"),
        (("serve", ":app"), "not of the form module:attribute"),
        (("serve", "web.py:app()"), "not of the form module:attribute"),
        (("serve", "../web:app"), "not of the form module:attribute"),
        (("serve", "web:app", "--port", "65536"), "not a port"),
        (("serve", "web:app", "--port", "-1"), "--port"),
        (("serve", "web:app", "--port", "http"), "not a port"),
        (("serve", "web:app", "--port", "9" * 5000), "not a port"),
        (("serve", "web:app", "--host", ""), "neither a name nor an address"),
        (("serve", "web:app", "--host", "x" * 64), "neither a name nor an address"),
        (("serve", "web:app", "--log-level", "loud"), "loud"),
        (("serve", "web:app", "--log", "info"), "--log"),
        (("serve", "web:app", "--workers", "4"), "--workers"),
        (("demo", "--app-dir", "x"), "--app-dir"),
        (("demo", "--reload"), "--reload"),
        (("demo", "--factory"), "--factory"),
        (("serve", "web:app", "--uds", ""), "no path"),
        (("serve", "web:app", "--uds", "s", "--uds-mode", "888"), "not a file mode"),
        (("serve", "web:app", "--uds", "s", "--uds-mode", "66"), "not a file mode"),
        (("serve", "web:app", "--uds", "s", "--uds-mode", "1777"), "not a file mode"),
        (("serve", "web:app", "--fd", "-1"), "--fd"),
        (("serve", "web:app", "--fd", "stdin"), "not a descriptor"),
        (("serve", "web:app", "--fd", "4294967296"), "not a descriptor"),
        (("serve", "web:app", "--backlog", "0"), "not a length"),
        (("serve", "web:app", "--limit-concurrency", "0"), "not a count: a number from 1"),
        (("serve", "web:app", "--limit-max-requests", "0"), "not a count: a number from 1"),
        (("serve", "web:app", "--timeout-keep-alive", "0"), "before its first request"),
        (("serve", "web:app", "--timeout-keep-alive", "nan"), "not a time"),
        (("serve", "web:app", "--timeout-keep-alive", "soon"), "not a time"),
        (("serve", "web:app", "--timeout-graceful-shutdown", "-1"), "--timeout-graceful-shutdown"),
        (("serve", "web:app", "--timeout-graceful-shutdown", "inf"), "not a time"),
        (("serve", "web:app", "--reload-dir", ""), "no path"),
        (("serve", "web:app", "--linger"), "--linger"),
        (("demo", "--history", "5"), "--history"),
        (("serve", "web:app", "--allow-host", "a.example"), "--allow-host"),
        (("demo", "--allow-host", "http://a.example"), "without scheme, port and path"),
        (("demo", "--allow-host", "a.example:8080"), "without scheme, port and path"),
        (("stream", "--allow-host", ""), "is not the name of a host"),
        (("stream", "--uds", "s", "--allow-host", "a"), "no browser comes to a Unix socket"),
        (("stream", "web:app"), "web:app"),
        (("files",), "DIR"),
        (("files", ""), "no path"),
        (("serve", "web:app", "--spa"), "--spa"),
        (("stream", "--reload"), "--reload"),
        (("stream", "--history", "-1"), "--history"),
        (("stream", "--history", "1048577"), "not a count: a number from 0 to 1048576"),
        (("stream", "--topic-field", ""), "no name"),
        (("stream", "--max-line", "0"), "not a length: a number from 1"),
        (("stream", "--max-line", "67108865"), "not a length: a number from 1 to 67108864"),
        (("stream", "--max-line", "1MiB"), "not a length"),
    ],
)
def test_usage_errors_end_with_2(
    words: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(words, "0")
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert complaint in err.splitlines()[-1]
    assert out == ""


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("--uds s --fd 3", "--uds and --fd cannot be given together: each says where to listen"),
        ("--uds s --host 127.0.0.1", "--uds and --host cannot"),
        (
            "--port 8080 --uds s",
            "--uds and --port cannot be given together: a Unix socket has no port",
        ),
        ("--fd 3 --host ::1", "--fd and --host cannot"),
        ("--fd 3 --port 0", "--fd and --port cannot"),
        ("--fd 3 --uds-mode 600", "--fd and --uds-mode cannot"),
        ("--fd 3 --backlog 5", "--fd and --backlog cannot"),
        ("--reload --limit-max-requests 5", "--reload and --limit-max-requests cannot"),
        ("--uds-mode 600", "--uds-mode needs --uds"),
        ("--reload-dir x", "--reload-dir needs --reload"),
    ],
)
def test_flags_that_contradict_each_other_are_usage_errors(
    words: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(["serve", "web:app", *words.split()], "0")
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert err.startswith("usage: sigil serve ")
    assert f"error: {complaint}" in err.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [
        "--reload --fd 3",
        "--reload --uds s --factory",
        "--uds s --backlog 5",
        "--uds s --uds-mode 600",
        "--limit-max-requests 5 --limit-concurrency 1",
    ],
)
def test_flags_that_only_look_contradictory_are_not(words: str) -> None:
    assert read_settings(["serve", "web:app", *words.split()], "0").app == "web:app"


def test_each_flag_fills_one_field_of_the_settings() -> None:
    words = (
        "serve a.b:c.d --host ::1 --port 0 --app-dir x --log-level debug --no-access-log "
        "--backlog 7 --factory "
        "--timeout-keep-alive 1.5 --timeout-graceful-shutdown 0 --limit-concurrency 3 "
        "--reload --reload-dir x "
        "--reload-dir y"
    )
    assert read_settings(words.split(), "0") == Settings(
        "serve",
        "a.b:c.d",
        "::1",
        0,
        "x",
        "debug",
        False,
        backlog=7,
        factory=True,
        timeout_keep_alive=1.5,
        timeout_graceful_shutdown=0.0,
        limit_concurrency=3,
        reload=True,
        reload_dir=("x", "y"),
    )
    words = "serve a:b --uds s --uds-mode 0600 --limit-max-requests 9"
    assert read_settings(words.split(), "0") == Settings(
        "serve", "a:b", uds="s", uds_mode=0o600, limit_max_requests=9
    )
    assert read_settings(["demo", "--fd", "3"], "0") == Settings("demo", fd=3)
    words = (
        "stream --history 0 --topic-field of --max-line 80 --compress --linger "
        "--allow-host a.example --allow-host ::1 "
        "--timeout-graceful-shutdown 0 "
        "--port 0 --no-access-log"
    )
    assert read_settings(words.split(), "0") == Settings(
        "stream",
        port=0,
        access_log=False,
        timeout_graceful_shutdown=0.0,
        history=0,
        topic_field="of",
        max_line=80,
        compress=True,
        linger=True,
        allow_host=("a.example", "::1"),
    )
    assert read_settings(["stream"], "0") == Settings("stream")
    words = "files site --listing --spa --cors --allow-host a.example --port 0"
    assert read_settings(words.split(), "0") == Settings(
        "files",
        folder="site",
        listing=True,
        spa=True,
        cors=True,
        allow_host=("a.example",),
        port=0,
    )
    assert read_settings(["serve", "a:b"], "0") == Settings("serve", "a:b")
    assert read_settings(["demo"], "0") == Settings("demo")
    assert sorted(flag.field for flag in FLAGS) == sorted(set(Settings._fields) - {"command"})
    assert {name for flag in FLAGS for name in flag.commands} == set(COMMANDS)


def test_the_help_shows_defaults_as_they_are_typed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_settings(["serve", "--help"], "0")
    text = " ".join(capsys.readouterr().out.split())
    assert "the permissions of that socket (default: 660)" in text
    assert "(default: 8080)" in text
    assert "(default: 60.0)" in text
    assert "SUPPRESS" not in text and "None" not in text


def test_the_guide_has_every_flag_and_no_other() -> None:
    page = Path(__file__).parents[2] / "docs" / "guides" / "command.md"
    text = page.read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `--")]
    written = [word for row in rows for word in re.findall(r"--[a-z-]+", row)]
    there_are = {flag.name for flag in FLAGS} - {"app", "folder"} | {"--version"}
    assert sorted(word.replace("--no-access-log", "--access-log") for word in written) == sorted(
        there_are
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["serve", "--version"],
        ["demo", "--version"],
        ["stream", "--version"],
        ["files", "--version"],
    ],
)
def test_the_version_is_printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(words, "1.2.3")
    assert (ended.value.code, capsys.readouterr().out) == (0, "sigil 1.2.3\n")


@pytest.mark.parametrize(
    ("log_level", "access_log", "levels"),
    [
        ("debug", True, (logging.DEBUG, logging.DEBUG)),
        ("info", True, (logging.INFO, logging.INFO)),
        ("info", False, (logging.INFO, logging.WARNING)),
        ("warning", False, (logging.WARNING, logging.WARNING)),
        ("critical", False, (logging.CRITICAL, logging.CRITICAL)),
    ],
)
def test_no_access_log_is_a_level(
    log_level: str, access_log: bool, levels: tuple[int, int]
) -> None:
    sigil, access = levels
    assert levels_of(log_level, access_log) == {"sigil": sigil, "sigil.access": access}


@pytest.mark.parametrize(
    ("settings", "number", "sentence", "advice"),
    [
        (Settings("serve"), errno.EACCES, "Permission denied: 127.0.0.1:80", "privileges"),
        (
            Settings("serve"),
            errno.EADDRINUSE,
            "Address already in use: 127.0.0.1:80",
            "0 picks a free one",
        ),
        (
            Settings("serve", uds="s"),
            errno.EADDRINUSE,
            "Address already in use: s",
            "another path with --uds",
        ),
        (
            Settings("serve", uds="s"),
            errno.EACCES,
            "Permission denied: s",
            "where you may make a file",
        ),
        (
            Settings("demo", fd=3),
            errno.EBADF,
            "Bad file descriptor: descriptor 3",
            "--fd is the number",
        ),
    ],
)
def test_advice_comes_with_the_error(
    settings: Settings, number: int, sentence: str, advice: str
) -> None:
    error = listen_error(OSError(number, sentence), settings)
    assert error.status == 4
    assert str(error).startswith(f"cannot listen: {sentence} (")
    assert advice in str(error)


def test_an_error_nobody_foresaw_is_shown_as_it_is() -> None:
    error = listen_error(OSError("the wire fell out"), Settings("serve"))
    assert str(error) == "cannot listen: the wire fell out"


# -- what flags become -----------------------------------------------------------------------------


def test_flags_become_limits() -> None:
    assert limits_from_settings(Settings("serve")) == Limits()
    assert limits_from_settings(Settings("serve", timeout_keep_alive=1.5)) == Limits(
        idle_timeout=1.5
    )
    assert limits_from_settings(Settings("serve", limit_concurrency=3)) == Limits(
        max_connection_cnt=3, full_policy="503"
    )


REQUEST = Request("GET", "/", "/", "", 1, Headers(()), b"", Peer("192.0.2.1", 5000))


def test_a_handler_ends_the_server_with_its_last_answer_and_not_before() -> None:
    ends: list[str] = []
    app = stopping_after(3, lambda request: Response.text("fine"), lambda: ends.append("now"))
    said = [(app(REQUEST).body, len(ends)) for _ in range(4)]
    assert said == [(b"fine", 0), (b"fine", 0), (b"fine", 1), (b"fine", 1)]


def test_an_error_is_an_answer_as_well() -> None:
    ends: list[str] = []

    def fail(request: Request) -> Response:
        raise LookupError

    app = stopping_after(1, fail, lambda: ends.append("now"))
    with pytest.raises(LookupError):
        app(REQUEST)
    assert ends == ["now"]


def test_an_answer_that_comes_later_counts_when_it_comes() -> None:
    ends: list[str] = []
    later = Deferred()
    app = stopping_after(1, lambda request: later, lambda: ends.append("now"))
    assert app(REQUEST) is later
    assert ends == []
    later.resolve(Response.text("there"))
    assert ends == ["now"]


def test_a_child_is_handed_the_settings_as_they_are() -> None:
    settings = Settings(
        "serve", "a:b", app_dir="caf\udce9", reload=True, reload_dir=("x",), timeout_keep_alive=1.5
    )
    *_, script, _, words = command_of(Inherited(settings, (5, 7), 6))
    fields, listeners, lifeline = json.loads(words)
    assert (settings_from(fields), listeners, lifeline, script) == (settings, [5, 7], 6, CHILD)
    assert words.isascii()
