"""Programs for this machine answer to the names of this machine: a site whose name is resolved anew
gets nothing of what they say.
"""

import logging
from http.client import HTTPConnection
from pathlib import Path

import pytest

from sigil import Response
from sigil.apps.hosts import HostGuard, Hosts, hosts_of, is_own
from sigil.testing import Client, UpgradeRefused
from tests.support.command import PATIENCE_SECONDS, running

EVERY_MACHINE = ["localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.9.9.9", "[::1]"]
FOREIGN = ["evil.example", "localhost.evil.example", "notlocalhost", "10.0.0.1", "[fe80::1]", "a"]


@pytest.mark.parametrize("name", [*EVERY_MACHINE, "[::ffff:127.0.0.1]", ""])
@pytest.mark.parametrize("port", ["", ":80", ":8080"])
def test_names_of_every_machine_are_answered_to(name: str, port: str) -> None:
    assert is_own(f"{name}{port}", hosts_of(["127.0.0.1"]))
    assert is_own(f"{name}{port}", Hosts())


@pytest.mark.parametrize("name", [*FOREIGN, "0.0.0.0", "127.1", "evil.example.", "[::2]", "[", "*"])
def test_other_names_are_not(name: str) -> None:
    assert not is_own(name, hosts_of(["127.0.0.1", "localhost"]))
    assert not is_own(f"{name}:8080", hosts_of(["::1"]))


def test_the_name_that_is_listened_on_is_a_name() -> None:
    hosts = hosts_of(["Box.example", "192.0.2.7"])
    assert is_own("box.EXAMPLE:80", hosts) and is_own("192.0.2.7", hosts)
    assert not is_own("192.0.2.8", hosts) and not is_own("a.box.example", hosts)


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])
def test_who_listens_everywhere_is_called_by_any_address_and_by_no_name(everywhere: str) -> None:
    hosts = hosts_of([everywhere])
    assert is_own("192.0.2.7:8080", hosts) and is_own("[2001:db8::1]", hosts)
    assert not is_own("evil.example", hosts) and is_own("localhost", hosts)


def test_others_are_names_too_once_they_are_allowed() -> None:
    hosts = hosts_of(["127.0.0.1"], ["Box.example.", "192.0.2.7", "[2001:db8::1]"])
    for name in ("box.example", "192.0.2.7:1", "[2001:DB8::1]:8080"):
        assert is_own(name, hosts)
    assert not is_own("other.example", hosts)
    assert all(is_own(name, hosts_of(["127.0.0.1"], ["*"])) for name in FOREIGN)


def test_a_page_a_stream_and_a_websocket_are_refused_alike_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def app(request: object) -> Response:
        calls.append(request)
        return Response.upgrade() if request.is_upgrade else Response.sse()  # type: ignore[attr-defined]

    calls: list[object] = []
    client = Client(HostGuard().guarding(app))
    foreign = {"Host": "evil.example:8080"}
    with caplog.at_level(logging.WARNING):
        answer = client.get("/", headers=foreign)
        with pytest.raises(UpgradeRefused) as refused:
            client.websocket("/ws", headers=foreign, origin="http://evil.example:8080")
    assert answer.status == refused.value.answer.status == 421
    assert "--allow-host evil.example has it answered to" in answer.text
    assert caplog.text.count("421") == 1 and "--allow-host evil.example" in caplog.text
    assert calls == []
    client.websocket("/ws", headers={"Host": "localhost"})
    assert len(calls) == 1


@pytest.mark.parametrize("words", [("demo",), ("stream", "--linger")])
def test_the_command_answers_to_names_of_this_machine_and_to_those_that_it_is_told(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    with running(*words, "--port", "0", "--allow-host", "box.example", folder=tmp_path) as server:
        port = server.port
        for host in ("localhost", "127.0.0.1", f"box.example:{port}"):
            assert asked(port, host) == 200
        for host in ("evil.example", f"evil.example:{port}", "192.0.2.1"):
            assert asked(port, host) == 421
        ended = server.end()
    assert ended.status == 0
    assert ended.err.count("--allow-host evil.example") == 1


def asked(port: int, host: str) -> int:
    """The status of the page, asked for by this Host."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()
