"""From settings to a server: what flags become, and when the last response is; no processes."""

import asyncio
import sys

import pytest

from sigil import Deferred, Limits, Request, Response
from sigil.apps.terminal import CommandError
from sigil.cli.serving import (
    limits_from_settings,
    loop_factory,
    make_service,
    start_error,
    stopping_after,
    trusts_proxies,
)
from sigil.cli.settings import Settings, read_settings
from sigil.core.conn import Peer
from sigil.core.http.headers import Headers


class Failure(Exception):
    """What an application raises, or has sent, that cannot start."""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no database", "tests.cli.test_serving.Failure: no database"),
        ("Traceback ...\n  File ...\nLookupError: no database\n", "LookupError: no database"),
    ],
)
def test_an_application_that_cannot_start_is_a_sentence(text: str, sentence: str) -> None:
    error = start_error("web:app", Failure(text))
    assert (str(error), error.status) == (f"starting web:app failed: {sentence}", 3)


REQUEST = Request("GET", "/", "/", "", 1, Headers(()), b"", Peer("192.0.2.1", 5000))


def test_flags_become_limits() -> None:
    assert limits_from_settings(Settings("serve")) == Limits()
    quick = Settings("serve", timeout_keep_alive=1.5, given=("timeout_keep_alive",))
    assert limits_from_settings(quick) == Limits(idle_timeout=1.5)
    assert limits_from_settings(Settings("serve", limit_concurrency=3)) == Limits(
        max_connection_cnt=3, full_policy="503"
    )
    behind = Settings("serve", proxy_protocol=("10.0.0.0/8",))
    assert limits_from_settings(behind) == Limits(proxy_protocol=("10.0.0.0/8",))
    assert limits_from_settings(Settings("serve", workers=2)) == Limits(max_accepts_per_tick=8)


def test_limits_of_a_server_hold_where_no_flag_says_otherwise() -> None:
    own = Limits(idle_timeout=7.0, max_connection_cnt=5, max_body_len=100)
    assert limits_from_settings(Settings("serve"), own) == own
    quick = Settings("serve", timeout_keep_alive=1.5, given=("timeout_keep_alive",))
    assert limits_from_settings(quick, own) == own._replace(idle_timeout=1.5)


@pytest.mark.parametrize(
    ("words", "trusting"),
    [
        ("", ["wsgi", "asgi"]),
        ("--no-proxy-headers", []),
        ("--proxy-headers", ["server", "handler", "wsgi", "asgi"]),
        ("--forwarded-allow-ips ::1", ["server", "handler", "wsgi", "asgi"]),
    ],
)
def test_proxies_are_believed_if_asked_for_or_if_frameworks_count_on_it(
    words: str, trusting: list[str]
) -> None:
    settings = read_settings(["serve", "a:b", *words.split()], "0")
    interfaces = ["server", "handler", "wsgi", "asgi"]
    assert [each for each in interfaces if trusts_proxies(settings, each)] == trusting


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


# -- the event loop --------------------------------------------------------------------------------


def test_an_event_loop_that_is_not_there_is_a_sentence_before_anything_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.setattr(sys, "path", list(sys.path))  # loading adds to it
    target = "tests.cli.test_interfaces:handler"
    with pytest.raises(CommandError, match="--loop uvloop needs uvloop: pip install uvloop"):
        make_service(read_settings(["serve", target, "--loop", "uvloop"], "0"))
    assert loop_factory("auto") is loop_factory("asyncio") is asyncio.new_event_loop
    service = make_service(read_settings(["serve", target, "--loop", "asyncio"], "0"))
    assert service.new_loop is asyncio.new_event_loop
    assert make_service(read_settings(["serve", target], "0")).new_loop is None
