"""The folders of sigil are in order: who may import whom.

Theory: a reader begins at the front of a list and never meets what comes later. So the folders of
the core have an order, and a file imports only from its own folder and those before it. The other
rules are arrows that must not be there: no module imports itself by way of others, the shell does
not know the programs that use it, programs use what every user has, and a name that begins with an
underscore stays in its file.

Rules: an import that only the type checker sees is an import. It does not know what the modules do.
"""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.support.sources import (
    CORE,
    ROOT,
    SIGIL,
    TESTS,
    Import,
    imports_in,
    imports_of,
    is_below,
    module_of,
    name_of,
)
from tests.support.tables import of_each

READING_ORDER = (
    ("build", "bounded_repr", "value"),
    (
        "limits",
        "limits_check",
        "tls",
        "conn",
        "close_reasons",
        "parse_result",
        "rope",
        "send_status",
        "proxy_protocol",
        "networks",
        "topics",
        "origins",
    ),
    ("http",),
    ("web",),
    ("stage",),
    ("websocket",),
    ("broadcast",),
    ("securing",),
    ("control", "events", "effects"),
    ("connection",),
    ("server",),
    ("views",),
    ("trace",),
    ("client",),
)
"""The files and folders of `sigil.core`; each uses those of its own step and of the steps before.
"""
STEPS = {f"sigil.core.{name}": step for step, names in enumerate(READING_ORDER) for name in names}
MODULES = {module_of(path): path for path in SIGIL}
SHELL = [path for path in SIGIL if is_below(module_of(path), "sigil.shell")]
APPS = [path for path in SIGIL if is_below(module_of(path), "sigil.apps")]
FACES = ("sigil.asgi", "sigil.evo", "sigil.hosts", "sigil.wsgi")
"""What serves programs that were written for other servers."""

every_core_file = of_each(CORE, name_of)


def step_of(module: str) -> int:
    """The step of a module of the core; 0 for `sigil.core` itself, so that it can use nothing."""
    if module == "sigil.core":
        return 0
    return STEPS[".".join(module.split(".")[:3])]


def modules_used(path: Path) -> set[str]:
    """The modules of sigil that a file imports."""
    return {item.module for item in imports_of(path) if is_below(item.module, "sigil")}


def circle_in(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """A way from a node back to itself, that node at both ends; nothing if there is none."""
    finished: set[str] = set()

    def search(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in finished:
            return []
        for following in sorted(graph.get(node, ())):
            found = search(following, [*way, node])
            if found:
                return found
        finished.add(node)
        return []

    return next(filter(None, (search(node, []) for node in sorted(graph))), [])


def private_names(imports: Iterable[Import]) -> list[str]:
    """What is imported though its file keeps it for itself; `__version__` and the like
    are public.
    """
    return [
        f"{item.module}.{item.name}"
        for item in imports
        if item.name.startswith("_") and not item.name.startswith("__")
    ]


# -- the rules -------------------------------------------------------------------------------------


@every_core_file
def test_a_file_of_the_core_has_its_step_and_uses_none_that_comes_later(path: Path) -> None:
    own = step_of(module_of(path))
    assert [module for module in modules_used(path) if step_of(module) > own] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circle_in({module: modules_used(path) for module, path in MODULES.items()}) == []


@of_each(SHELL, name_of)
def test_the_shell_does_not_know_the_programs_that_use_it(path: Path) -> None:
    users = ("sigil.apps", "sigil.cli", "sigil.browser", "sigil.testing", *FACES)
    assert [module for module in modules_used(path) if is_below(module, *users)] == []


@of_each(APPS, name_of)
def test_programs_use_what_every_user_has_and_views_of_the_core(path: Path) -> None:
    allowed = (
        "sigil.apps",
        "sigil.core.trace",
        "sigil.core.views",
        "sigil.client",
        "sigil.relay",
        "sigil.testing",
        "sigil.web",
    )
    assert [
        module
        for module in modules_used(path)
        if module != "sigil" and not is_below(module, *allowed)
    ] == []


@pytest.mark.parametrize(
    "path", [path for path in SIGIL if is_below(module_of(path), *FACES)], ids=name_of
)
def test_other_faces_use_what_every_user_has(path: Path) -> None:
    own = ".".join(module_of(path).split(".")[:2])
    allowed = ("sigil.web", own)
    assert [
        module
        for module in modules_used(path)
        if module != "sigil" and not is_below(module, *allowed)
    ] == []


def test_only_the_command_uses_the_programs() -> None:
    users = {
        module
        for module, path in MODULES.items()
        if any(is_below(used, "sigil.apps") for used in modules_used(path))
    }
    assert [module for module in users if not is_below(module, "sigil.apps", "sigil.cli")] == []


@of_each([*SIGIL, *TESTS], name_of)
def test_no_file_imports_a_private_name_of_another(path: Path) -> None:
    assert private_names(imports_of(path)) == []


# -- the rules can be broken -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("from .head import Head", "sigil.core.http.head"),
        ("from . import head", "sigil.core.http.head"),
        ("from .. import limits", "sigil.core.limits"),
        ("from ..server import advance", "sigil.core.server"),
        ("def f():\n    import sigil.shell.make", "sigil.shell.make"),
        ("if TYPE_CHECKING:\n    from ...shell.server import HttpServer", "sigil.shell.server"),
    ],
)
def test_every_kind_of_import_is_seen(source: str, imported: str) -> None:
    path = ROOT / "sigil" / "core" / "http" / "body.py"
    assert [item.module for item in imports_in(ast.parse(source), path)] == [imported]


def test_a_circle_is_found_wherever_it_is() -> None:
    assert circle_in({"a": ["b", "c"], "b": [], "c": ["d"], "d": ["c"]}) == ["c", "d", "c"]
    assert circle_in({"a": ["a"]}) == ["a", "a"]
    assert circle_in({"a": ["b", "c"], "b": ["c"], "c": ["elsewhere"]}) == []


def test_a_private_name_is_seen_and_a_name_of_python_is_none() -> None:
    imports = [Import("sigil.a", "_b"), Import("sigil.a", "b"), Import("sigil", "__version__")]
    assert private_names(imports) == ["sigil.a._b"]
