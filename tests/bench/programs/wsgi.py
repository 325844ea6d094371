"""The WSGI application that gives an answer, for the servers that speak WSGI."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from orders import ANSWERS, body_made, fields_of

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def app_of(name: str) -> App:
    """The application."""
    answer = ANSWERS[name]
    fields = fields_of(answer)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = answer.body
        if name == "echo":
            body = environ["wsgi.input"].read()
        elif body is None:
            body = body_made(name, environ.get("QUERY_STRING", ""))
        start_response("200 OK", [*next(fields), ("Content-Length", str(len(body)))])
        return [body]

    return app
