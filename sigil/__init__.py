"""sigil: an HTTP server with a functional core, for a program that has a loop of its own.

    from sigil import Request, Response, make_http_server

    def app(request: Request) -> Response:
        return Response.text(f"hello, {request.path}")

    make_http_server(app, port=8080).start()

`sigil.core` is pure: it receives events and returns effects. `sigil.shell` does what they say. The
names below are the public ones; everything else may change.
"""

from .browser.client_module import client_module
from .core.close_reasons import CloseReason, close_reason_sentence, close_reason_str
from .core.conn import Conn, Peer
from .core.control import TimeoutReason
from .core.http.bodies import Unfold
from .core.http.decoding import BadInput
from .core.http.headers import Headers
from .core.http.request import Request
from .core.http.response import Response
from .core.http.sse import SseEvent
from .core.limits import Limits
from .core.send_status import SendStatus
from .core.server.stats import Stats
from .core.topics import ALL_TOPICS
from .core.views.footprint import footprint as http_server_footprint
from .core.websocket.fragments import Fragment
from .shell.adopting import http_server_adopt_socket, http_server_service_fd
from .shell.callbacks import Callbacks
from .shell.control import (
    http_server_callback_all_protocol,
    http_server_callback_on_writable,
    http_server_callback_on_writable_all_protocol,
    http_server_context_user,
    http_server_get_protocol,
    http_server_get_socket_fd,
    http_server_look_up_peer,
    http_server_partial_buffered,
    http_server_peer_addresses,
    http_server_ping,
    http_server_rx_flow_allow_all_protocol,
    http_server_rx_flow_control,
    http_server_set_timeout,
)
from .shell.functions import (
    http_server_configure,
    http_server_fd,
    http_server_host,
    http_server_listen,
    http_server_loop,
    http_server_next_deadline,
    http_server_port,
    http_server_reload_tls,
    http_server_running,
    http_server_serve,
    http_server_serve_in_thread,
    http_server_settings,
    http_server_start,
    http_server_started,
    http_server_stats,
    http_server_stop,
    http_server_stop_on_signals,
    http_server_tick,
)
from .shell.loop.poll_hooks import PollHooks
from .shell.make import make_http_server
from .shell.members import http_server_attach, http_server_detach, http_server_members
from .shell.messaging import (
    http_server_broadcast,
    http_server_call_soon,
    http_server_close,
    http_server_send,
    http_server_subscribe,
    http_server_unsubscribe,
    http_server_wake,
    http_server_ws_close,
)
from .shell.program.deferred import Deferred
from .shell.program.handlers import Handler
from .shell.program.protocols import Protocol
from .shell.questions import (
    http_server_buffered_amount,
    http_server_clients,
    http_server_close_text,
    http_server_context,
    http_server_is_ssl,
    http_server_peer,
    http_server_position,
    http_server_retained,
    http_server_runs_coroutines,
    http_server_runs_in_asyncio,
    http_server_state,
    http_server_subscriber_count,
)
from .shell.recording.opening import replay
from .shell.recording.recorded import http_server_recorder, http_server_recording
from .shell.records import document_fields
from .shell.server import HttpServer
from .shell.staging import (
    http_server_memcpy,
    http_server_printf,
    http_server_stage_body,
    http_server_stage_len,
    http_server_stage_trunc,
    http_server_unstage,
    http_server_ws_broadcast,
    http_server_ws_send,
)
from .shell.web.chain import chain
from .shell.web.routes import Routes
from .shell.web.static_files import static_files

__version__ = "0.1.0"

document_fields(Limits, Callbacks, Stats)

__all__ = [
    "ALL_TOPICS",
    "BadInput",
    "Callbacks",
    "CloseReason",
    "Conn",
    "Deferred",
    "Fragment",
    "Handler",
    "Headers",
    "HttpServer",
    "Limits",
    "Peer",
    "PollHooks",
    "Protocol",
    "Request",
    "Response",
    "Routes",
    "SendStatus",
    "SseEvent",
    "Stats",
    "TimeoutReason",
    "Unfold",
    "__version__",
    "chain",
    "client_module",
    "close_reason_sentence",
    "close_reason_str",
    "http_server_adopt_socket",
    "http_server_attach",
    "http_server_broadcast",
    "http_server_buffered_amount",
    "http_server_call_soon",
    "http_server_callback_all_protocol",
    "http_server_callback_on_writable",
    "http_server_callback_on_writable_all_protocol",
    "http_server_clients",
    "http_server_close",
    "http_server_close_text",
    "http_server_configure",
    "http_server_context",
    "http_server_context_user",
    "http_server_detach",
    "http_server_fd",
    "http_server_footprint",
    "http_server_get_protocol",
    "http_server_get_socket_fd",
    "http_server_host",
    "http_server_is_ssl",
    "http_server_listen",
    "http_server_look_up_peer",
    "http_server_loop",
    "http_server_members",
    "http_server_memcpy",
    "http_server_next_deadline",
    "http_server_partial_buffered",
    "http_server_peer",
    "http_server_peer_addresses",
    "http_server_ping",
    "http_server_port",
    "http_server_position",
    "http_server_printf",
    "http_server_recorder",
    "http_server_recording",
    "http_server_reload_tls",
    "http_server_retained",
    "http_server_running",
    "http_server_runs_coroutines",
    "http_server_runs_in_asyncio",
    "http_server_rx_flow_allow_all_protocol",
    "http_server_rx_flow_control",
    "http_server_send",
    "http_server_serve",
    "http_server_serve_in_thread",
    "http_server_service_fd",
    "http_server_set_timeout",
    "http_server_settings",
    "http_server_stage_body",
    "http_server_stage_len",
    "http_server_stage_trunc",
    "http_server_start",
    "http_server_started",
    "http_server_state",
    "http_server_stats",
    "http_server_stop",
    "http_server_stop_on_signals",
    "http_server_subscribe",
    "http_server_subscriber_count",
    "http_server_tick",
    "http_server_unstage",
    "http_server_unsubscribe",
    "http_server_wake",
    "http_server_ws_broadcast",
    "http_server_ws_close",
    "http_server_ws_send",
    "make_http_server",
    "replay",
    "static_files",
]
