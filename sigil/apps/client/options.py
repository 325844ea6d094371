"""What the flags of a client mean for the way to a server.

Rules: what is wrong with a file of certificates is an OSError or ValueError. It does not know what
is asked of the server.
"""

import argparse
from typing import Any


def client_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The keywords of `Client` that the flags about the way to a server give; OSError or ValueError
    for certificates that cannot be read.
    """
    options: dict[str, Any] = {"verify": not arguments.insecure}
    if arguments.cacert and not arguments.insecure:
        import ssl

        options["ssl_context"] = ssl.create_default_context(cafile=arguments.cacert)
    if arguments.no_proxy:
        options["proxy"] = False
    elif arguments.proxy:
        options["proxy"] = arguments.proxy
    return options


def fields_of(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """The fields that are sent."""
    fields = list(arguments.header)
    if arguments.user is not None:
        from base64 import b64encode

        credentials = b64encode(arguments.user.encode()).decode()
        fields.append(("Authorization", f"Basic {credentials}"))
    return fields
