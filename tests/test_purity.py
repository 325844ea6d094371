"""The rule of the design, enforced: the core imports nothing that touches the world, and running it
touches nothing.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sources import CORE, ROOT, name_of
from tests.support.tables import of_each

FORBIDDEN = frozenset(
    (
        "socket",
        "select",
        "selectors",
        "ssl",
        "os",
        "time",
        "random",
        "secrets",
        "threading",
        "asyncio",
        "logging",
        "io",
        "pathlib",
        "subprocess",
        "signal",
    )
)
UNSPEAKABLE = frozenset(("open", "print", "input", "exec", "eval", "__import__"))
BASES = frozenset(("NamedTuple", "Value", "IntEnum", "Enum", "ValueError"))

every_core_file = of_each(CORE, name_of)


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(level, module) of every import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


def base_name(node: ast.expr) -> str:
    """The last word of a base class."""
    return (
        node.attr
        if isinstance(node, ast.Attribute)
        else node.id
        if isinstance(node, ast.Name)
        else ast.dump(node)
    )


def faults(source: str, depth: int = 1) -> list[str]:
    """What breaks the rule in this source, which lies `depth` folders below `sigil`."""
    tree = ast.parse(source)
    found = []
    for level, module in imports(tree):
        if level > depth or module.split(".")[0] in FORBIDDEN or module.startswith("sigil"):
            found.append(f"imports {'.' * level}{module}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in UNSPEAKABLE:
            found.append(f"names {node.id}")
        elif isinstance(node, ast.Global | ast.Nonlocal):
            found.append("rebinds a name that is not its own")
        elif isinstance(node, ast.ClassDef):
            found += [
                f"{node.name} inherits from {base_name(base)}"
                for base in node.bases
                if base_name(base) not in BASES
            ]
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
            found.append("waits")
    return found


@every_core_file
def test_the_core_imports_and_names_nothing_that_touches_the_world(path: Path) -> None:
    assert faults(path.read_text(), len(path.relative_to(ROOT / "sigil").parts) - 1) == []


@pytest.mark.parametrize(
    "source",
    [
        "import socket",
        "import os.path",
        "from time import monotonic",
        "from ..shell import listen",
        "def f():\n    import random",
        "print(1)",
        "x = open",
        "def f():\n    global x\n    x = 1",
        "class A(dict): ...",
        "class A(Server): ...",
        "async def f(): ...",
        "import sigil.shell",
        "from .. import shell",
    ],
)
def test_each_kind_of_fault_is_found(source: str) -> None:
    assert len(faults(source)) == 1


RUN = """
import sys
sys.path.insert(0, {root!r})
import python_multipart.multipart  # a library is found once, whoever needs it
from sigil.core.conn import Conn, Peer, Ticket
from sigil.core.effects import Handle
from sigil.core.events import *
from sigil.core.limits import Limits
from sigil.core.http.bodies import StreamedBody
from sigil.core.http.response import Response
from sigil.core.server import advance, make_server, stats

OUTSIDE = ("socket", "os", "subprocess", "shutil", "tempfile", "urllib")

def answer(request):
    if request.content_type == "multipart/form-data":
        return Response.json(request.form())
    return Response.json(request.args)

def watch(event, arguments):
    if event == "open" or event.split(".")[0] in OUTSIDE:
        raise RuntimeError(f"the core touches the world: {{event}} {{arguments}}")

server = make_server(Limits(), 0.0, 0, True)
reads = [
    b"GET /a%20b?c HTTP/1.1\\r\\nHost: [::1]:80\\r\\nCookie: a=b\\r\\n\\r\\n" * 3,
    b"POST / HTTP/1.1\\r\\nHost: a\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
    b"5;a\\r\\nhello\\r\\n0\\r\\nX: y\\r\\n\\r\\n",
    b"POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Type: multipart/form-data; boundary=x\\r\\n"
    b"Content-Length: 69\\r\\n\\r\\n"
    b"--x\\r\\nContent-Disposition: form-data; name=a; filename=b\\r\\n\\r\\nc\\r\\n--x--\\r\\n",
    b"HEAD / HTTP/1.0\\r\\n\\r\\n", b"GET /\\r\\n\\r\\n",
    b"GET / HTTP/1.1\\r\\nHost a\\r\\n\\r\\n", b"GET /half",
]
sys.addaudithook(watch)
answers = 0
for number, data in enumerate(reads):
    conn = Conn(number, number)
    events = [TickStarted(number * 1.0, 86_400 * number), Accepted(number, Peer("h", 1))]
    events += [Received(conn, data), InputRead()]
    while events:
        server, effects = advance(server, events)
        handles = [effect for effect in effects if type(effect) is Handle]
        events = [HandlerReturned(order.ticket, tuple(map(answer, order.requests)))
                  for order in handles]
        answers += len(handles)
server, _ = advance(server, [TickStarted(100.0, 9 ** 9), InputRead(), Stop(0.0)])
sys.stdout.write(f"{{answers}} {{stats(server).accepted}} {{stats(server).clients}}")
{after}
"""


def run_watched(after: str = "") -> subprocess.CompletedProcess[str]:
    """Run the core in a process of its own in which touching the world raises."""
    source = RUN.format(root=str(ROOT), after=after)
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )


def test_a_running_core_touches_nothing() -> None:
    result = run_watched()
    assert result.stderr == ""
    assert result.stdout == "4 7 0"


@pytest.mark.parametrize(
    "after", ["open('/dev/null')", "import socket; socket.socket()", "import os; os.listdir('/')"]
)
def test_the_watch_would_notice(after: str) -> None:
    assert "the core touches the world" in run_watched(after).stderr
