"""The addresses of hosts, asked for in threads: the operating system answers only to who waits.

Theory: getaddrinfo(3) asks files and servers, and returns when it is done, which may take as long
as a network is slow. So it is called in threads, a few at most, that are started when a host is
asked for and end when none has been for a while.

Rules: who asks for a host that is being looked up waits for the same answer, so that a host that
takes long has one thread and not all of them. A thread whose host nobody waits for any more, since
a deadline has passed, cannot be stopped: it is abandoned, and another one may take its place; so
hosts of which nothing is ever known hold up others no longer than a deadline. Nothing here blocks
but those threads, which are daemons: a program that ends does not wait for them. An answer is given
to `report`, which any thread may call. It does not know connections: they are numbers.
"""

import os
import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from ...core.client.events import Resolved, ResolveFailed
from ...core.client.racing import Address

Answer: TypeAlias = Resolved | ResolveFailed
Lookup: TypeAlias = Callable[[str, int], tuple[Address, ...]]
_Question: TypeAlias = tuple[str, int]
_Found: TypeAlias = tuple[Address, ...] | str
"""Addresses, or why there are none."""

PATIENCE_SECONDS = 5.0
"""How long a thread waits for the next host before it ends."""
_FAMILIES = {socket.AF_INET: 4, socket.AF_INET6: 6}


def look_up(host: str, port: int) -> tuple[Address, ...]:
    """The addresses of a host, in the order of the operating system; OSError if there are none."""
    found = []
    for family, _, _, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if family in _FAMILIES:
            zone = place[3] if len(place) == 4 else 0
            found.append(Address(_FAMILIES[family], str(place[0]), port, int(zone)))
    return tuple(found)


class Resolver:
    """Up to `max_threads` threads that look hosts up, and `report` what they found; beside them up
    to `max_abandoned` whose answers nobody waits for.
    """

    def __init__(
        self,
        max_threads: int,
        report: Callable[[Answer], object],
        lookup: Lookup = look_up,
        max_abandoned: int = 0,
    ) -> None:
        self._max_threads = max_threads
        self._max_abandoned = max_abandoned
        self._report = report
        self._lookup = lookup
        self._begin()

    def _begin(self) -> None:
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._asking: dict[_Question, list[int]] = {}
        """The connections that wait for what is being asked, or will be."""
        self._running: set[_Question] = set()
        """Those that a thread is asking for, and that were not abandoned."""
        self._abandoned: dict[_Question, list[int]] = {}
        """Those that a thread asks for which is not counted; who asks again waits for it."""
        self._count = 0
        self._busy = 0
        self._pid = os.getpid()

    def ask(self, connection: int, host: str, port: int) -> None:
        """Have a host looked up for a connection."""
        if os.getpid() != self._pid:
            self._begin()  # a forked child has none of the threads
        question = host, port
        with self._lock:
            asking = self._asking.get(question, self._abandoned.get(question))
            if asking is not None:
                asking.append(connection)
                return
            self._asking[question] = [connection]
            self._busy += 1
            needs_thread = self._takes_thread()
        self._questions.put(question)
        if needs_thread:
            self._start()

    def _takes_thread(self) -> bool:
        """True if one more thread is to be started, which is counted from now on."""
        needs_thread = self._busy > self._count and self._count < self._max_threads
        self._count += needs_thread
        return needs_thread

    def forget(self, connection: int, host: str, port: int) -> None:
        """The connection waits no more. A host that nobody waits for is not looked up, or abandoned
        if it is being looked up.
        """
        question, needs_thread = (host, port), False
        with self._lock:
            asking = self._asking.get(question, self._abandoned.get(question, []))
            if connection in asking:
                asking.remove(connection)
            is_left = not asking and question in self._running
            if is_left and len(self._abandoned) < self._max_abandoned:
                self._abandoned[question] = self._asking.pop(question)
                self._running.discard(question)
                self._count -= 1
                self._busy -= 1
                needs_thread = self._takes_thread()
        if needs_thread:
            self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="sigil:resolver", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads are to be had
            with self._lock:
                self._count -= 1
                is_helpless = self._count == 0
            while is_helpless:
                try:
                    question = self._questions.get_nowait()
                except queue.Empty:
                    return
                if question is not None:
                    self._finish(question, f"no thread can be had: {error}")

    def _run(self) -> None:
        """Look hosts up until there are none for a while; runs in the thread."""
        while True:
            try:
                question = self._questions.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                question = None
            if question is None:
                with self._lock:
                    if self._busy >= self._count and not self._questions.empty():
                        continue  # somebody has just asked
                    self._count -= 1
                return
            with self._lock:
                is_wanted = bool(self._asking[question])
                if is_wanted:
                    self._running.add(question)
                else:
                    del self._asking[question]
                    self._busy -= 1
            if is_wanted and not self._finish(question, self._answer(*question)):
                return

    def _answer(self, host: str, port: int) -> _Found:
        try:
            return self._lookup(host, port)
        except OSError as error:
            return error.strerror or str(error)
        except Exception as error:  # such as a name that cannot be encoded
            return str(error) or type(error).__name__

    def _finish(self, question: _Question, found: _Found) -> bool:
        """Answer whoever waits; False for a thread that was abandoned, and is not counted."""
        with self._lock:
            connections = self._abandoned.pop(question, None)
            is_counted = connections is None
            if connections is None:
                connections = self._asking.pop(question)
                self._running.discard(question)
                self._busy -= 1
        for connection in connections:
            answer: Answer
            if isinstance(found, str):
                answer = ResolveFailed(connection, found)
            else:
                answer = Resolved(connection, found)
            with suppress(Exception):  # nobody is there any more
                self._report(answer)
        return is_counted

    def close(self) -> None:
        """Let the threads end that wait for a host."""
        if os.getpid() == self._pid:
            for _ in range(self._count):
                self._questions.put(None)
