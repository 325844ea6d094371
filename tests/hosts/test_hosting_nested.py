"""A handler that runs the loop it was called by: it shows a dialog, or waits for a window.

Theory: toolkits run their loop within a callback, and that loop calls whoever watches a descriptor.
The server cannot tick within its tick, so it waits for the handler; nothing is lost, and nothing
ends. A handler may also end the loop: then the server ends behind it.

Rules: the handler asks for something itself before it runs the loop, so that the loop has a reason
to call. It does not know how often the loop turns.
"""

from collections.abc import Callable, Iterator

import pytest

from sigil import HttpServer, Request, Response
from tests.support.host_loops import LOOPS
from tests.support.requests import GET
from tests.support.servers import PATIENCE, Raw, make

INTERVAL = 0.005
TURNS = 50


def turn_qt() -> None:
    from PySide6.QtCore import QCoreApplication

    QCoreApplication.processEvents()


def turn_tk() -> None:
    import tkinter

    tkinter._get_default_root().update()  # type: ignore[attr-defined]


TURN: dict[str, Callable[[], None]] = {"qt": turn_qt, "tk": turn_tk}


def run(loop: str, server: HttpServer, steps: Iterator[object]) -> None:
    """Run the loop until the script has ended."""
    LOOPS[loop](server, lambda: next(steps, steps) is not steps, INTERVAL)
    assert next(steps, steps) is steps, "the loop has ended before the script has"
    assert not server.running


@pytest.mark.parametrize("loop", TURN)
def test_who_comes_while_a_handler_runs_the_loop_is_answered_behind_it(loop: str) -> None:
    others: list[Raw] = []

    def app(request: Request) -> Response:
        if request.path == "/dialog":
            others.append(Raw(server, GET))
            for _ in range(TURNS):
                TURN[loop]()
            others[0].poll()
            assert not others[0].answers(), "somebody was answered within a handler"
        return Response.text("hello")

    def script() -> Iterator[object]:
        while not server.running:
            yield
        with Raw(server, GET.replace(b"/ ", b"/dialog ", 1)) as client:
            for _ in range(round(PATIENCE / INTERVAL)):
                client.poll()
                if client.answers() and others and (others[0].poll(), others[0].answers())[1]:
                    break
                yield
            answers = [*client.answers(), *others[0].answers()]
            assert [answer.status for answer in answers] == [200, 200]
            others[0].sock.close()

    server = make(app)
    run(loop, server, script())


def test_a_handler_that_destroys_the_window_ends_the_server_behind_itself() -> None:
    def app(request: Request) -> Response:
        import tkinter

        tkinter._get_default_root().destroy()  # type: ignore[attr-defined]
        return Response.text("goodbye")

    clients: list[Raw] = []
    server = make(app)

    def frame() -> bool:
        if server.running and not clients:
            clients.append(Raw(server, GET))
        return True

    LOOPS["tk"](server, frame, INTERVAL)
    assert not server.running
    clients[0].sock.close()
