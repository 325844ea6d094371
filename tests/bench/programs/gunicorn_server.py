"""gunicorn with a worker of four threads; it starts a process for it, which is counted too."""

from typing import Any

from gunicorn.app.base import BaseApplication
from orders import BACKLOG, HOST, LONG_S, Order, announce, free_port
from wsgi import App, app_of


class Program(BaseApplication):
    """An application and its settings, as gunicorn's documents embed it."""

    def __init__(self, app: App, settings: dict[str, Any]) -> None:
        self._app, self._settings = app, settings
        super().__init__()

    def load_config(self) -> None:
        """Set what is not the default."""
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> App:
        """The application."""
        return self._app


def serve(order: Order) -> None:
    """Serve what is ordered."""
    port = free_port()
    announce(port)
    settings = {
        "bind": f"{HOST}:{port}",
        "backlog": BACKLOG,
        "workers": 1,
        "worker_class": "gthread",
        "threads": 4,
        "worker_connections": order.room,
        "keepalive": LONG_S,
        "timeout": LONG_S,
        "loglevel": "error",
    }
    Program(app_of(order.answer), settings).run()
