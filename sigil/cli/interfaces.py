"""What kind of application `module:app` is, and the handler that it becomes.

Theory: an `HttpServer` says what it is. Everything else is called, and what it is called with shows
in its parameters: a handler has one, the request; a WSGI application (PEP 3333) two, `environ` and
`start_response`; an ASGI application (version 3) three, `scope`, `receive` and `send`. Only what
can be called without an argument has to be given is counted, so that defaults do not matter.

Rules: what cannot be any of these is refused in words; where nobody can tell (`*args`, a builtin),
it is a handler, and `--interface` says otherwise. The adapters are imported when there is something
to adapt. It does not know the requests.
"""

from inspect import Parameter, Signature, isclass, iscoroutinefunction, signature, unwrap
from typing import Any

from sigil import Handler, HttpServer, Routes
from sigil.apps.terminal import CommandError
from sigil.cli.find_app import APP_STATUS, App
from sigil.cli.flags import foreign_flag_in
from sigil.cli.settings import Settings

USAGE_STATUS = 2
SERVER = "server"
"""The interface of an `HttpServer`, which needs no name on the command line."""
PARAMETERS = {"handler": ("request",), "wsgi": ("environ", "start_response")} | {
    "asgi": ("scope", "receive", "send")
}
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


# -- which it is -----------------------------------------------------------------------------------


def signature_of(app: object) -> Signature | None:
    """How it is called; None if nobody can tell."""
    try:
        return signature(app)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def takes(found: Signature, count: int) -> bool:
    """True if it can be called with so many arguments."""
    try:
        found.bind(*(None,) * count)
    except TypeError:
        return False
    return True


def _needed(found: Signature) -> list[str]:
    """The names of the arguments without which it cannot be called."""
    return [
        parameter.name
        for parameter in found.parameters.values()
        if parameter.kind in _POSITIONAL and parameter.default is Parameter.empty
    ]


def is_asgi_2(app: object, needed: list[str]) -> bool:
    """True for an ASGI application of version 2: it is called with a scope, and returns what is
    called with the rest.
    """
    if needed == ["scope"]:
        return True
    return isclass(app) and len(needed) == 1 and iscoroutinefunction(app.__call__)


def interface_of(app: App | HttpServer, target: str) -> str:
    """The interface of an application: `SERVER`, or one that `--interface` names.

    `CommandError` for what is none of them.
    """
    if isinstance(app, HttpServer):
        return SERVER
    found = signature_of(app)
    if found is None:
        return "handler"
    needed = _needed(found)
    if is_asgi_2(app, needed):
        raise CommandError(
            f"{target} is an ASGI application of version 2, which is not served: version 3 is one "
            "coroutine function of scope, receive and send (asgiref.compatibility makes one)",
            APP_STATUS,
        )
    if not takes(found, max(1, len(needed))):
        raise CommandError(_not_callable(target, needed), APP_STATUS)
    return {2: "wsgi", 3: "asgi"}.get(len(needed), "handler")


def _not_callable(target: str, needed: list[str]) -> str:
    """What is wrong with something that is called with nothing, or in no way that is known."""
    if needed:
        return f"{target} needs arguments by name, with which nobody calls it"
    return f"{target} takes no argument, as a factory does: with --factory it is called for one"


def check_interface(app: App | HttpServer, interface: str, target: str) -> None:
    """`CommandError` if it cannot be an application of the interface that was asked for."""
    if isinstance(app, HttpServer):
        raise CommandError(
            f"{target} is an HttpServer, which has its handler: it is served without --interface",
            USAGE_STATUS,
        )
    names, found = PARAMETERS[interface], signature_of(app)
    is_old = interface == "asgi" and found is not None and is_asgi_2(app, _needed(found))
    if is_old:
        interface_of(app, target)  # says so
    if found is not None and not takes(found, len(names)):
        raise CommandError(
            f"{target} is called with {_listed(_needed(found))}, and --interface {interface} would "
            f"call it with {_listed(list(names))}",
            APP_STATUS,
        )


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nothing"


def chosen_interface(app: App | HttpServer, settings: Settings) -> str:
    """The interface of an application, as it was asked for or found out; `CommandError` for what is
    none, and for flags that say nothing to it.
    """
    interface = settings.interface
    if interface == "auto":
        interface = interface_of(app, settings.app)
    else:
        check_interface(app, interface, settings.app)
    problem = foreign_flag_in(settings.given, interface)
    if problem:
        what = {SERVER: "an HttpServer", "handler": "a handler"}.get(
            interface, f"{'an' if interface == 'asgi' else 'a'} {interface.upper()} application"
        )
        raise CommandError(f"{problem}, and {settings.app} is {what}", USAGE_STATUS)
    return interface


# -- the handler that it becomes -------------------------------------------------------------------


def handler_of(app: App, interface: str, settings: Settings) -> Handler:
    """The handler that serves an application of this interface."""
    if interface == "wsgi":
        from sigil import wsgi

        return wsgi.handler(
            app,
            threads=settings.threads,
            script_name=settings.root_path,
            multiprocess=settings.workers > 1,
        )
    if interface == "asgi":
        from sigil import asgi

        return asgi.handler(
            app,
            root_path=settings.root_path,
            lifespan=settings.lifespan,
            grace=settings.timeout_graceful_shutdown,
        )
    return app


def is_asynchronous(function: Any) -> bool:
    """True for a coroutine function, for what has one within, and for routes that lead to one."""
    inner = unwrap(function)
    if isinstance(inner, Routes):
        return any(is_asynchronous(route.handler) for route in inner.table.routes)
    return any(
        iscoroutinefunction(each) or iscoroutinefunction(type(each).__call__)
        for each in (function, inner)
    )
