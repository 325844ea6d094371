"""The command's pure parts: the command line as a value, the log's set-up as one, errors as sentences; no processes."""

import errno
import logging

import pytest

from sigil.shell.cli import _bracketed, _listen_trouble
from sigil.shell.report import log_config
from sigil.shell.settings import COMMANDS, FLAGS, Settings, read_settings


@pytest.mark.parametrize(("words", "complaint"), [
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
])
def test_usage_errors_end_with_2(words: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(words, "0")
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert complaint in err.splitlines()[-1]
    assert out == ""


def test_each_flag_fills_one_field_of_the_settings() -> None:
    words = "serve a.b:c.d --host ::1 --port 0 --app-dir x --log-level debug --no-access-log"
    assert read_settings(words.split(), "0") == Settings("serve", "a.b:c.d", "::1", 0, "x", "debug", False)
    assert read_settings(["serve", "a:b"], "0") == Settings("serve", "a:b")
    assert read_settings(["demo"], "0") == Settings("demo")
    assert sorted(flag.field for flag in FLAGS) == sorted(set(Settings._fields) - {"command"})
    assert {name for flag in FLAGS for name in flag.commands} == set(COMMANDS)


@pytest.mark.parametrize("words", [["--version"], ["serve", "--version"], ["demo", "--version"]])
def test_the_version_is_printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(words, "1.2.3")
    assert (ended.value.code, capsys.readouterr().out) == (0, "sigil 1.2.3\n")


@pytest.mark.parametrize(("log_level", "access_log", "level"), [
    ("debug", True, "DEBUG"), ("info", True, "INFO"), ("info", False, logging.WARNING),
    ("warning", False, logging.WARNING), ("critical", False, logging.CRITICAL),
])
def test_no_access_log_is_a_level(log_level: str, access_log: bool, level: object) -> None:
    loggers = log_config(log_level, access_log)["loggers"]
    assert isinstance(loggers, dict)
    assert loggers["sigil.access"] == {"level": level}
    assert loggers["sigil"] == {"level": log_level.upper(), "handlers": ["stderr"], "propagate": False}


@pytest.mark.parametrize(("number", "sentence", "advice"), [
    (errno.EACCES, "Permission denied: 127.0.0.1:80", "privileges"),
    (errno.EADDRINUSE, "Address already in use: 127.0.0.1:80", "0 picks a free one"),
])
def test_advice_comes_with_the_error(number: int, sentence: str, advice: str) -> None:
    trouble = _listen_trouble(OSError(number, sentence))
    assert trouble.status == 4
    assert str(trouble).startswith(f"cannot listen: {sentence} (")
    assert advice in str(trouble)


def test_an_error_nobody_foresaw_is_shown_as_it_is() -> None:
    assert str(_listen_trouble(OSError("the wire fell out"))) == "cannot listen: the wire fell out"


def test_only_addresses_of_ipv6_are_put_in_brackets() -> None:
    assert [_bracketed(host) for host in ("127.0.0.1", "localhost", "::1")] == ["127.0.0.1", "localhost", "[::1]"]
