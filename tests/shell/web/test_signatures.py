"""Signed texts with the real time."""

import httpx
import pytest

from sigil import Request, Response, make_http_server
from sigil.web import sign, unsign

KEY, OTHER = "a secret of 32 random characters", "another one of 32 random letters"


def test_what_was_signed_comes_back_for_as_long_as_it_was_signed_for() -> None:
    signed = sign("user=7", KEY, purpose="session", max_age=60)
    assert unsign(signed, [OTHER, KEY], purpose="session") == "user=7"
    assert unsign(signed, KEY) is None
    assert unsign(sign("a", KEY), OTHER) is None
    past = sign("a", KEY, max_age=1).replace(".1", ".0", 1)
    assert unsign(past, KEY) is None
    assert unsign(None, KEY) is None  # a cookie that is not there


@pytest.mark.parametrize("max_age", [0, -1, 1.5, True])
def test_an_age_that_makes_no_sense_is_refused(max_age: int) -> None:
    with pytest.raises(ValueError, match="max_age is a number of seconds above 0"):
        sign("a", KEY, max_age=max_age)


def test_httpx_comes_back_with_the_cookie_until_it_is_deleted() -> None:
    def app(request: Request) -> Response:
        user = unsign(request.cookies.get("session", ""), KEY, purpose="session")
        if request.path == "/in":
            signed = sign("ada", KEY, purpose="session", max_age=60)
            return Response.text("").set_cookie("session", signed, max_age=60)
        if request.path == "/out":
            return Response.text("").delete_cookie("session")
        return Response.text(f"{user}")

    server = make_http_server(app, port=0)
    with server.serve_in_thread():
        client = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60)
        said = [client.get(path).text for path in ("/", "/in", "/", "/out", "/")]
        client.close()
    assert said == ["None", "", "ada", "", "None"]
