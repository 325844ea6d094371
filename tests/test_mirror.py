"""Each module has its test file, and each test file its module, in folders of the same names.

Theory: who changes sigil/core/http/head.py runs tests/core/http/test_head.py, and who reads a test
that fails opens the module that it is named after. A file may be split by what it is about:
test_head_end.py belongs to head.py too, as long as no module is called head_end.

Rules: what is tested elsewhere stands in `ELSEWHERE` with the place, which exists; what is about
more than a module stands in `WHOLE`. An `__init__` that hands things on needs no test of its own.
"""

from pathlib import Path

from tests.support.sources import ROOT, SIGIL, TESTS, name_of
from tests.support.tables import of_each

MIRRORED = (
    "core",
    "shell",
    "hosts",
    "browser",
    "testing",
    "apps",
    "cli",
    "evo",
    "wsgi",
    "asgi",
    "relay",
)
"""The folders of sigil whose tests lie in folders of the same name."""

ELSEWHERE = {
    "core/trace/kinds": "tests/core/trace/test_events.py",
    "core/trace/closes": "tests/core/trace/test_explain.py",
    "core/trace/dialogue": "tests/core/trace/test_explain.py",
    "core/trace/figures": "tests/core/trace/test_explain.py",
    "core/trace/limits_met": "tests/core/trace/test_explain.py",
    "core/trace/lives": "tests/core/trace/test_explain.py",
    "core/trace/words": "tests/core/trace/test_explain.py",
    "shell/recording/errors": "tests/shell/recording/test_recorded.py",
    "shell/recording/batch": "tests/shell/recording/test_recorded.py",
    "shell/recording/turn_recorder": "tests/shell/recording/test_recorded.py",
    "shell/recording/turns": "tests/shell/recording/test_recorded.py",
    "shell/recording/about_text": "tests/shell/recording/test_reader.py",
    "shell/recording/channels": "tests/shell/recording/test_reader.py",
    "shell/recording/mcap_file": "tests/shell/recording/test_reader.py",
    "shell/recording/mcap_scan": "tests/shell/recording/test_reader.py",
    "shell/recording/names": "tests/shell/recording/test_reader.py",
    "core/trace/answers": "tests/shell/recording/test_handling.py",
    "core/trace/variant": "tests/core/trace/test_what_if.py",
    "core/trace/server_mask": "tests/core/trace/test_redactor.py",
    "core/trace/about": "tests/shell/recording/test_reader.py",
    "core/server/extra_timers": "tests/core/connection/test_control_requests.py",
    "core/control": "tests/core/connection/test_control_requests.py",
    "core/connection/control": "tests/core/connection/test_control_requests.py",
    "shell/program/callback_jobs": "tests/shell/program/test_callbacks.py",
    "shell/program/protocols": "tests/shell/program/test_upgrades.py",
    "shell/peer_names": "tests/shell/test_control.py",
    "shell/program/callback_table": "tests/shell/test_server_names.py",
    "core/limits_check": "tests/core/test_limits.py",
    "core/client": "tests/core/client/test_fold.py",
    "shell/client": "tests/shell/client/test_client.py",
    "shell/client/websocket_connection": "tests/shell/client/test_websocket.py",
    "shell/client/websocket_errors": "tests/shell/client/test_ws_connect.py",
    "shell/client/websocket_messages": "tests/shell/client/test_websocket.py",
    "shell/client/websocket_inbox": "tests/shell/client/test_websocket.py",
    "shell/client/websocket_settings": "tests/shell/client/test_ws_connect.py",
    "core/events": "tests/docs/test_tables.py",
    "core/effects": "tests/docs/test_tables.py",
    "core/http/default_fields": "tests/core/http/test_response.py",
    "core/tls": "tests/shell/loop/test_tls_socket.py",
    "core/securing": "tests/core/connection/test_tls_handshake.py",
    "shell/securing": "tests/shell/test_server_tls.py",
    "shell/loop/fan_out": "tests/shell/loop/test_sockets_interrupted.py",
    "shell/tls_problems": "tests/shell/loop/test_tls_connections.py",
    "core/broadcast/encode": "tests/core/broadcast/test_entry.py",
    "core/broadcast/announcing": "tests/core/connection/test_retained_reading.py",
    "core/http/bodies": "tests/core/http/test_response.py",
    "shell/program/body_receivers": "tests/shell/program/test_piece_handlers.py",
    "shell/program/discarding": "tests/shell/program/test_handlers_cancelled.py",
    "shell/loop/poll_hooks": "tests/shell/test_adopting.py",
    "shell/program/handler_errors": "tests/shell/program/test_handlers.py",
    "core/connection/response_failures": "tests/core/connection/test_timeouts.py",
    "core/connection/outgoing": "tests/core/connection/test_client_updates.py",
    "core/connection/poll_answers": "tests/core/connection/test_poll.py",
    "core/connection/output": "tests/core/connection/test_responses.py",
    "core/connection/client_status": "tests/core/connection/test_client.py",
    "core/web/route": "tests/core/web/test_routes.py",
    "core/server/batch": "tests/core/test_laws.py",
    "asgi/exchange": "tests/asgi/test_conformance.py",
    "asgi/runner": "tests/asgi/test_adapter.py",
    "shell/questions": "tests/shell/test_server_names.py",
    "shell/arguments": "tests/shell/test_wrong_types.py",
    "shell/callbacks": "tests/shell/test_server_names.py",
    "shell/make": "tests/shell/loop/test_listen.py",
    "shell/settings": "tests/shell/test_server_configure.py",
    "shell/stopping": "tests/shell/test_server_stop.py",
    "shell/watching": "tests/shell/test_server_wake.py",
    "shell/functions": "tests/shell/test_server_names.py",
    "shell/loop/connection_socket": "tests/shell/loop/test_sockets_linger.py",
    "shell/loop/head_cache": "tests/limits/of_requests.py",
    "shell/loop/keepalive": "tests/limits/of_sockets.py",
    "core/views/ring_parts": "tests/core/views/test_cards.py",
    "core/views/trace_cards": "tests/core/views/test_cards.py",
    "shell/loop/timings": "tests/shell/web/test_metrics.py",
    "shell/program/process_figures": "tests/shell/web/test_metrics.py",
    "shell/loop/send_buffer": "tests/shell/test_messaging.py",
    "shell/program/guard": "tests/adversity/test_reentry.py",
    "shell/program/host": "tests/shell/test_server_names.py",
    "shell/program/jobs": "tests/shell/program/test_callbacks.py",
    "shell/program/tracebacks": "tests/adversity/outrage.py",
    **{
        f"hosts/{name}": "tests/hosts/test_hosting.py"
        for name in ("asyncio", "matplotlib", "poll", "pygame", "qt", "tk")
    },
    "hosts/trio_guest": "tests/hosts/test_trio.py",
    "shell/hosts/thread": "tests/adversity/test_threads.py",
    "apps/terminal": "tests/cli/test_main.py",
    "apps/demo/slow_readers": "tests/apps/demo/test_live.py",
    "cli/find_app": "tests/cli/test_main.py",
    "apps/client/options": "tests/apps/client/test_get.py",
    "cli/top": "tests/apps/top/test_watch.py",
    "cli/client_flags": "tests/apps/client/test_get.py",
    "relay/status": "tests/relay/test_relay.py",
    "cli/flags": "tests/cli/test_settings.py",
    "cli/logging_setup": "tests/cli/test_settings.py",
    "cli/team": "tests/cli/test_supervision.py",
    "cli/values": "tests/cli/test_settings.py",
    "evo/details": "tests/evo/test_http_server.py",
    "evo/pending": "tests/evo/test_http_server.py",
    "evo/send_status": "tests/evo/test_http_server_streaming.py",
    "testing/answers": "tests/testing/test_client.py",
    "testing/connection": "tests/testing/test_client.py",
    "testing/driver": "tests/testing/test_client.py",
    "testing/encode": "tests/testing/test_client.py",
    "testing/failures": "tests/testing/test_client.py",
    "testing/kernel": "tests/testing/test_client.py",
    "testing/wire": "tests/testing/test_client.py",
    "testing/server": "tests/testing/test_client.py",
    "testing/world": "tests/world/test_world.py",
}
"""By module, or by folder of modules: where its tests are, since it has no file of its own."""

WHOLE = {
    "core/test_laws": "laws of the core as a whole, tried on whatever may happen",
    "core/test_laws_for_peers": "laws of what a peer may rely on, whichever module sees to it",
    "shell/test_wrong_types": "all of the public face, called with what does not suit it",
    "core/connection/test_joining_order": "one law for every transport",
    "core/server/test_work": "work of each event, among few and among many",
    "core/server/test_snapshots": "what kept states cost, and that they are values",
    "evo/test_event_laws": "the order of events, whatever clients and programs do",
    "shell/test_in_and_out": "whatever comes in, by every way out",
    "shell/test_live_state": "how old what a slow reader sees is",
    "asgi/test_conformance": "one table of all that an application may see, under several servers",
    "asgi/test_frameworks": "programs of frameworks, as they are",
    "asgi/test_starlette_websockets": "what Starlette tries its WebSockets with",
    "shell/test_one_path": "what a request runs through",
    "shell/hosts/test_same_trace": "one script, by every way to drive a server",
}
"""Test files that belong to no module, and why."""


def modules() -> list[str]:
    """All modules of the mirrored folders, as in core/http/head."""
    paths = [path.relative_to(ROOT / "sigil").with_suffix("") for path in SIGIL]
    return [
        path.as_posix()
        for path in paths
        if path.parts[0] in MIRRORED and path.name not in ("__init__", "__main__")
    ]


def files_of_tests() -> list[Path]:
    """All test files of the mirrored folders."""
    return [
        path
        for path in TESTS
        if path.name.startswith("test_") and path.relative_to(ROOT / "tests").parts[0] in MIRRORED
    ]


def module_of_test(name: str, known: list[str]) -> str:
    """The module that a test file belongs to: the longest whose name it begins with; or nothing."""
    folder, _, file = name.rpartition("/")
    words = file.removeprefix("test_").split("_")
    for count in range(len(words), 0, -1):
        module = f"{folder}/{'_'.join(words[:count])}"
        if module in known:
            return module
    return ""


MODULES = modules()
FILES = files_of_tests()
COVERED = {
    module_of_test(path.relative_to(ROOT / "tests").with_suffix("").as_posix(), MODULES)
    for path in FILES
}


def place_of(module: str) -> str:
    """Where else a module is tested: the entry of the module, or of a folder that it is in."""
    parts = module.split("/")
    places = (ELSEWHERE.get("/".join(parts[:count])) for count in range(len(parts), 0, -1))
    return next(filter(None, places), "")


@of_each(MODULES)
def test_a_module_has_its_test_file_or_is_tested_elsewhere(module: str) -> None:
    assert module in COVERED or place_of(module)


@of_each(FILES, name_of)
def test_a_test_file_has_its_module_or_is_about_the_whole(path: Path) -> None:
    name = path.relative_to(ROOT / "tests").with_suffix("").as_posix()
    assert module_of_test(name, MODULES) or name in WHOLE


@of_each(ELSEWHERE)
def test_what_is_tested_elsewhere_is_there_and_has_no_file_of_its_own(module: str) -> None:
    assert (ROOT / ELSEWHERE[module]).exists()
    assert module not in COVERED
    assert any(other == module or other.startswith(f"{module}/") for other in MODULES)


def test_a_test_file_belongs_to_the_longest_name_it_begins_with() -> None:
    known = ["core/http/head", "core/http/headers", "core/connection/websocket_send"]
    assert module_of_test("core/http/test_head", known) == "core/http/head"
    assert module_of_test("core/http/test_head_end", known) == "core/http/head"
    assert module_of_test("core/http/test_headers", known) == "core/http/headers"
    assert module_of_test("core/connection/test_websocket", known) == ""
    assert module_of_test("core/connection/test_websocket_send_all", known) == known[2]
