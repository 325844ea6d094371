"""`--reload`: a server that restarts whenever a file of the application changes.

Theory: a process that has imported code cannot unload all of it, so new code gets a new process.
What must outlive the code are the listening sockets: a parent has them, never imports the
application, and passes them to one child after the other. Between two children new connections wait
in the kernel's backlog, and none is refused.

Rules: there is one child at a time: it has drained before the next one starts, because the next one
may need what it holds (a port, a file, a lock). Watching begins before the first child, so that no
change is missed. A child that exits by itself has logged why; the parent waits for the next change.

It does not know how to serve, what is served, or how processes are supervised.
"""

import os
import threading
from collections.abc import Iterator

from sigil.apps.terminal import CommandError, print_error
from sigil.cli.settings import Settings
from sigil.cli.supervisor import STOPPING, Supervisor
from sigil.cli.team import Changed, Team

WATCH_STATUS = 3
POLL_INTERVAL_MILLISECONDS = 200
"""Between two looks of the watching thread at whether it is to end."""


def serve_with_reload(settings: Settings) -> int:
    """Serve from one process after another until SIGINT or SIGTERM; the exit status.

    `CommandError` if files cannot be watched.
    """
    stop = threading.Event()
    watching = _watch(settings, stop)
    next(watching)  # before there is a child, so that no change is missed
    team = Team(1, settings.timeout_graceful_shutdown, is_watching=True)
    supervisor = Supervisor(settings, team)

    def post_changes() -> None:
        try:
            for paths in watching:
                if paths:
                    supervisor.post(Changed(tuple(sorted(map(os.path.relpath, paths)))))
        except (OSError, RuntimeError) as error:
            print_error(f"files are not watched any more: {error}")

    watcher = threading.Thread(target=post_changes, name="sigil: watcher", daemon=True)
    watcher.start()
    try:
        return supervisor.run(STOPPING)
    finally:
        stop.set()
        watcher.join()


def _watch(settings: Settings, stop: threading.Event) -> Iterator[set[str]]:
    """Sets of paths that have changed, some of them empty, until `stop` is set; the first, an empty
    one, once watching has begun.
    """
    try:
        from watchfiles import PythonFilter, watch
    except ImportError as error:
        raise CommandError(
            "--reload needs watchfiles: pip install 'sigil-http[reload]'", WATCH_STATUS
        ) from error
    folders = settings.reload_dir or (settings.app_dir or ".",)
    for folder in folders:
        if not os.path.isdir(folder):
            raise CommandError(f"there is no directory {folder} to watch", WATCH_STATUS)
    watching = watch(
        *folders,
        watch_filter=PythonFilter(),
        stop_event=stop,
        rust_timeout=POLL_INTERVAL_MILLISECONDS,
        yield_on_timeout=True,
    )
    try:
        yield {path for _, path in next(watching, ())}
    except (OSError, RuntimeError) as error:
        raise CommandError(f"cannot watch {', '.join(folders)}: {error}", WATCH_STATUS) from error
    for changes in watching:
        yield {path for _, path in changes}
