"""The page of parity is true: names can be imported, proofs exist, and nothing of the original is
left out.

What it is: the tables of docs/parity.md are read and checked; and tests of what it claims that
stand nowhere else. Its rules: a row names a Python object and a test, or says why there is none.
What it does not know: whether a test proves what it is named for.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from sigil import HttpServer, Limits, Response, make_http_server
from sigil.core.connection.client import Phase
from sigil.core.http.encode import Encoded, encode_response
from sigil.core.http.head import Head, parse_headers_only
from sigil.core.parse_result import Malformed, NeedMore
from tests.support.core_driver import asked, client_of, head_of
from tests.support.requests import GET
from tests.support.sources import ROOT
from tests.support.tables import of_each

PAGE = ROOT / "docs" / "parity.md"

NAMES = """
    http-server http-server? make-http-server http-server-handler http-server-port
    http-server-host http-server-backlog
    http-server-timeout http-server-max-request-size http-server-socket http-server-running
    http-server-clients
    http-client http-client? http-client-socket http-client-buffer http-client-headers-complete
    http-client-content-length http-client-request http-client-response-started
    http-client-created-at

    http-server-running? http-server-start http-server-stop http-server-tick server-loop
    process-connections
    accept-new-client process-readable-clients handle-client-data try-parse-and-handle
    continue-body-read
    finalize-request parse-headers-only find-header-end parse-header-lines handle-request
    send-response
    send-error-response

    http-get http-post http-put http-delete http-request http-serve http-status-message
    http-response-text
    http-response-html http-response-json http-response-not-found http-response-redirect
    http-response-error
    http-response-sse body-length streaming-body? build-status-line build-headers-string
    ensure-headers
    write-http-response response->string parse-range-header sse-event sse-data router route
    routes path-param
    path-params chain static ws-connect ws-send ws-send-binary ws-ping ws-receive ws-close
    with-async go yield sleep
    await-readable await-writable
"""
"""What `(sigil http server)` and its siblings export."""


class Row(NamedTuple):
    """One line of a table."""

    there: str
    here: str
    proof: str
    difference: str


def read_rows() -> Iterator[Row]:
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] not in ("There", "---"):
            yield Row(*cells)


ROWS = list(read_rows())


# -- the page --------------------------------------------------------------------------------------


def is_module(parts: list[str]) -> bool:
    place = ROOT.joinpath(*parts)
    return place.is_dir() or place.with_suffix(".py").exists()


def imported(dotted: str) -> object:
    """The object of this name; ImportError or AttributeError if there is none."""
    parts = dotted.split(".")
    count = max(count for count in range(1, len(parts) + 1) if is_module(parts[:count]))
    return reduce(getattr, parts[count:], import_module(".".join(parts[:count])))


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_no_name_of_the_original_is_left_out() -> None:
    told = [name for row in ROWS for name in re.findall(r"`([^`]+)`", row.there)]
    assert set(NAMES.split()) <= set(told)
    assert len(set(told)) == len(told)


@of_each(ROWS, lambda row: row.there)
def test_a_row_names_what_there_is_and_its_proof_or_says_why_not(row: Row) -> None:
    names = re.findall(r"`(sigil\.[\w.]+)`", f"{row.here} {row.difference}")
    assert all(imported(name) is not None for name in names)
    if row.here in ("not here", "not yet"):
        assert row.difference and not row.proof
        return
    assert re.match(r"`sigil\.[\w.]+`", row.here)
    proofs = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row.proof)
    assert proofs
    for path, test in proofs:
        assert test in functions_of(ROOT / path), f"{path}::{test}"


# -- what it claims and nothing else tests ---------------------------------------------------------


def test_a_server_is_made_as_it_is_there() -> None:
    made: dict[str, Any] = {
        name: parameter.default
        for name, parameter in inspect.signature(make_http_server).parameters.items()
    }
    assert (made["port"], made["host"], made["backlog"]) == (8080, "127.0.0.1", 128)
    assert (Limits().body_timeout, Limits().max_body_len) == (30.0, 10 * 2**20)
    server = make_http_server(lambda request: None, port=0)
    assert isinstance(server, HttpServer)
    assert not server.running


def test_a_connection_remembers_what_it_remembers_there() -> None:
    client = client_of(asked(GET[:-5]))
    assert (client.incoming.buffer, client.incoming.phase, client.outstanding) == (
        GET[:-5],
        Phase.HEAD,
        (),
    )
    client = client_of(asked(GET))
    assert (client.incoming.buffer, client.outstanding) == (b"", (head_of(GET),))
    client = client_of(asked(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nabc"))
    assert client.incoming.head is not None
    assert (client.incoming.phase, client.incoming.head.body_length, client.outstanding) == (
        Phase.BODY,
        7,
        (),
    )


def test_a_parse_is_true_or_false_as_it_is_there() -> None:
    good, bad, half = (
        parse_headers_only(GET),
        parse_headers_only(b"GET\r\n\r\n"),
        parse_headers_only(GET[:-1]),
    )
    assert (type(good), type(bad), type(half)) == (Head, Malformed, NeedMore)
    assert (bool(good), bool(bad), bool(half)) == (True, False, False)


def test_a_length_counts_the_bytes_of_utf_8() -> None:
    encoded = encode_response(Response.text("h\u00e4\u00dflich"), head_of(GET), False, b"\r\n")
    assert isinstance(encoded, Encoded)
    assert b"\r\nContent-Length: 9\r\n" in b"".join(encoded.pieces)
