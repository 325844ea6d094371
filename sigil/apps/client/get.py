"""`sigil get URL`: a request, and its response on standard output.

Theory: what is printed is the body and nothing else, piece by piece as it comes, so that it can be
piped; whatever else there is to say goes to stderr. What failed is the exit status, with the
numbers of curl.

Rules: redirects are followed with -L, as `http_get` does, and shown without; credentials do not
follow to another origin. How far a download is, is shown only if it goes to a file and stderr is a
terminal. What is no text is not printed to a terminal. A reader that leaves ends it without a word,
with 23. It does not know how a request is made.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from sigil.apps.client.options import client_options, fields_of
from sigil.apps.client.statuses import (
    HTTP_STATUS,
    INTERRUPT_STATUS,
    URL_STATUS,
    USAGE_STATUS,
    status_of,
)
from sigil.apps.terminal import (
    WRITE_STATUS,
    CommandError,
    ignore_output,
    print_aside,
    print_error,
    without_controls,
)
from sigil.client import ClientError, ClientResponse, http_request

SHOWN_EVERY = 2**20
"""Bytes between two figures of a download."""


def main(arguments: argparse.Namespace) -> int:
    """Run `sigil get` with these arguments; the exit status."""
    try:
        return run(arguments)
    except CommandError as error:
        print_error(str(error))
        return error.status
    except BrokenPipeError:
        ignore_output()
        return WRITE_STATUS
    except (ClientError, ValueError) as error:
        print_error(str(error))
        return status_of(error)
    except KeyboardInterrupt:
        return INTERRUPT_STATUS


def run(arguments: argparse.Namespace) -> int:
    """Make the request and print the response; the exit status."""
    body, extra = _body_of(arguments)
    method = arguments.request.upper() or _method_of(arguments, body)
    options: dict[str, Any] = _options_of(arguments)
    if arguments.max_time is not None:
        options["timeout"] = arguments.max_time
    fields = [*fields_of(arguments), *extra]
    if arguments.verbose:
        _note(f"> {method} {arguments.url}")
        for name, value in fields:
            _note(f"> {name}: {'***' if name.lower() == 'authorization' else value}")
    response = http_request(
        method,
        _with_scheme(arguments.url),
        headers=fields,
        body=body,
        stream=True,
        follow_redirects=arguments.location,
        max_redirects=arguments.max_redirs,
        **options,
    )
    if arguments.verbose:
        _note_response(response)
    if arguments.fail and response.status >= 400:
        print_error(f"the server answered {response.status} {response.reason}".rstrip())
        return HTTP_STATUS
    _note_redirect(arguments, response)
    with _output(arguments) as output:
        if arguments.include or arguments.head:
            output.write(head_text(response).encode())
        _copy(response, output, arguments.output)
    return 0


def _with_scheme(url: str) -> str:
    """The address with a scheme, `http` if it has none."""
    return url if "://" in url else f"http://{url}"


def _method_of(arguments: argparse.Namespace, body: object) -> str:
    """The method, if none was given."""
    if arguments.head:
        return "HEAD"
    return "GET" if body is None else "POST"


def _options_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The keywords about the way to the server; `CommandError` for certificates that cannot be
    read.
    """
    try:
        return client_options(arguments)
    except ValueError as error:
        raise CommandError(str(error), USAGE_STATUS) from error


def _body_of(arguments: argparse.Namespace) -> tuple[object, list[tuple[str, str]]]:
    """The body that is sent, None for none, and the fields that it needs."""
    if arguments.json is not None:
        if arguments.data:
            raise CommandError("--json and -d both say what to send", USAGE_STATUS)
        types = [("Content-Type", "application/json"), ("Accept", "application/json")]
        return _data_of(arguments.json), types
    if not arguments.data:
        return None, []
    data = b"&".join([_data_of(text) for text in arguments.data])
    names = {name.lower() for name, _ in arguments.header}
    if "content-type" in names:
        return data, []
    return data, [("Content-Type", "application/x-www-form-urlencoded")]


def _data_of(text: str) -> bytes:
    """What a text stands for: itself, a file, or standard input."""
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    try:
        if text == "@-":
            return sys.stdin.buffer.read()
        with open(text[1:], "rb") as file:
            return file.read()
    except OSError as error:
        raise CommandError(f"cannot read {text[1:]}: {error.strerror}", URL_STATUS + 23) from error


# -- the response ----------------------------------------------------------------------------------


def head_text(response: ClientResponse) -> str:
    """The head of a response, as it is shown."""
    lines = [f"HTTP/1.{response.version} {response.status} {response.reason}".rstrip()]
    lines += [f"{name}: {value}" for name, value in response.headers.pairs]
    return "\n".join([*lines, "", ""])


def _note_response(response: ClientResponse) -> None:
    """Print the redirects and the head to stderr."""
    for earlier in response.history:
        _note(f"< {earlier.status} {earlier.reason} {earlier.url}")
    for line in head_text(response).splitlines():
        _note(f"< {line}")


def _note_redirect(arguments: argparse.Namespace, response: ClientResponse) -> None:
    """Say that there is a redirect, unless the head is shown: its body is mostly empty."""
    is_shown = arguments.include or arguments.head or arguments.verbose
    location = response.headers.get("location")
    if location is not None and 300 <= response.status < 400 and not is_shown:
        _note(f"sigil: the server answered {response.status}, to {location}: -L follows that")


def _note(line: str) -> None:
    """Print a line to stderr."""
    print_aside(f"{without_controls(line)}\n")


@contextmanager
def _output(arguments: argparse.Namespace) -> Iterator[IO[bytes]]:
    """Where the body goes; `CommandError` for what cannot be written."""
    path = None if arguments.output == "-" else arguments.output
    try:
        if path:
            with open(path, "wb") as file:
                yield file
        else:
            yield sys.stdout.buffer
            sys.stdout.flush()
    except (BrokenPipeError, ClientError):
        raise
    except OSError as error:
        if not path:
            ignore_output()
        text = f"cannot write {path or 'the output'}: {error.strerror}"
        raise CommandError(text, WRITE_STATUS) from error


def _copy(response: ClientResponse, output: IO[bytes], path: str | None) -> None:
    """Write the body, piece by piece; flushed, since somebody may wait for each."""
    is_shown = not path and output.isatty()
    show = _progress(response) if path and path != "-" and sys.stderr.isatty() else None
    length = 0
    for piece in response.iter_bytes():
        if is_shown and b"\0" in piece:
            raise CommandError("the body is no text: write it to a file with -o", WRITE_STATUS)
        output.write(piece)
        output.flush()
        length += len(piece)
        if show is not None:
            show(length, False)
    if show is not None:
        show(length, True)


def _progress(response: ClientResponse) -> Callable[[int, bool], None]:
    """A function that shows how far a download is, by bytes and whether it is complete."""
    whole = response.headers.get("content-length", "")
    shown = [-SHOWN_EVERY]

    def show(length: int, is_complete: bool) -> None:
        if length - shown[0] < SHOWN_EVERY and not is_complete:
            return
        shown[0] = length
        part = f" of {int(whole) / 2**20:.1f}" if whole.isdecimal() else ""
        end = "\n" if is_complete else ""
        print_aside(f"\r{length / 2**20:.1f}{part} MiB{end}")

    return show
