"""Web pages of the command: one file of the package each, with a Content-Security-Policy.

Theory: a page that draws figures needs its own script and style and nothing else, so its
Content-Security-Policy can be computed from its text: exactly the scripts and styles that are in
it, by their hashes, and modules, requests and WebSockets at the server it came from. Whatever else
finds its way into the page is refused by the browser.

Rules: nothing inline but `<script>` and `<style>`, no other origin. `connect-src 'self'` includes
`ws:` at the same host by definition (CSP level 3), and in browsers since 2022; a policy that named
`ws:` for older ones would allow WebSockets to any host. `script-src 'self'` is wider than the one
module that a page imports: a policy can name a path only together with a host, and a server behind
a proxy does not know the host name its clients use. So every other response that contains text from
elsewhere has a type that is no script, and `nosniff`.

It does not know what is on a page.
"""

import base64
import hashlib
import re
from importlib.resources import files

from sigil import Response


def read_page(name: str) -> str:
    """The text of a page; `name` is its path beside this file, such as "demo/demo.html"."""
    return files("sigil").joinpath("apps", *name.split("/")).read_text(encoding="utf-8")


def _hash_source(content: str) -> str:
    """The CSP source expression that allows this inline content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _hash_sources(page: str, tag: str) -> str:
    """The source expressions of all inline elements with this tag."""
    contents = re.findall(rf"<{tag}(?: [^>]*)?>(.*?)</{tag}>", page, re.DOTALL)
    return " ".join(map(_hash_source, contents))


def content_security_policy(page: str) -> str:
    """The Content-Security-Policy of a page: its own scripts and styles, its icon, and whatever is
    on the server it came from.
    """
    return (
        f"default-src 'none'; script-src 'self' {_hash_sources(page, 'script')}; "
        f"style-src {_hash_sources(page, 'style')}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def page_response(page: str) -> Response:
    """The response for a page, with its policy; browsers revalidate it (`no-cache`)."""
    return Response.html(
        page,
        headers=(
            ("Content-Security-Policy", content_security_policy(page)),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-cache"),
        ),
    )
