"""Looking hosts up in threads: a few, which end."""

import threading
from queue import SimpleQueue

import pytest

from sigil.client import Client, ClientLimits, RequestTimeout, ResolveError
from sigil.core.client.events import Resolved, ResolveFailed
from sigil.core.client.racing import Address
from sigil.shell.client.resolver import Answer, Resolver, look_up
from tests.support.answering import answering, sends
from tests.support.servers import PATIENCE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_the_operating_system_is_asked() -> None:
    assert Address(4, "127.0.0.1", 80) in look_up("localhost", 80)
    with pytest.raises(OSError):
        look_up("nobody.invalid", 80)


def test_no_more_threads_than_allowed_and_every_question_is_answered() -> None:
    answers: SimpleQueue[Answer] = SimpleQueue()
    running: list[int] = []
    most: list[int] = []
    gate = threading.Event()

    def lookup(host: str, port: int) -> tuple[Address, ...]:
        running.append(1)
        most.append(len(running))
        gate.wait(PATIENCE)
        running.pop()
        if host == "bad":
            raise UnicodeError("no name")
        return (Address(4, host, port),)

    resolver = Resolver(3, answers.put, lookup)
    hosts = [f"h{number}" for number in range(9)]
    for number, host in enumerate([*hosts, "bad"]):
        resolver.ask(number, host, 80)
    gate.set()
    found = sorted((answers.get(timeout=PATIENCE) for _ in range(10)), key=lambda a: a.connection)
    assert found[0] == Resolved(0, (Address(4, "h0", 80),))
    assert found[9] == ResolveFailed(9, "no name")
    assert max(most) <= 3
    resolver.close()


def test_a_slow_resolver_holds_up_nobody() -> None:
    gate = threading.Event()

    def lookup(host: str, port: int) -> tuple[Address, ...]:
        if host == "slow.example":
            gate.wait(PATIENCE)
        return (Address(4, "127.0.0.1", port),)

    limits = ClientLimits(max_resolver_threads=2)
    with answering(sends(OK)) as port, Client(lookup=lookup, limits=limits, proxy=False) as client:
        slow = client.get(f"http://slow.example:{port}/", timeout=0.3)
        assert client.run(client.get(f"http://quick.example:{port}/")).text == "ok"
        with pytest.raises(RequestTimeout):
            client.run(slow)
        gate.set()
    assert issubclass(ResolveError, OSError)


def test_a_host_that_takes_long_has_one_thread() -> None:
    answers: SimpleQueue[Answer] = SimpleQueue()
    asked: list[str] = []
    gate, has_begun = threading.Event(), threading.Event()

    def lookup(host: str, port: int) -> tuple[Address, ...]:
        asked.append(host)
        if host == "slow":
            has_begun.set()
            gate.wait(PATIENCE)
        return (Address(4, host, port),)

    resolver = Resolver(2, answers.put, lookup)
    for number in range(9):
        resolver.ask(number, "slow", 80)
    resolver.ask(9, "quick", 80)
    assert answers.get(timeout=PATIENCE) == Resolved(9, (Address(4, "quick", 80),))
    assert has_begun.wait(PATIENCE)
    resolver.forget(3, "slow", 80)
    resolver.forget(99, "nobody", 80)
    gate.set()
    found = {answers.get(timeout=PATIENCE).connection for _ in range(8)}
    assert found == set(range(9)) - {3} and sorted(asked) == ["quick", "slow"]
    resolver.close()


def test_hosts_that_nobody_waits_for_any_more_leave_their_threads_to_others() -> None:
    answers: SimpleQueue[Answer] = SimpleQueue()
    begun: SimpleQueue[str] = SimpleQueue()
    gate = threading.Event()

    def lookup(host: str, port: int) -> tuple[Address, ...]:
        begun.put(host)
        if host.startswith("dead"):
            gate.wait(PATIENCE)
        return (Address(4, host, port),)

    resolver = Resolver(2, answers.put, lookup, max_abandoned=5)
    for number in range(3):
        resolver.ask(number, f"dead{number}", 80)
    resolver.ask(10, "quick", 80)
    assert {begun.get(timeout=PATIENCE) for _ in range(2)} == {"dead0", "dead1"}
    for number in range(3):  # their deadlines pass, of the third one perhaps before it was begun
        resolver.forget(number, f"dead{number}", 80)
    assert answers.get(timeout=PATIENCE) == Resolved(10, (Address(4, "quick", 80),))
    # who asks again for one of them waits for the thread that is still there
    resolver.ask(20, "dead0", 80)
    for number in (3, 4):
        resolver.ask(number, f"dead{number}", 80)
        while begun.get(timeout=PATIENCE) != f"dead{number}":
            pass
    resolver.forget(3, "dead3", 80)
    resolver.forget(4, "dead4", 80)
    resolver.ask(11, "late", 80)
    assert answers.get(timeout=PATIENCE) == Resolved(11, (Address(4, "late", 80),))
    gate.set()
    assert answers.get(timeout=PATIENCE) == Resolved(20, (Address(4, "dead0", 80),))
    resolver.close()


def test_no_more_threads_are_left_to_themselves_than_are_allowed() -> None:
    answers: SimpleQueue[Answer] = SimpleQueue()
    begun: SimpleQueue[str] = SimpleQueue()
    gates = {"dead0": threading.Event(), "dead1": threading.Event()}

    def lookup(host: str, port: int) -> tuple[Address, ...]:
        begun.put(host)
        if host in gates:
            gates[host].wait(PATIENCE)
        return (Address(4, host, port),)

    resolver = Resolver(1, answers.put, lookup, max_abandoned=1)
    for number in range(2):
        resolver.ask(number, f"dead{number}", 80)
        assert begun.get(timeout=PATIENCE) == f"dead{number}"
        resolver.forget(number, f"dead{number}", 80)
    resolver.ask(2, "late", 80)  # the one thread that counts is at dead1
    gates["dead0"].set()
    assert begun.empty() and answers.empty()
    gates["dead1"].set()
    assert answers.get(timeout=PATIENCE) == Resolved(2, (Address(4, "late", 80),))
    resolver.close()


def test_the_next_address_is_tried_when_one_is_refused() -> None:
    def lookup(host: str, port: int) -> tuple[Address, ...]:
        return (Address(4, "127.0.0.2", 1), Address(4, "127.0.0.1", port))

    with answering(sends(OK)) as port, Client(lookup=lookup, proxy=False) as client:
        assert client.run(client.get(f"http://two.example:{port}/")).text == "ok"
