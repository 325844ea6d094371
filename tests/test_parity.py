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

LIBWEBSOCKETS = """
    lws_client_reset lws_client_connect_via_info lws_client_connect_extended lws_client_connect
    lws_http_transaction_completed_client lws_get_library_version lws_create_context
    lws_context_destroy lws_return_http_status lws_set_timeout lws_get_peer_addresses
    lws_context_user lws_callback_all_protocol lws_get_socket_fd lws_rx_flow_control
    lws_rx_flow_allow_all_protocol lws_canonical_hostname lws_set_proxy lws_get_protocol
    lwsl_timestamp lws_set_log_level lws_is_ssl lws_partial_buffered lws_parse_uri lws_cgi
    lws_cgi_kill lws_cancel_service lws_cancel_service_pt lws_write lws_hdr_fragment_length
    lws_hdr_total_length lws_hdr_copy_fragment lws_hdr_copy lws_frame_is_binary
    lws_remaining_packet_payload lws_callback_on_writable lws_callback_on_writable_all_protocol
    lws_http_transaction_completed lws_adopt_socket lws_adopt_socket_readbuf lws_serve_http_file
    lws_service_fd_tsi lws_service lws_callback_function lws_extension_callback_function
    lws_close_reason
"""
"""The functions of libwebsockets, as its interface has them."""

CALLBACK_REASONS = """
    ESTABLISHED CLIENT_CONNECTION_ERROR CLIENT_FILTER_PRE_ESTABLISH CLIENT_ESTABLISHED CLOSED
    CLOSED_HTTP RECEIVE RECEIVE_PONG CLIENT_RECEIVE CLIENT_RECEIVE_PONG CLIENT_WRITEABLE
    SERVER_WRITEABLE HTTP HTTP_BODY HTTP_BODY_COMPLETION HTTP_FILE_COMPLETION HTTP_WRITEABLE
    FILTER_NETWORK_CONNECTION FILTER_HTTP_CONNECTION SERVER_NEW_CLIENT_INSTANTIATED
    FILTER_PROTOCOL_CONNECTION OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS
    OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION
    CLIENT_APPEND_HANDSHAKE_HEADER CONFIRM_EXTENSION_OKAY CLIENT_CONFIRM_EXTENSION_SUPPORTED
    PROTOCOL_INIT PROTOCOL_DESTROY WSI_CREATE WSI_DESTROY GET_THREAD_ID ADD_POLL_FD DEL_POLL_FD
    CHANGE_MODE_POLL_FD LOCK_POLL UNLOCK_POLL OPENSSL_CONTEXT_REQUIRES_PRIVATE_KEY
    WS_PEER_INITIATED_CLOSE WS_EXT_DEFAULTS CGI CGI_TERMINATED CGI_STDIN_DATA CGI_STDIN_COMPLETED
    ESTABLISHED_CLIENT_HTTP CLOSED_CLIENT_HTTP RECEIVE_CLIENT_HTTP COMPLETED_CLIENT_HTTP USER
"""
"""What its callback is called for: 0 to 47, and 1000."""


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
    assert set(LIBWEBSOCKETS.split()) <= set(told)
    assert {f"LWS_CALLBACK_{name}" for name in CALLBACK_REASONS.split()} <= set(told)
    assert len(set(told)) == len(told)


@of_each(ROWS, lambda row: row.there)
def test_a_row_names_what_there_is_and_its_proof_or_says_why_not(row: Row) -> None:
    names = re.findall(r"`(sigil\.[\w.]+)`", f"{row.here} {row.difference}")
    assert all(imported(name) is not None for name in names)
    if row.here in ("not here", "not yet"):
        assert row.difference and not row.proof
        assert row.here != "not yet" or row.difference.startswith("A later part of the project")
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
