"""The command line as a value, and the log's set-up as one; no processes."""

import logging
import re
from pathlib import Path

import pytest

from sigil.cli.flags import COMMANDS, FLAGS
from sigil.cli.logging_setup import levels_of
from sigil.cli.settings import Settings, read_settings


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
        (("serve", "web:app", "--workers", "0"), "not a count: a number from 1 to 1024"),
        (("relay",), "URL"),
        (("relay", "http://a/"), "no stream: it begins with ws:// or wss://"),
        (("relay", "ws://[a/"), "bracket"),
        (("relay", "ws://a/", "--header", "x"), "is not a field"),
        (("relay", "ws://a/", "--header", "x: \0"), "a character that no field may"),
        (("relay", "ws://a/", "--topics", ","), "names are between commas"),
        (("relay", "ws://a/", "--insecure", "--cacert", "x"), "--cacert"),
        (("relay", "ws://a/", "--allow-origin", "a.example"), "is not the origin of a page"),
        (("demo", "--workers", "2"), "--workers"),
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
        (("serve", "web:app", "--interface", "asgi2"), "asgi2"),
        (("serve", "web:app", "--root-path", "shop"), "not a path such as /shop"),
        (("serve", "web:app", "--root-path", "/a?b"), "not a path such as /shop"),
        (("serve", "web:app", "--threads", "0"), "not a count: a number from 1 to 4096"),
        (("serve", "web:app", "--forwarded-allow-ips", "nginx"), "'nginx' is no network"),
        (("serve", "web:app", "--forwarded-allow-ips", ","), "name networks, such as"),
        (("serve", "web:app", "--proxy-protocol", "10.0.0.1/8"), "has host bits set"),
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
        ("--reload --workers 2", "--reload and --workers cannot be given together: there is one"),
        ("--reload --limit-max-requests 5", "--reload and --limit-max-requests cannot"),
        (
            "--no-proxy-headers --forwarded-allow-ips ::1",
            "--no-proxy-headers and --forwarded-allow-ips cannot",
        ),
        ("--interface handler --root-path /x", "--root-path is for WSGI and ASGI applications"),
        ("--interface handler --lifespan off", "--lifespan is for ASGI applications"),
        ("--interface asgi --threads 3", "--threads is for WSGI applications"),
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
        "--interface auto --threads 3",
        "--interface asgi --root-path /x --lifespan off --loop asyncio",
        "--proxy-headers --forwarded-allow-ips ::1",
    ],
)
def test_flags_that_only_look_contradictory_are_not(words: str) -> None:
    assert read_settings(["serve", "web:app", *words.split()], "0").app == "web:app"


def read(words: str) -> Settings:
    """The settings of a command line, without which of them were given."""
    return read_settings(words.split(), "0")._replace(given=())


def test_each_flag_fills_one_field_of_the_settings() -> None:
    words = (
        "serve a.b:c.d --host ::1 --port 0 --app-dir x --log-level debug --no-access-log "
        "--backlog 7 --factory "
        "--timeout-keep-alive 1.5 --timeout-graceful-shutdown 0 --limit-concurrency 3 "
        "--reload --reload-dir x "
        "--reload-dir y"
    )
    assert read(words) == Settings(
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
    assert read(words) == Settings("serve", "a:b", uds="s", uds_mode=0o600, limit_max_requests=9)
    words = (
        "serve a:b --interface asgi --root-path /shop/ --lifespan on --loop uvloop "
        "--proxy-headers --forwarded-allow-ips 10.0.0.0/8,unix --proxy-protocol *"
    )
    assert read(words) == Settings(
        "serve",
        "a:b",
        interface="asgi",
        root_path="/shop",
        lifespan="on",
        loop="uvloop",
        proxy_headers=True,
        forwarded_allow_ips=("10.0.0.0/8", "unix"),
        proxy_protocol=("0.0.0.0/0", "::/0", "unix"),
    )
    assert read("serve a:b --threads 9 --no-proxy-headers --workers 3") == Settings(
        "serve", "a:b", threads=9, proxy_headers=False, workers=3
    )
    assert read("demo --fd 3") == Settings("demo", fd=3)
    words = (
        "stream --history 0 --topic-field of --max-line 80 --compress --linger "
        "--allow-host a.example --allow-host ::1 "
        "--timeout-graceful-shutdown 0 "
        "--port 0 --no-access-log"
    )
    assert read(words) == Settings(
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
    assert read("stream") == Settings("stream")
    words = "files site --listing --spa --cors --allow-host a.example --port 0"
    assert read(words) == Settings(
        "files",
        folder="site",
        listing=True,
        spa=True,
        cors=True,
        allow_host=("a.example",),
        port=0,
    )
    assert read("serve a:b") == Settings("serve", "a:b")
    assert read("demo") == Settings("demo")
    fields = [flag.field for flag in FLAGS if flag.name != "--app"]  # `app` of serve is that, too
    assert sorted(fields) == sorted(set(Settings._fields) - {"command", "given"})
    assert {name for flag in FLAGS for name in flag.commands} == set(COMMANDS)


def test_the_settings_know_which_flags_were_given() -> None:
    words = ["serve", "a:b", "--port", "8080", "--no-access-log"]
    assert read_settings(words, "0").given == ("access_log", "port")


@pytest.mark.parametrize(
    ("words", "value", "networks"),
    [
        ("serve a:b", "10.0.0.1", ("10.0.0.1",)),
        ("serve a:b", " * ", ("0.0.0.0/0", "::/0", "unix")),
        ("serve a:b", "", None),
        ("serve a:b --forwarded-allow-ips ::1", "10.0.0.1", ("::1",)),
        ("serve a:b --no-proxy-headers", "10.0.0.1", None),
        ("demo", "10.0.0.1", None),
    ],
)
def test_the_environment_says_which_proxies_to_trust_where_no_flag_does(
    words: str, value: str, networks: tuple[str, ...] | None
) -> None:
    settings = read_settings(words.split(), "0", {"FORWARDED_ALLOW_IPS": value})
    assert ("forwarded_allow_ips" in settings.given) is (networks is not None)
    default = Settings("serve").forwarded_allow_ips
    assert settings.forwarded_allow_ips == (default if networks is None else networks)


def test_an_environment_that_makes_no_sense_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(["serve", "a:b"], "0", {"FORWARDED_ALLOW_IPS": "nginx"})
    assert ended.value.code == 2
    assert "error: $FORWARDED_ALLOW_IPS: 'nginx' is no network: " in capsys.readouterr().err


def test_the_help_shows_defaults_as_they_are_typed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_settings(["serve", "--help"], "0")
    text = " ".join(capsys.readouterr().out.split())
    assert "the permissions of that socket (default: 660)" in text
    assert "(default: 8080)" in text
    assert "(default: 60.0)" in text
    assert "(default: 127.0.0.1,::1,unix)" in text
    assert "SUPPRESS" not in text and "None" not in text


def test_the_guide_has_every_flag_and_no_other() -> None:
    page = Path(__file__).parents[2] / "docs" / "guides" / "command.md"
    text = page.read_text(encoding="utf-8")
    text = text.partition("## Clients")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `--")]
    written = [word for row in rows for word in re.findall(r"--[a-z-]+", row)]
    places = {"app", "folder", "url", "recording"}
    there_are = {flag.name for flag in FLAGS} - places | {"--version"}
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
