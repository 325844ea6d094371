"""The servers of the bench, as values: what each can do, and the command that starts it.

Theory: a server is a program (programs/), or one of the floors in C (native/). A floor understands
nothing and answers constant bytes: what any server must pay, in C to this kernel, in Python to the
interpreter too. Peers take part where their modules can be imported by the Python that runs the
bench; `sigil-compiled` is the same program as `sigil` in a Python that has the compiled wheel.

Rules: a server that cannot run is not an error, but is reported with the reason. It does not know
what is measured.
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from .programs.orders import ANSWERS, SET_COOKIE, Order
from .rows import Echo, FanOut, Http, Load, Row, conn_cnt_of, is_recorded, service_of, traffic_of

HERE = Path(__file__).resolve().parent
LIFE_S = 120
"""The alarm of every child."""
HTTP = frozenset({"http"})
WSGI = frozenset({"wsgi"})
ASGI = frozenset({"asgi"})
WEBSOCKET = frozenset({"echo", "ticks"})
EVERYTHING = frozenset({"http", "wsgi", "asgi", "echo", "ticks", "deflate"})
SPARE = 64


class Server(NamedTuple):
    """`program` is the module in programs/, "" for C; `packages` are those that it needs.

    `is_late` says that it prints its port before it listens.
    """

    name: str
    program: str
    services: frozenset[str]
    modules: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    has_log: bool = False
    is_late: bool = False
    is_floor: bool = False


def peer(name: str, services: frozenset[str], *more: str, is_late: bool = False) -> Server:
    """A server of somebody else's, which needs the module of its name, and `more`."""
    return Server(
        name, name, services, (name, *more), (PACKAGES.get(name, name), *more), False, is_late
    )


PACKAGES = {"bjoern": "bjoern-binary"}
"""Where the package has another name than the module."""

COMPILED = "sigil-compiled"
SERVERS = (
    Server("sigil", "sigil", EVERYTHING, ("sigil",), ("sigil-http",), has_log=True),
    Server(COMPILED, "sigil", EVERYTHING, has_log=True),
    Server("c-floor", "", EVERYTHING - {"deflate"}, has_log=True, is_floor=True),
    Server("py-floor", "floor", EVERYTHING, has_log=True, is_floor=True),
    peer("uvicorn", HTTP | WSGI | ASGI, "uvloop", "httptools")._replace(has_log=True),
    peer("websockets", WEBSOCKET | {"deflate"}),
    peer("picows", WEBSOCKET, "uvloop"),
    peer("cymongoose", HTTP | WEBSOCKET),
    peer("socketify", HTTP | WEBSOCKET),
    peer("freastal", HTTP, is_late=True),
    peer("bjoern", HTTP | WSGI, is_late=True),
    peer("fastpysgi", HTTP | WSGI, is_late=True),
    peer("granian", HTTP | WSGI | ASGI, is_late=True),
    peer("waitress", WSGI),
    peer("gunicorn", WSGI, is_late=True),
)
NAMES = tuple(server.name for server in SERVERS)
PEERS = tuple(server.name for server in SERVERS if server.modules and server.name != "sigil")


def why_absent(server: Server) -> str:
    """Why a server cannot run in this Python; empty when it can."""
    missing = [module for module in server.modules if find_spec(module) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def version_of(package: str) -> str:
    """The version of a package that is installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def can_run(server: Server, row: Row) -> bool:
    """True if the server does what the row asks."""
    service, has_log = service_of(row.load)
    is_asked_too_much = has_log and not server.has_log
    if is_recorded(row.load) and server.name not in ("sigil", COMPILED):
        return False
    return service in server.services and server.name not in row.without and not is_asked_too_much


# -- commands --------------------------------------------------------------------------------------

DATE = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"


def order_of(load: Load) -> Order:
    """What a program is told."""
    service, has_log = service_of(load)
    conn_cnt = conn_cnt_of(load)
    order = Order(service, conn_cnt + SPARE, conn_cnt, has_log=has_log)
    order = order._replace(is_recorded=is_recorded(load))
    traffic = traffic_of(load)
    if isinstance(traffic, Http):
        return order._replace(answer=traffic.answer)
    if isinstance(traffic, FanOut):
        order = order._replace(topic=traffic.topic, is_latest=bool(traffic.behind_every))
    return order._replace(depth=traffic.depth, payload_sz=traffic.payload_sz)


def for_floor(order: Order, load: Http | Echo | FanOut) -> Order:
    """The same order, with what a floor needs to know since it understands nothing."""
    if isinstance(load, Http):
        head = head_of(order.answer, int(load.body[1:]) if load.body[0] == "=" else len(load.body))
        return order._replace(
            request_sz=len(load.request), head=head, body=load.body, is_closing=load.is_closing
        )
    if isinstance(load, Echo):
        return order._replace(fragment_cnt=load.fragment_cnt, has_pings=load.has_pings)
    return order


def head_of(name: str, body_sz: int) -> str:
    """The head of a response as a server would write it."""
    answer = ANSWERS[name]
    fields = [*answer.fields, ("Content-Length", str(body_sz))]
    if answer.is_numbered:
        fields.append(("Set-Cookie", SET_COOKIE % 0))
    lines = "".join(f"{key}: {value}\r\n" for key, value in fields)
    return f"HTTP/1.1 200 OK\r\n{DATE}{lines}\r\n"


def command_of(server: Server, load: Load, tools: Path, python: str) -> list[str]:
    """The command line of a server; `tools` is where the programs in C are."""
    order = order_of(load)
    if server.is_floor:
        order = for_floor(order, traffic_of(load))
    if server.program:
        serve = str(HERE / "programs" / "serve.py")
        return [python, serve, server.program, str(LIFE_S), json.dumps(order._asdict())]
    if order.service in ("http", "wsgi", "asgi"):
        numbers = (LIFE_S, order.request_sz, int(order.is_closing))
        return [str(tools / "http_floor"), *map(str, numbers), order.head, order.body]
    shape = (
        order.conn_cnt,
        order.depth,
        order.payload_sz,
        order.fragment_cnt,
        int(order.has_pings),
    )
    return [str(tools / "websocket_floor"), order.service, str(LIFE_S), *map(str, shape)]
