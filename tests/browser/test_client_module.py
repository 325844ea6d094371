"""The module for pages, as it is served: its fields, and who has it already."""

from pathlib import Path

import pytest

import sigil
from sigil import Request, Response
from sigil.browser.client_module import client_module
from sigil.testing import Client

SOURCE = Path(sigil.__file__).parent / "browser" / "sigil-client.js"


def serve(request: Request) -> Response:
    """The module under any path."""
    return client_module(request)


def test_the_module_is_served_as_it_lies_in_the_package() -> None:
    answer = Client(serve).get("/sigil-client.js")
    assert (answer.status, answer.body) == (200, SOURCE.read_bytes())
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client_module() == client_module()


@pytest.mark.parametrize(
    ("pattern", "status"),
    [
        ("{}", 304),
        ("W/{}", 304),
        ('"other", {}', 304),
        ('"other",W/{} , "more"', 304),
        ("*", 304),
        ('"other"', 200),
        ("", 200),
        ("x{}", 200),
    ],
)
def test_who_has_it_is_told_so(pattern: str, status: int) -> None:
    client = Client(serve)
    tag = client.get("/").headers["etag"]
    assert tag.startswith('"') and tag.endswith('"') and len(tag) == 34
    answer = client.get("/", headers={"If-None-Match": pattern.format(tag)})
    assert (answer.status, answer.headers["etag"], answer.headers["cache-control"]) == (
        status,
        tag,
        "no-cache",
    )
    assert len(answer.body) == (len(SOURCE.read_bytes()) if status == 200 else 0)
