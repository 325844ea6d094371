"""The command in a process of its own: what it prints, how it answers, and how it ends.

Every process has a deadline and gets port 0. A process is ready when it has printed where it
listens.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

PATIENCE_SECONDS = 60.0
LIFE_SECONDS = 300.0
"""No process of a test is there for longer."""


APP = """\
import os, signal, threading
import sigil.evo
from sigil import Deferred, Request, Response, Routes, make_http_server

def app(request: Request) -> Response:
    if request.path == "/interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    if request.path == "/fail":
        raise LookupError("a handler that fails")
    if request.path == "/endless":
        return Response.stream(iter(lambda: bytes(1000), b""))
    return Response.text(f"{request.method} {request.path}")

async def later(request: Request) -> Response:
    return Response.text("later")

def promised(request: Request) -> Deferred:
    deferred = Deferred()
    threading.Timer(0.05, deferred.resolve, (Response.text("promised"),)).start()
    return deferred

routes = Routes()
routes.add("/a", later)
evo = sigil.evo.HttpServer()

class Handler:
    async def __call__(self, request: Request) -> Response:
        return Response.text("an object's")

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = ("wsgi.url_scheme", "REMOTE_ADDR", "SCRIPT_NAME", "PATH_INFO")
    return [" ".join(environ[name] for name in names).encode()]

async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    text = " ".join((scope["scheme"], scope["client"][0], scope["root_path"], scope["path"]))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})

server = make_http_server(app, port=0)

def make():
    return app

def make_async():
    return Handler()

async def make_later():
    return app

def make_from(name):
    return app

def make_nothing():
    return None

def make_trouble():
    raise LookupError("no such thing")

class inner:
    @staticmethod
    def app(request: Request) -> Response:
        return Response.text("inner")

number = 7
"""


class Ended(NamedTuple):
    """How a process ended."""

    status: int
    out: str
    err: str


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "sigil", *words]


def run(
    *words: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Ended:
    """A command that is expected to end by itself, with these variables beside those there are."""
    done = subprocess.run(
        command(*words),
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def http_get(
    port: int, path: str = "/", method: str = "GET", host: str = "127.0.0.1"
) -> tuple[int, str]:
    """The status and the body of a response."""
    connection = HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


class Running:
    """A command that serves: where, and how to end it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout is not None
        self.first_line = process.stdout.readline()
        port = self.first_line.rstrip().rpartition(":")[2]
        self.port = int(port) if port.isdecimal() else 0

    def get(self, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, str]:
        return http_get(self.port, path, method, host)

    def end(self, number: int = signal.SIGINT) -> Ended:
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> Ended:
        # Not communicate(): it passes over what readline() has read ahead.  The watchdog bounds the
        # reading.
        assert self.process.stdout is not None and self.process.stderr is not None
        out, err = self.process.stdout.read(), self.process.stderr.read()
        return Ended(self.process.wait(PATIENCE_SECONDS), self.first_line + out, err)


@contextmanager
def started(
    *words: str,
    folder: Path | None = None,
    descriptors: Sequence[int] = (),
    has_own_group: bool = False,
    patience: float = LIFE_SECONDS,
) -> Iterator["subprocess.Popen[str]"]:
    """A process that is certain to end, after `patience` seconds at the latest: reading its output
    has no deadline of its own.

    It inherits `descriptors`. With a process group of its own it can be sent what a terminal sends
    to all.
    """
    pipe = subprocess.PIPE
    address = () if {"--uds", "--fd"} & set(words) else ("--port", "0")
    process = subprocess.Popen(
        command(*words, *address),
        cwd=folder,
        stdout=pipe,
        stderr=pipe,
        text=True,
        pass_fds=descriptors,
        process_group=0 if has_own_group else None,
    )
    watchdog = threading.Timer(patience, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.wait(PATIENCE_SECONDS)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def running(
    *words: str,
    folder: Path | None = None,
    descriptors: Sequence[int] = (),
    has_own_group: bool = False,
    patience: float = LIFE_SECONDS,
) -> Iterator[Running]:
    with started(
        *words,
        folder=folder,
        descriptors=descriptors,
        has_own_group=has_own_group,
        patience=patience,
    ) as process:
        yield Running(process)
