"""A page that the command serves: one file of the package, and what it may load.

Theory: a page that draws figures needs its own script and style and nothing else, so its
Content-Security-Policy can be worked out from its text: exactly the scripts and styles that are in
it, by their hashes, and modules, questions and WebSockets at the server it came from. Whatever else
finds its way into the page is refused by the browser.

Rules: nothing inline but `<script>` and `<style>`, no address outside. That `connect-src 'self'`
includes `ws:` at the same host is how the policy is defined (CSP level 3) and how browsers have
done it since 2022; a policy that named `ws:` for older ones would allow WebSockets to anywhere.
`script-src 'self'` is wider than the one module that a page imports: a policy can name a path only
behind a host, and a server behind a proxy does not know by which host it was asked. So whatever
else the server answers with somebody else's text in it is no script by its type, and has `nosniff`.
It does not know what is on a page.
"""

import base64
import hashlib
import re
from importlib.resources import files

from sigil import Response


def read_page(name: str) -> str:
    """The text of a page as it lies in the package, beside this file."""
    return files("sigil").joinpath("apps", *name.split("/")).read_text(encoding="utf-8")


def _source_hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def content_security_policy(page: str) -> str:
    """Nothing but the page's own scripts and styles, its icon, and what the server it came from
    has.
    """
    script, style = (
        " ".join(
            map(_source_hash, re.findall(rf"<{tag}(?: [^>]*)?>(.*?)</{tag}>", page, re.DOTALL))
        )
        for tag in ("script", "style")
    )
    return (
        f"default-src 'none'; script-src 'self' {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def page_response(page: str) -> Response:
    """The page as an answer, with its policy."""
    return Response.html(
        page,
        headers=(
            ("Content-Security-Policy", content_security_policy(page)),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-cache"),
        ),
    )
