"""Requests for scripts: each is made, waited for, and done.

Theory: a script has no loop and wants none. So each of these makes a client, ticks it until the
response is there, and closes it; a response that is taken in pieces closes it at its end.

Rules: what fails is raised. The keywords are those of `Client.request`. It does not know how a
request is carried out.
"""

from typing import Any

from ...core.client.uri import Uri
from .client import Client, Options
from .response import ClientResponse


def http_request(method: str, url: str | Uri, **options: Options) -> ClientResponse:
    """The response to a request, waited for; `ClientError` if it fails.

    The keywords are those of `Client.request`. With `stream` the response is there with its head,
    and its body is taken in pieces: `for piece in response.iter_bytes()`.
    """
    client = Client()
    is_streamed = False
    try:
        response: ClientResponse = client.run(client.request(method, url, **options))
        is_streamed = response.is_streamed
        if is_streamed:
            response.close_behind(client.close)
        return response
    finally:
        if not is_streamed:
            client.close()


def http_get(url: str | Uri, **options: Options) -> ClientResponse:
    """The response to a GET, waited for; as `http_request`."""
    return http_request("GET", url, **options)


def http_head(url: str | Uri, **options: Options) -> ClientResponse:
    """The response to a HEAD, waited for; as `http_request`."""
    return http_request("HEAD", url, **options)


def http_post(url: str | Uri, body: Any = None, **options: Options) -> ClientResponse:
    """The response to a POST, waited for; as `http_request`."""
    return http_request("POST", url, body=body, **options)


def http_put(url: str | Uri, body: Any = None, **options: Options) -> ClientResponse:
    """The response to a PUT, waited for; as `http_request`."""
    return http_request("PUT", url, body=body, **options)


def http_patch(url: str | Uri, body: Any = None, **options: Options) -> ClientResponse:
    """The response to a PATCH, waited for; as `http_request`."""
    return http_request("PATCH", url, body=body, **options)


def http_delete(url: str | Uri, **options: Options) -> ClientResponse:
    """The response to a DELETE, waited for; as `http_request`."""
    return http_request("DELETE", url, **options)
