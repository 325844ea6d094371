"""Where the command listens, and what it says of an address that cannot be had; no processes."""

import errno

import pytest

from sigil import make_http_server
from sigil.cli.listening import Place, listen_error, place_of
from sigil.cli.settings import Settings


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
    error = listen_error(OSError(number, sentence), settings, place_of(settings))
    assert error.status == 4
    assert str(error).startswith(f"cannot listen: {sentence} (")
    assert advice in str(error)


def test_an_error_nobody_foresaw_is_shown_as_it_is() -> None:
    settings = Settings("serve")
    error = listen_error(OSError("the wire fell out"), settings, place_of(settings))
    assert str(error) == "cannot listen: the wire fell out"


def test_flags_say_where_to_listen_and_else_the_server_that_the_application_made() -> None:
    server = make_http_server(lambda request: None, host="192.0.2.1", port=9000, backlog=7)
    plain = Settings("serve", "a:b")
    assert place_of(plain) == Place("127.0.0.1", 8080, 128)
    assert place_of(plain, server) == Place("192.0.2.1", 9000, 7)
    given = plain._replace(port=8080, backlog=128, given=("backlog", "port"))
    assert place_of(given, server) == Place("192.0.2.1", 8080, 128)
    assert place_of(plain._replace(host="::1", given=("host",)), server).host == "::1"


def test_a_server_at_a_unix_socket_is_served_there_unless_another_place_is_given() -> None:
    server = make_http_server(lambda request: None, uds="a")
    plain = Settings("serve", "a:b")
    assert place_of(plain, server).uds == "a"
    assert place_of(plain._replace(uds="b", given=("uds",)), server).uds == "b"
    for given in ("host", "port"):
        assert place_of(plain._replace(given=(given,)), server).uds is None
