"""`--record` and `--redact`: a server that is recorded while a command serves it.

Theory: a recording is a block around whatever serves, so every command has it in the same way.
Processes that serve together write a file each, with the number of the process in its name.

Rules: what is wrong with the path or the names is an error of the command before anything is
served. It does not know what is written.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sigil import HttpServer
from sigil.apps.terminal import CommandError
from sigil.cli.find_app import APP_STATUS
from sigil.cli.settings import Settings


@contextmanager
def recorded(server: HttpServer, settings: Settings) -> Iterator[None]:
    """Record a server while the block runs, if that was asked for; CommandError with a sentence if
    it cannot be recorded there.
    """
    with ExitStack() as stack:
        if settings.record:
            try:
                stack.enter_context(server.recording(path_for(settings), redact=settings.redact))
            except (ValueError, ModuleNotFoundError) as error:
                raise CommandError(str(error), APP_STATUS) from error
        yield


def path_for(settings: Settings) -> str:
    """The path of the recording of this process."""
    path = settings.record
    if "{pid}" not in path and (settings.workers > 1 or settings.reload):
        stem, ending = os.path.splitext(path)
        path = f"{stem}-{{pid}}{ending}"
    return path.replace("{pid}", str(os.getpid()))
