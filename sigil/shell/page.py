"""Pages that come in the package: one file each, which is allowed nothing but what is in it and its own server.

Theory: a page that loads nothing from elsewhere can be sent with a Content-Security-Policy that allows its very script
and style, by their hashes, and what its own server has besides: so even what it shows cannot make it do anything else.

Rules: a page has no style attributes, no inline handlers and no address of another server.  It does not know what a
page shows.
"""

import base64
import hashlib
import re

from ..core.response import Response


def _source_hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def content_security_policy(page: str) -> str:
    """Nothing but the page's own script and style, its icon, and modules, questions and WebSockets of its own server.

    Browsers that take `'self'` for HTTP alone have no WebSocket then (Safari before version 15.4).
    """
    script, style = (
        " ".join(map(_source_hash, re.findall(f"<{tag}[^>]*>(.*?)</{tag}>", page, re.DOTALL)))
        for tag in ("script", "style")
    )
    return (f"default-src 'none'; script-src {script} 'self'; style-src {style}; connect-src 'self'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")


def page_response(page: str) -> Response:
    """The page as an answer."""
    return Response.html(page, headers=(("Content-Security-Policy", content_security_policy(page)),
                                        ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
                                        ("Cache-Control", "no-cache")))
