"""Pages of the command: what their policy allows, from literal pages."""

import base64
import hashlib

from sigil import Headers
from sigil.apps.page import content_security_policy, page_response

PAGE = (
    "<title>a</title><style>p { x: y }</style><p>"
    '<script type="module">\nf()\n</script><script>g()</script>'
)


def hash_of(source: str) -> str:
    """How a policy names what stands in a page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def test_the_policy_names_every_script_and_style_and_the_server_itself() -> None:
    assert content_security_policy(PAGE) == (
        f"default-src 'none'; "
        f"script-src 'self' {hash_of(chr(10) + 'f()' + chr(10))} {hash_of('g()')}; "
        f"style-src {hash_of('p { x: y }')}; connect-src 'self'; img-src data:; "
        f"base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def test_a_page_comes_with_its_policy_and_is_asked_for_again() -> None:
    response = page_response(PAGE)
    headers = Headers(response.headers)
    assert (response.status, response.body) == (200, PAGE.encode())
    assert headers["content-security-policy"] == content_security_policy(PAGE)
    assert {
        name: headers[name]
        for name in ("content-type", "x-content-type-options", "referrer-policy", "cache-control")
    } == {
        "content-type": "text/html; charset=utf-8",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
