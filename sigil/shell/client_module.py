"""A placeholder."""
from importlib.resources import files

from sigil import Response


def client_module() -> Response:
    """The module."""
    return Response.bytes(files("sigil").joinpath("shell", "sigil-client.js").read_bytes(), headers={"Content-Type": "text/javascript; charset=utf-8"})
