"""What the flags of a client mean for the way to a server.

Rules: what is wrong with a file of certificates is a ValueError with a sentence. It does not know
what is asked of the server.
"""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl


def client_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The keywords of `Client` that the flags about the way to a server give; ValueError for
    certificates that cannot be read.
    """
    options: dict[str, Any] = {
        "verify": _verification(arguments.insecure, arguments.cacert),
        "proxy_verify": _verification(arguments.proxy_insecure, arguments.proxy_cacert),
    }
    if arguments.no_proxy:
        options["proxy"] = False
    elif arguments.proxy:
        options["proxy"] = arguments.proxy
    return options


def _verification(is_insecure: bool, path: str | None) -> "bool | ssl.SSLContext":
    """How certificates are looked at: not at all, by those of this file, or by the system's.
    ValueError for a file that cannot be read.
    """
    if is_insecure or not path:
        return not is_insecure
    import ssl

    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read certificates from {path}: {error}") from error


def fields_of(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """The fields that are sent."""
    fields = list(arguments.header)
    if arguments.user is not None:
        from base64 import b64encode

        credentials = b64encode(arguments.user.encode()).decode()
        fields.append(("Authorization", f"Basic {credentials}"))
    return fields
