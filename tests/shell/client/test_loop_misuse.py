"""A program that is careless: it asks late, from anywhere, in callbacks, across a fork, and closes
its client at the worst moment. Nothing hangs, and nobody gets the answer of somebody else.
"""

import logging
import os
import socket
import threading
import time
from typing import Any

import pytest

from sigil.client import Client, ClientClosedError, ClientLimits, ConnectError
from tests.support.answering import answering, read_head
from tests.support.servers import HOST, PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def keeps(connection: socket.socket) -> None:
    """Answer every request."""
    while read_head(connection):
        connection.sendall(OK)


def test_the_time_of_a_request_begins_when_it_is_made() -> None:
    with answering(keeps) as port, Client() as client:
        past = client.loop.agent.now - 1_000
        client.loop.agent = client.loop.agent.replace(now=past)  # it was not ticked for long
        assert client.run(client.get(f"http://{HOST}:{port}/", timeout=PATIENCE)).text == "ok"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_comes_behind_a_response_is_nobodys_answer(method: str) -> None:
    is_first, is_sent, go_on = [True], threading.Event(), threading.Event()

    def answer(connection: socket.socket) -> None:
        was_first, is_first[0] = is_first[0], False
        read_head(connection)
        connection.sendall(OK)
        if was_first:
            go_on.wait(PATIENCE)
            connection.sendall(OK.replace(b"ok", b"no"))
            is_sent.set()
            connection.recv(1)

    with answering(answer) as port, Client() as client:
        url = f"http://{HOST}:{port}/"
        assert client.run(client.get(url)).text == "ok"
        go_on.set()
        assert is_sent.wait(PATIENCE)
        assert client.run(client.request(method, url)).text == "ok"


def test_a_callback_that_raises_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[object] = []
    with answering(keeps) as port, Client() as client:
        deferred = client.get(f"http://{HOST}:{port}/")
        deferred.when_resolved(lambda result: 1 // 0)
        deferred.when_resolved(seen.append)
        with caplog.at_level(logging.ERROR):
            client.run(client.get(f"http://{HOST}:{port}/"))
        while not seen:
            client.tick(1.0)
    assert "ZeroDivisionError" in caplog.text


def test_a_client_may_be_closed_in_a_callback_with_more_to_do() -> None:
    client = Client(limits=ClientLimits(max_connections=1))
    results: list[object] = []
    with answering(keeps) as port:
        for host in (HOST, "127.0.0.2"):  # the second waits for the place of the first
            deferred = client.get(f"http://{host}:{port}/", headers={"Connection": "close"})
            deferred.when_resolved(lambda result: (results.append(result), client.close()))
        while client.running:
            client.tick(1.0)
        client.tick(0.0)
    assert len(results) == 2 and isinstance(results[1], ClientClosedError)


def test_what_another_thread_asks_of_a_client_that_closes_fails() -> None:
    client = Client()
    results: list[Any] = []

    def ask() -> None:
        client.get("http://127.0.0.1:9/").when_resolved(results.append)

    for close_now in (True, False):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        if close_now:
            client.close()
    assert [type(result) for result in results] == [ClientClosedError] * 2


def test_threads_that_ask_at_once_get_an_answer_each() -> None:
    with answering(keeps) as port, Client() as client:
        results: list[object] = []

        def ask() -> None:
            for _ in range(50):
                client.get(f"http://{HOST}:{port}/").when_resolved(results.append)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + PATIENCE
        while len(results) < 200 and time.monotonic() < end:
            client.tick(0.1)
        for thread in threads:
            thread.join()
    assert len(results) == 200 and {result.text for result in results} == {"ok"}  # type: ignore[attr-defined]


def test_a_forked_child_leaves_the_connections_of_its_parent() -> None:
    with answering(keeps) as port, Client() as client:
        url = f"http://{HOST}:{port}/"
        client.run(client.get(url))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with pytest.raises(RuntimeError, match="forked"):
                    client.get(url)
                with pytest.raises(RuntimeError, match="forked"):
                    client.tick()
                client.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert client.run(client.get(url)).text == "ok"
        assert client.state.connections[0].used == 2


def test_a_request_in_a_callback_of_a_failure_is_made() -> None:
    results: list[object] = []
    with answering(keeps) as port, Client() as client:
        failed = client.get("http://127.0.0.1:9/", retries=0)

        def again(result: object) -> None:
            results.append(result)
            client.get(f"http://{HOST}:{port}/").when_resolved(results.append)

        failed.when_resolved(again)
        while len(results) < 2:
            client.tick(1.0)
    assert isinstance(results[0], ConnectError) and results[1].text == "ok"  # type: ignore[attr-defined]
