"""Loading the application: the callable, or the `HttpServer`, that `module:attribute` names.

Theory: a user's module may do anything while it is imported, and a factory anything while it is
called. So whatever they raise becomes a `CommandError`, in one sentence with the line of user code
where it happened.

Rules: frames of the interpreter, of installed packages and of this file are not user code. It does
not know what requests the application gets.
"""

import importlib
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from functools import reduce
from inspect import iscoroutinefunction
from typing import Any, TypeAlias

from sigil import HttpServer
from sigil.apps.terminal import CommandError

APP_STATUS = 3

App: TypeAlias = Callable[..., Any]


def _is_installed(path: str) -> bool:
    """True for files of the interpreter, of its library and of installed packages."""
    installed = (
        sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
    )
    return path.startswith("<") or any(path.startswith(folder + os.sep) for folder in installed)


def _location(error: BaseException) -> str:
    """The place in user code as ", at file:line: text": of a syntax error the line, else the last
    frame; empty if there is none.
    """
    if isinstance(error, SyntaxError):
        return f", at {error.filename}:{error.lineno}: {(error.text or '').strip()}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__
    ]
    user_frames = [frame for frame in frames if not _is_installed(frame.filename)] or frames
    if not user_frames:
        return ""
    last = user_frames[-1]
    return f", at {last.filename}:{last.lineno}: {last.line}"


def summary(error: BaseException) -> str:
    """The exception, and where in user code it was raised, in one line; of one of sigil's own what
    it says.
    """
    if type(error).__module__.startswith("sigil."):
        return " ".join(str(error).split())
    return " ".join(traceback.format_exception_only(error)[-1].split()) + _location(error)


def _import_error(module: str, app_dir: str, error: BaseException) -> CommandError:
    """The error for a module that was not found, or that raised while it was imported."""
    if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
        folder = os.path.abspath(app_dir)
        return CommandError(
            f"no module {error.name!r} (looked in {folder} first; --app-dir changes that)",
            APP_STATUS,
        )
    return CommandError(f"importing {module!r} failed: {summary(error)}", APP_STATUS)


def load_app(target: str, app_dir: str, is_factory: bool = False) -> App | HttpServer:
    """What `target`, `module:attribute`, names, or what that returns if it is a factory.

    The module is searched in `app_dir` first. `CommandError` if there is nothing to be served.
    """
    module_name, _, attribute = target.partition(":")
    sys.path.insert(0, app_dir)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a module may do anything, sys.exit() included
        raise _import_error(module_name, app_dir, error) from error
    try:
        value: object = reduce(getattr, attribute.split("."), module)
    except AttributeError as error:
        raise CommandError(f"there is no {target}: {error}", APP_STATUS) from error
    if is_factory:
        return _call_factory(value, target)
    return _servable(value, f"{target} is")


def _call_factory(factory: object, target: str) -> App | HttpServer:
    """What a factory returns; `CommandError` if it fails."""
    if not callable(factory):
        raise CommandError(
            f"{target} is of type {type(factory).__name__}, which cannot be called", APP_STATUS
        )
    if iscoroutinefunction(factory):
        raise CommandError(
            f"{target} is asynchronous; with --factory it is called before there is a loop",
            APP_STATUS,
        )
    try:
        app = factory()
    except (Exception, SystemExit) as error:
        raise CommandError(f"calling {target}() failed: {summary(error)}", APP_STATUS) from error
    return _servable(app, f"{target}() returned something")


def _servable(value: object, subject: str) -> App | HttpServer:
    """The value itself; `CommandError` if it can neither be called nor is a server."""
    if isinstance(value, HttpServer) or callable(value):
        return value
    if isinstance(getattr(value, "server", None), HttpServer):  # of sigil.evo
        raise CommandError(
            f"{subject} of type {type(value).__name__} of sigil.evo, which its own serve() runs",
            APP_STATUS,
        )
    raise CommandError(
        f"{subject} of type {type(value).__name__}, which cannot be called", APP_STATUS
    )
