"""Finding the application: `module:attribute` becomes something that can be called with a request.

Theory: a user's module may do anything while it is imported, and a factory anything while it is
called. So whatever they raise becomes one sentence that names the line of theirs where it happened.

Rules: the frames of the interpreter, of installed packages and of this file are nobody's line. It
does not know what the application is asked.
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

from ..apps.terminal import CommandError

APP_STATUS = 3

App: TypeAlias = Callable[..., Any]


def _is_foreign(path: str) -> bool:
    """Not the user's own code: the interpreter, its library, installed packages."""
    installed = (
        sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
    )
    return path.startswith("<") or any(path.startswith(folder + os.sep) for folder in installed)


def _place(error: BaseException) -> str:
    """Where in the user's code it happened: the line that cannot be read, or the last frame that is
    theirs.
    """
    if isinstance(error, SyntaxError):
        return f", at {error.filename}:{error.lineno}: {(error.text or '').strip()}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__
    ]
    theirs = [frame for frame in frames if not _is_foreign(frame.filename)] or frames
    return f", at {theirs[-1].filename}:{theirs[-1].lineno}: {theirs[-1].line}" if theirs else ""


def _account(error: BaseException) -> str:
    """What happened, in one line, and where."""
    return " ".join(traceback.format_exception_only(error)[-1].split()) + _place(error)


def _import_trouble(module: str, app_dir: str, error: BaseException) -> CommandError:
    """The module is not there, or it is and has failed."""
    if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
        folder = os.path.abspath(app_dir)
        return CommandError(
            f"no module {error.name!r} (looked in {folder} first; --app-dir changes that)",
            APP_STATUS,
        )
    return CommandError(f"importing {module!r} failed: {_account(error)}", APP_STATUS)


def load_app(target: str, app_dir: str, is_factory: bool = False) -> App:
    """The handler that `module:attribute` names, or that it returns if it is a factory;
    `CommandError` if there is none.
    """
    module_name, _, attribute = target.partition(":")
    sys.path.insert(0, app_dir)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a module may do anything, sys.exit() included
        raise _import_trouble(module_name, app_dir, error) from error
    try:
        found: object = reduce(getattr, attribute.split("."), module)
    except AttributeError as error:
        raise CommandError(f"there is no {target}: {error}", APP_STATUS) from error
    app = _callable(found, f"{target} is")
    return _made_by(app, target) if is_factory else app


def _made_by(factory: App, target: str) -> App:
    """The handler that a factory returns."""
    if iscoroutinefunction(factory):
        raise CommandError(
            f"{target} is asynchronous; with --factory it is called before there is a loop",
            APP_STATUS,
        )
    try:
        app = factory()
    except (Exception, SystemExit) as error:
        raise CommandError(f"calling {target}() failed: {_account(error)}", APP_STATUS) from error
    return _callable(app, f"{target}() returned something")


def _callable(thing: object, subject: str) -> App:
    if not callable(thing):
        raise CommandError(
            f"{subject} of type {type(thing).__name__}, which cannot be called", APP_STATUS
        )
    return thing
