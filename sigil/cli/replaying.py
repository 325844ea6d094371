"""`sigil world`, and `sigil replay --serve`: a server that shows what another one did.

Theory: the page is a program like `sigil stream`: a handler, a guard of its Host names, and a
server that answers until a signal. What it shows is handed in.

Rules: without `--serve` a command prints what happened and ends. A flag that says where to serve
means nothing then, and is refused. It does not know what is shown.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sigil import Callbacks, HttpServer, make_http_server
from sigil.apps.hosts import HostGuard, Hosts
from sigil.apps.terminal import CommandError, print_line
from sigil.cli.listening import Listeners, listening, place_of
from sigil.cli.serving import stop_on_signals
from sigil.cli.settings import Settings
from sigil.cli.tls import secure

if TYPE_CHECKING:
    from sigil.apps.replay.app import Views
    from sigil.apps.replay.simulations import Simulated
    from sigil.apps.replay.work import Worker
    from sigil.shell.recording.recording import Recording

USAGE_STATUS, UNREADABLE_STATUS = 2, 3
OWN = "app"
"""The name of the network of somebody's own program."""
OF_SERVING = ("host", "port", "uds", "uds_mode", "fd", "backlog", "ssl_certfile", "allow_host")
"""Fields that mean nothing without `--serve`."""

HostsFor = Callable[[Settings, Listeners], Hosts]


def run_world(settings: Settings, hosts_for: HostsFor) -> int:
    """Run a simulated network, and print what happened or serve the page of it."""
    from sigil.apps.replay.simulations import NETWORKS, Simulations
    from sigil.apps.replay.work import Worker

    check_serving(settings)
    networks, network = NETWORKS, settings.network
    if settings.app:
        networks, network = {OWN: _program_of(settings)}, OWN
    if not settings.serve:
        print_line(networks[network](settings.seed).sentence)
        return 0
    simulations = Simulations(network, settings.seed, networks)
    simulations.view(network, settings.seed)  # before anybody waits for it
    return serve_page(settings, simulations, Worker(), hosts_for)


def _program_of(settings: Settings) -> "Callable[[int], Simulated]":
    """What runs the program that `--app` names; `CommandError` if there is none."""
    from sigil.apps.replay.simulations import of_program
    from sigil.cli.find_app import load_app

    app, clients = load_app(settings.app, settings.app_dir, settings.factory), settings.clients
    if isinstance(app, HttpServer):
        made = app.settings
        callbacks = made.callbacks if isinstance(made.callbacks, Callbacks) else Callbacks()
        return of_program(made.handler, callbacks, made.limits, clients)
    return of_program(app, Callbacks(), None, clients)


def run_page(settings: Settings, recording: "Recording", hosts_for: HostsFor) -> int:
    """Serve the page of a recording; `CommandError` if it cannot be read."""
    from sigil.apps.replay.documents import make_view
    from sigil.apps.replay.work import Watched, Worker
    from sigil.shell.recording.errors import RecordingError, asked_of_recording
    from sigil.shell.recording.recording import Recording

    if settings.app:
        text = "--serve and --app cannot be given together: the page shows what was recorded"
        raise CommandError(text, USAGE_STATUS)
    worker = Worker()
    watched = Recording(recording.first, Watched(recording.turns, worker.look), recording.about)
    try:
        with asked_of_recording():
            view = make_view(watched, Path(settings.recording).name)
    except RecordingError as error:
        raise CommandError(str(error), UNREADABLE_STATUS) from error
    return serve_page(settings, lambda request: view, worker, hosts_for)


def check_serving(settings: Settings) -> None:
    """`CommandError` for flags that mean nothing without `--serve`, if that is not given."""
    given = [field for field in OF_SERVING if field in settings.given]
    if given and not settings.serve:
        flag = f"--{given[0].replace('_', '-')}"
        raise CommandError(f"{flag} needs --serve: nothing is served without it", USAGE_STATUS)


def serve_page(settings: Settings, views: "Views", worker: "Worker", hosts_for: HostsFor) -> int:
    """Serve the page of these recordings until SIGINT or SIGTERM; the exit status."""
    from sigil.apps.replay.app import make_app
    from sigil.shell.recording.errors import RecordingError

    guard = HostGuard()
    app = make_app(views, RecordingError, worker.do)
    server = make_http_server(guard.guarding(app), host=settings.host, port=settings.port)
    secure(server, settings)
    stop_on_signals(server.stop)
    with listening(settings, place_of(settings)) as listeners:
        guard.hosts = hosts_for(settings, listeners)
        server.listen(listeners, shared=settings.fd is not None)
        print_line("open it in a browser; Ctrl-C stops it")
        server.start()
    return 0
