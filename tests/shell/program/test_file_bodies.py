"""Files behind a server on sockets: whole, in parts, and what fails while they are sent."""

import errno
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sigil import Deferred, Limits, Request, Response
from sigil.core.http.bodies import FileBody, FileSpan
from sigil.shell.program.file_bodies import FileTransfer, is_of_socket, problem_of
from sigil.shell.program.open_file import FileShrank, open_path
from sigil.testing import Client
from tests.support.builds import refusal
from tests.support.descriptors import count_descriptors
from tests.support.servers import Raw, pump, settle, ticking

LARGE = 3_000_000
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def serving(path: object) -> Callable[[Request], Response]:
    """A handler that answers everything with one file."""
    return lambda request: Response.file(path)


def large_file(folder: Path) -> tuple[Path, bytes]:
    """A file that is sent in several pieces, and what is in it."""
    data = os.urandom(1_000) * (LARGE // 1_000)
    path = folder / "large.bin"
    path.write_bytes(data)
    return path, data


# -- in memory -------------------------------------------------------------------------------------


def test_a_small_file_is_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("hello")
    with Client(serving(path)) as client:
        answer = client.get("/")
        assert (answer.status, answer.body) == (200, b"hello")
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert client.get("/", headers={"Range": "bytes=1-2"}).body == b"el"
        again = client.get("/", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        head = client.head("/")
        assert head.headers["content-length"] == "5"


def test_a_large_file_is_sent_whole_in_parts_and_to_slow_readers(tmp_path: Path) -> None:
    path, data = large_file(tmp_path)
    before = count_descriptors()
    with Client(serving(path)) as client:
        assert client.get("/").body == data
        part = client.get("/", headers={"Range": "bytes=1000000-2999998"})
        assert (part.status, part.body) == (206, data[1_000_000:2_999_999])
        parts = client.get("/", headers={"Range": "bytes=0-99999,-100000"})
        assert parts.body.count(b"Content-Range:") == 2
        assert data[:100_000] in parts.body and data[-100_000:] in parts.body
        slow = client.connect(window_len=100_000)
        slow.send(GET + GET)
        assert count_descriptors() == before + 1
        while slow.read(70_000):
            pass
        assert [answer.body for answer in slow.answers()] == [data, data]
        assert client.head("/").headers["content-length"] == str(LARGE)
        assert count_descriptors() == before


def test_a_client_that_leaves_closes_its_file(tmp_path: Path) -> None:
    path, _ = large_file(tmp_path)
    before = count_descriptors()
    with Client(serving(path)) as client:
        slow = client.connect(window_len=100_000)
        slow.send(GET)
        assert count_descriptors() == before + 1
        slow.reset()
        assert count_descriptors() == before


@pytest.mark.parametrize("status", [200, 404])
def test_a_status_and_fields_of_ones_own_are_kept(tmp_path: Path, status: int) -> None:
    path = tmp_path / "a.html"
    path.write_text("gone")

    def handler(request: Request) -> Response:
        return Response.file(path, status, {"ETag": '"x"'}, filename="na\u00efve.html")

    with Client(handler) as client:
        answer = client.get("/")
        assert (answer.status, answer.body) == (status, b"gone")
        assert answer.headers["etag"] == '"x"'
        assert "filename*=UTF-8''na%C3%AFve.html" in answer.headers["content-disposition"]
        seen = client.get("/", headers={"If-None-Match": '"x"'})
        assert seen.status == (304 if status == 200 else status)


@pytest.mark.parametrize("name", ["none", "a\0b", "folder", "a.txt/b", "x" * 300])
def test_what_is_no_file_is_not_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.txt").touch()
    with Client(serving(str(tmp_path) + "/" + name)) as client:
        assert client.get("/").status == 404
        assert client.log == []


def test_what_is_no_path_is_refused_where_it_is_written() -> None:
    for path in (None, b"a", 3, ["a"]):
        with pytest.raises(TypeError, match=refusal("a path is a str or a Path")):
            Response.file(path)
    with pytest.raises(TypeError, match=refusal("a filename is a str")):
        Response.file("a", filename=3)  # type: ignore[arg-type]  # that is what is tried


def test_a_file_may_come_late_and_for_nobody(tmp_path: Path) -> None:
    path, data = large_file(tmp_path)
    before = count_descriptors()
    later = Deferred()
    with Client(lambda request: later) as client:
        connection = client.connect()
        connection.send(GET)
        later.resolve(Response.file(path))
        client.run_until_idle()
        assert connection.answers()[0].body == data
    assert count_descriptors() == before


def test_a_file_that_shrinks_breaks_off_and_one_that_grows_does_not(tmp_path: Path) -> None:
    path, data = large_file(tmp_path)
    with Client(serving(path), raise_errors=False) as client:
        slow = client.connect(window_len=100_000)
        slow.send(GET)
        with path.open("ab") as file:
            file.write(bytes(1_000))
        while slow.read(70_000):
            pass
        assert slow.answers()[0].body == data
        slow.send(GET)
        slow.read(100_000)
        os.truncate(path, 500_000)
        while slow.read(70_000):
            pass
        assert slow.is_closed
        assert "became shorter" in client.log[-1].text


def test_many_small_files_for_who_does_not_read_are_not_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(60_000))
    calls: list[str] = []

    def handler(request: Request) -> Response:
        calls.append(request.path)
        return Response.file(path)

    with Client(handler) as client:
        slow = client.connect(window_len=1_000)
        slow.send(GET * 40)
        assert len(calls) < 12  # as many as `max_outbox_len` has room for, and some
        while slow.read(70_000):
            pass
        assert len(calls) == 40
        assert all(len(answer.body) == 60_000 for answer in slow.answers(*["GET"] * 40))


def test_a_file_that_is_removed_is_sent_all_the_same(tmp_path: Path) -> None:
    path, data = large_file(tmp_path)
    with Client(serving(path)) as client:
        slow = client.connect(window_len=100_000)
        slow.send(GET)
        path.unlink()
        while slow.read(70_000):
            pass
        assert slow.answers()[0].body == data
        assert client.get("/").status == 404


# -- on sockets ------------------------------------------------------------------------------------


def test_the_kernel_sends_a_file_by_itself(tmp_path: Path) -> None:
    path, data = large_file(tmp_path)
    with ticking(serving(path), Limits()) as server, Raw(server) as client:
        client.send(GET + GET)
        pump(server, lambda: len(client.received) > 2 * LARGE, client)
        settle(server, client)
        assert [answer.body for answer in client.answers("GET", "GET")] == [data, data]


def test_others_are_answered_while_a_file_is_sent(tmp_path: Path) -> None:
    path, _ = large_file(tmp_path)

    def handler(request: Request) -> Response:
        return Response.file(path) if request.path == "/" else Response.text("quick")

    with ticking(handler, Limits()) as server, Raw(server) as slow, Raw(server) as quick:
        slow.send(GET * 20)
        settle(server)
        quick.send(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
        settle(server, quick)
        assert [answer.body for answer in quick.answers()] == [b"quick"]


# -- what fails ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FileNotFoundError(errno.ENOENT, "no"), 404),
        (NotADirectoryError(errno.ENOTDIR, "no"), 404),
        (OSError(errno.ELOOP, "no"), 404),
        (OSError(errno.ENAMETOOLONG, "no"), 404),
        (PermissionError(errno.EACCES, "no"), 404),
        (ValueError("embedded null byte"), 404),
        (OSError(errno.EMFILE, "no"), 503),
        (OSError(errno.ENFILE, "no"), 503),
        (OSError(errno.EIO, "no"), 500),
        (OSError("no"), 500),
        (FileShrank("no"), 500),
        (KeyError("no"), None),
    ],
)
def test_an_error_of_the_disk_is_a_status(error: BaseException, status: int | None) -> None:
    problem = problem_of(error)
    assert (None if problem is None else problem.status) == status
    assert problem is None or "no" not in problem.message


def test_errors_of_sockets_are_not_those_of_disks() -> None:
    assert is_of_socket(BrokenPipeError(errno.EPIPE, ""))
    assert is_of_socket(ssl.SSLError(ssl.SSL_ERROR_SSL, "it would negotiate again"))
    assert not is_of_socket(OSError(errno.EIO, ""))


class Failing:
    """A file whose disk fails after some bytes."""

    facts: Any = None

    def __init__(self, *results: int | BaseException) -> None:
        self.results = list(results)
        self.is_closed = False
        self.needed: list[tuple[int, int]] = []

    def will_need(self, offset: int, length: int) -> None:
        """Notes what is to be read ahead."""
        self.needed.append((offset, length))

    def send(self, sock: Any, offset: int, length: int) -> int:
        """What comes next."""
        result = self.results.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result

    def close(self) -> None:
        """Nothing more comes."""
        self.is_closed = True


def transfer_of(*results: int | BaseException) -> FileTransfer:
    """The transfer of ten bytes of a file that fails."""
    return FileTransfer(FileBody(Failing(*results), (FileSpan(0, 10),)))


def test_what_was_taken_counts_before_the_failure_is_met() -> None:
    one, other = socket.socketpair()
    with one, other:
        transfer = transfer_of(4, OSError(errno.EIO, "disk"), OSError(errno.EIO, "disk"))
        assert transfer.send(one, 10) == 4
        with pytest.raises(OSError, match="disk"):
            transfer.send(one, 10)


def test_a_full_socket_takes_nothing_and_that_is_no_failure() -> None:
    one, other = socket.socketpair()
    with one, other:
        transfer = transfer_of(BlockingIOError(), 4, BlockingIOError(), 6)
        assert transfer.send(one, 10) == 0
        assert transfer.send(one, 10) == 4
        assert transfer.send(one, 10) == 6
        assert transfer.is_done


def test_after_an_interrupt_nobody_knows_what_was_taken() -> None:
    one, other = socket.socketpair()
    with one, other:
        transfer = transfer_of(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            transfer.send(one, 10)
        with pytest.raises(FileShrank, match="interrupt"):
            transfer.send(one, 10)


def test_what_comes_next_is_read_ahead_if_the_disk_was_waited_for() -> None:
    times = iter((0.0, 0.001, 0.001, 1.0, 1.5, 1.5))
    one, other = socket.socketpair()
    with one, other:
        file = Failing(4, BlockingIOError(), 3, 3)
        transfer = FileTransfer(FileBody(file, (FileSpan(100, 10),)), lambda: next(times))
        assert transfer.send(one, 10) == 4
        assert file.needed == []
        assert transfer.send(one, 10) == 3, "no second call: the others have waited"
        assert file.needed == [(107, 3)]


def test_a_bounded_amount_is_sent_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(1_000))
    one, other = socket.socketpair()
    with one, other:
        parts = (b"head", FileSpan(0, 1_000), b"tail")
        transfer = FileTransfer(FileBody(open_path(path), parts))
        assert [transfer.send(one, 500) for _ in range(3)] == [500, 500, 8]
        assert transfer.is_done
        transfer.close()
