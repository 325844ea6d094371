"""What a page needs around its handlers: middleware and the options it takes, and forms.

    from sigil import chain
    from sigil.web import answer

Theory: a program names what it uses of this; the few names that nearly every program has are those
of `sigil` itself. Each middleware is made by a function that takes its options, and checks them
where they are written.

Rules: names only, and each is documented where it is defined. It does not know how any of them
works.
"""

from .core.http.form import Form, FormFile, safe_filename
from .core.web.auth import BasicCredentials, basic_credentials, bearer_token, same_secret
from .core.web.route import Route
from .core.web.routes import Found, MethodNotAllowed, NotFound, SlashDiffers, Table, match
from .core.web.server_timing import timing_metric
from .shell.web.access import basic_auth, bearer_auth, body_limit
from .shell.web.annotations import request_id, security_headers, server_timing
from .shell.web.body_writer import BodyWriter
from .shell.web.chain import (
    Middleware,
    answer,
    chain,
    changing,
    guarding,
    map_result,
    preparing,
)
from .shell.web.content import compress, etag
from .shell.web.cors import cors
from .shell.web.form_stream import FormReader, SpooledFile, SpooledForm
from .shell.web.metrics import metrics
from .shell.web.pieces import in_pieces
from .shell.web.proxies import trusted_proxies
from .shell.web.raw_response import raw_response
from .shell.web.signatures import sign, unsign

__all__ = [
    "BasicCredentials",
    "BodyWriter",
    "Form",
    "FormFile",
    "FormReader",
    "Found",
    "MethodNotAllowed",
    "Middleware",
    "NotFound",
    "Route",
    "SlashDiffers",
    "SpooledFile",
    "SpooledForm",
    "Table",
    "answer",
    "basic_auth",
    "basic_credentials",
    "bearer_auth",
    "bearer_token",
    "body_limit",
    "chain",
    "changing",
    "compress",
    "cors",
    "etag",
    "guarding",
    "in_pieces",
    "map_result",
    "match",
    "metrics",
    "preparing",
    "raw_response",
    "request_id",
    "safe_filename",
    "same_secret",
    "security_headers",
    "server_timing",
    "sign",
    "timing_metric",
    "trusted_proxies",
    "unsign",
]
