"""What is shown of the fields of public records, and of a server."""

import inspect
from typing import Any, NamedTuple

import pytest

from sigil import Callbacks, Limits, Stats, make_http_server
from sigil.shell.records import document_fields


class Plain(NamedTuple):
    """A record that is not of sigil."""

    name: Any
    other: Any = None


# -- servers ---------------------------------------------------------------------------------------


def test_a_server_says_where_it_listens_and_how_it_is() -> None:
    server = make_http_server(lambda request: None, port=0)
    assert repr(server) == "<HttpServer http://127.0.0.1, not listening>"
    server.listen()
    assert repr(server) == f"<HttpServer http://127.0.0.1:{server.port}, serving, clients: 0>"
    port = server.port
    server.stop(0.0)
    server.tick()
    assert repr(server) == f"<HttpServer http://127.0.0.1:{port}, stopped>"


# -- fields ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", Limits._fields)
def test_every_limit_says_what_it_is_for(field: str) -> None:
    text = inspect.getdoc(getattr(Limits, field))
    assert text is not None and text.endswith(".") and not text.startswith("Alias for field")
    assert "  " not in text


@pytest.mark.parametrize(
    ("record", "field", "start"),
    [(Stats, "requests", ""), (Limits, "idle_timeout", "Seconds between two requests.")],
)
def test_fields_of_public_records_have_their_docs(record: Any, field: str, start: str) -> None:
    text = inspect.getdoc(getattr(record, field))
    assert text is not None and text.startswith(start) and "Alias" not in text


def test_where_there_is_no_source_nothing_is_said() -> None:
    document_fields(Plain, Callbacks)
    assert inspect.getdoc(Plain.name) == "Alias for field number 0"
