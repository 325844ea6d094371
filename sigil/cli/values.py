"""The values of flags: functions from what was typed to what it means.

Theory: each is what argparse calls the `type` of an argument. What cannot be meant is an
`ArgumentTypeError`, whose sentence quotes what was typed and says what would do.

Rules: they look at the text, not at the machine: whether a host is here and a file is there is
found out by whoever uses it. They do not know which flag they are for.
"""

import argparse
import math
import re
from ast import literal_eval
from collections.abc import Callable
from typing import Any

from sigil.core.limits import Limits
from sigil.core.networks import parse_networks

EVERYWHERE = ("0.0.0.0/0", "::/0", "unix")
"""Every address, and every Unix socket."""


def target(text: str) -> str:
    """`module:attribute`, either of them dotted."""
    module, colon, attribute = text.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    if not colon or not all(name.isidentifier() for name in names):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form module:attribute")
    return text


def host(text: str) -> str:
    """A host name or an IP address; whether it is one of this machine is the system's to check."""
    try:
        encoded = text.encode("idna")
    except UnicodeError:
        encoded = b""
    if not encoded:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a name nor an address")
    return text


def allowed_host(text: str) -> str:
    """A host name or an address, without scheme, port and path; or `*`."""
    is_address = text.count(":") > 1 and re.fullmatch(r"\[?[0-9A-Fa-f:.]+\]?", text)
    if text != "*" and not is_address and not re.fullmatch(r"[A-Za-z0-9_.\-]+", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the name of a host: without scheme, port and path, such as a.example"
        )
    return text


def number(kind: str, minimum: int, maximum: int) -> Callable[[str], int]:
    """A parser of whole numbers from `minimum` to `maximum`; `kind` is their name in the error."""
    max_digits = len(str(maximum))

    def read(text: str) -> int:
        # Digits are counted first: int() of a very long text is slow, and refused by Python.
        is_number = text.isascii() and text.isdecimal() and len(text) <= max_digits
        if not (is_number and minimum <= int(text) <= maximum):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not {kind}: a number from {minimum} to {maximum}"
            )
        return int(text)

    return read


def seconds(text: str) -> float:
    """A time in seconds, from 0; a decimal point is allowed."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: a number of seconds from 0")
    return value


def positive_seconds(text: str) -> float:
    """A time in seconds that is not zero."""
    value = seconds(text)
    if value == 0.0:
        raise argparse.ArgumentTypeError(
            "0 seconds would close every connection before its first request"
        )
    return value


def mode(text: str) -> int:
    """The permission bits of a file, in three or four octal digits."""
    if not re.fullmatch("[0-7]{3,4}", text) or int(text, 8) > 0o777:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a file mode: three octal digits, such as 660"
        )
    return int(text, 8)


def nonempty(kind: str) -> Callable[[str], str]:
    """A parser of texts that are not empty; `kind` is what they are in the error."""

    def read(text: str) -> str:
        if not text:
            raise argparse.ArgumentTypeError(f"it is empty, which is no {kind}")
        return text

    return read


def origin_url(text: str) -> str:
    """The address of a stream: `ws://` or `wss://`, a host, and a path."""
    from sigil.client import parse_uri

    try:
        uri = parse_uri(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if uri.scheme not in ("ws", "wss"):
        raise argparse.ArgumentTypeError(f"{text!r} is no stream: it begins with ws:// or wss://")
    return text


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    found = tuple(name for name in text.split(",") if name)
    if not found:
        raise argparse.ArgumentTypeError("it is empty: names are between commas")
    return found


def header(text: str) -> tuple[str, str]:
    """A field of a request, `Name: value`."""
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise argparse.ArgumentTypeError(f"{text!r} is not a field: such as 'Accept: text/plain'")
    if not value.isprintable():
        raise argparse.ArgumentTypeError(f"the value of {name} has a character that no field may")
    return name, value


def limit(text: str) -> tuple[str, object]:
    """A field of `Limits` and its value, of the type that it has there: `NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if name not in Limits._fields or not equals:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no NAME=VALUE of a limit, such as max_headers=50"
        )
    if isinstance(Limits._field_defaults[name], str):
        return name, value
    try:
        return name, literal_eval(value)
    except (ValueError, SyntaxError):
        if value in ("inf", "infinity"):
            return name, float("inf")
        raise argparse.ArgumentTypeError(f"{value!r} is no value of Limits.{name}") from None


def page_origin(text: str) -> str:
    """The origin of a page, a scheme, a host and a port; or `*`."""
    if text != "*" and not re.fullmatch(r"https?://[^/\s?#@]+", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the origin of a page: such as https://a.example, without a path"
        )
    return text.lower()


def networks(text: str) -> tuple[str, ...]:
    """Networks between commas, such as `127.0.0.1,10.0.0.0/8,unix`; `*` is every address."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise argparse.ArgumentTypeError("it is empty: name networks, such as 127.0.0.1,10.0.0.0/8")
    if "*" in names:
        return EVERYWHERE
    parsed = parse_networks(names)
    if isinstance(parsed, str):
        raise argparse.ArgumentTypeError(
            f"{parsed} (networks such as 10.0.0.0/8, 'unix' for Unix sockets, or '*' for all)"
        )
    return names


def root_path(text: str) -> str:
    """A path below which an application is mounted: `/` and a name at least, no `/` at the end."""
    path = text.rstrip("/")
    if not path.startswith("/") or not path.isascii() or re.search(r"[\s?#]", path):
        raise argparse.ArgumentTypeError(f"{text!r} is not a path such as /shop")
    return path


class AppendToTuple(argparse.Action):
    """A flag that may be given several times: all its values, in order."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add one value."""
        setattr(namespace, self.dest, (*getattr(namespace, self.dest, ()), values))
