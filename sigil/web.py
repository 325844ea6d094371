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
from .core.web.route import Route
from .core.web.routes import Found, MethodNotAllowed, NotFound, SlashDiffers, Table, match
from .shell.web.chain import Middleware, answer, chain, changing, map_result
from .shell.web.content import compress
from .shell.web.form_stream import FormReader, SpooledFile, SpooledForm

__all__ = [
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
    "chain",
    "changing",
    "compress",
    "map_result",
    "match",
    "safe_filename",
]
