"""A counting layer under the shell: every system call it makes can be made to fail, once, the n-th
time.

Theory: a server makes a few dozen system calls for a conversation, and each of them may fail. So
the conversation is repeated, and each time one more of them fails, until there is none left:
nothing is assumed about which call is where.

Rules: nothing of sigil is replaced. The shell's own names `socket` and `select` are bound to copies
of those modules in which the socket class is a subclass that counts, and the epoll object is around
one that does; what they do not fail they do. A call that fails has not been done, but for `close`,
after which a descriptor is gone whatever it returned (close(2)). Clients use the real modules, so
only the server is hurt. It does not know what the server does with a failure.
"""

import errno
import os
import select
import socket
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import pytest

CALLS_MAX = 500
"""More calls of a kind than anything here makes."""

LISTENING, WAKING = -1, -2
"""In place of the port of a client: the call was made on the listener, or on the pair that wakes
the server.

Calls on that pair are a kind of their own, `waking recv` and so on: no network is between its ends.
"""


class Hit(NamedTuple):
    """A call that was made to fail: its kind, and the port of the client it was made for."""

    kind: str
    whose: int


class Fault:
    """The `nth` call of this kind fails with this error; `hits` is what it met, `counts` how often
    each was made.
    """

    def __init__(self, kind: str = "", code: int = 0, nth: int = 0) -> None:
        self._kind, self._code, self._nth = kind, code, nth
        self.counts: Counter[str] = Counter()
        self.hits: list[Hit] = []
        self.is_armed = True
        self._is_harmless = code == errno.EAGAIN or kind == "setsockopt"
        self.owners: dict[int, int] = {}
        """By descriptor: the port of its client, or what stands for one."""

    def has_harmed(self, port: int) -> bool:
        """True if the client with this port may have lost its connection: who is told to try again
        has lost nothing.
        """
        return not self._is_harmless and any(hit.whose == port for hit in self.hits)

    def strike(self, kind: str, whose: int) -> None:
        """Count a call, and raise if it is the one."""
        if not self.is_armed:
            return
        kind = f"waking {kind}" if whose == WAKING else kind
        self.counts[kind] += 1
        if kind == self._kind and self.counts[kind] == self._nth:
            self.hits.append(Hit(kind, whose))
            raise OSError(self._code, os.strerror(self._code))


def _counted(name: str) -> Callable[..., Any]:
    """The method of a socket, counted."""
    plain = getattr(socket.socket, name)

    def method(self: "CountedSocket", *arguments: object) -> object:
        self.fault.strike(name, self.whose)
        return plain(self, *arguments)

    return method


class CountedSocket(socket.socket):
    """A socket that asks its `fault` first."""

    fault = Fault()
    whose = LISTENING

    def __init__(
        self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        if fileno is None:
            self.fault.strike("socket", LISTENING)
        super().__init__(family, type, proto, fileno)

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection, as a socket of the same kind."""
        self.fault.strike("accept", LISTENING)
        connection, address = super().accept()
        counted = type(self)(fileno=connection.detach())
        counted.whose = self.fault.owners[counted.fileno()] = address[1]
        return counted, address

    def close(self) -> None:
        """Close, and only then fail."""
        is_open = self.fileno() >= 0
        self.fault.owners.pop(self.fileno(), None)
        super().close()
        if is_open:
            self.fault.strike("close", self.whose)


for _name in (
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recv",
    "send",
    "sendmsg",
    "setsockopt",
    "shutdown",
):
    setattr(CountedSocket, _name, _counted(_name))


class CountedEpoll:
    """An epoll object that asks its fault first."""

    def __init__(self, fault: Fault) -> None:
        fault.strike("epoll_create", LISTENING)
        self._epoll, self._fault, self._owners = select.epoll(), fault, fault.owners
        self.fileno = self._epoll.fileno

    def register(self, descriptor: int, mask: int) -> None:
        """EPOLL_CTL_ADD."""
        self._fault.strike("register", self._owners.get(descriptor, LISTENING))
        self._epoll.register(descriptor, mask)

    def modify(self, descriptor: int, mask: int) -> None:
        """EPOLL_CTL_MOD."""
        self._fault.strike("modify", self._owners.get(descriptor, LISTENING))
        self._epoll.modify(descriptor, mask)

    def unregister(self, descriptor: int) -> None:
        """EPOLL_CTL_DEL."""
        self._fault.strike("unregister", self._owners.get(descriptor, LISTENING))
        self._epoll.unregister(descriptor)

    def poll(self, *arguments: Any) -> Any:
        """epoll_wait."""
        self._fault.strike("poll", LISTENING)
        return self._epoll.poll(*arguments)

    def close(self) -> None:
        """Close, and only then fail."""
        self._epoll.close()
        self._fault.strike("close", LISTENING)


def _copy(module: ModuleType, **changed: object) -> ModuleType:
    """A module of the same name with the same contents, but for what is changed."""
    copy = ModuleType(module.__name__)
    copy.__dict__.update(module.__dict__, **changed)
    return copy


def install(patch: pytest.MonkeyPatch, fault: Fault) -> None:
    """Put the layer under the shell until the patch is undone."""
    kind: type[CountedSocket] = type("CountedSocket", (CountedSocket,), {"fault": fault})

    def socketpair() -> tuple[socket.socket, socket.socket]:
        fault.strike("socketpair", LISTENING)
        pair = [kind(fileno=end.detach()) for end in socket.socketpair()]
        for end in pair:
            end.whose = fault.owners[end.fileno()] = WAKING
        return pair[0], pair[1]

    copies = {
        "socket": _copy(socket, socket=kind, socketpair=socketpair),
        "select": _copy(select, epoll=partial(CountedEpoll, fault)),
    }
    for name, module in list(sys.modules.items()):
        for bound, real in (("socket", socket), ("select", select)):
            if name.startswith("sigil.shell.") and getattr(module, bound, None) is real:
                patch.setattr(module, bound, copies[bound])


HAS_EPOLL = hasattr(select, "epoll")


def fail_each_call(one_run: Callable[[str, int, int], Fault], kind: str, error: int) -> None:
    """Run something again and again, each time with another call of a kind failing with `error`:
    the first, the second, and so on until it makes no more of them.
    """
    for nth in range(1, CALLS_MAX):
        try:
            fault = one_run(kind, error, nth)
        except Exception as failure:
            raise AssertionError(f"number {nth} of these calls") from failure
        if not fault.hits:
            return
    raise AssertionError("the conversation does not end")
