"""What is known of a connection over TLS, as a value.

Theory: TLS is the shell's: keys, certificates and records never come here. What a program may want
to know of it is settled once, by the handshake, and is a handful of facts.

Rules: a fact that there is none of is None, and never an empty text. `certificate` is as it came,
in DER: whoever wants its names has a library for that. It does not know how a handshake goes.
"""

from enum import IntEnum
from typing import Final, final

from .value import Value


class TlsPeer(IntEnum):
    """What TLS says about the other end of a connection, with the numbers of libwebsockets."""

    NONE = 0
    """The connection is not over TLS."""
    VERIFIED = 1
    """It is, and the other end has a certificate that one of our authorities answers for."""
    UNVERIFIED = 2
    """It is, and the other end has no certificate, or nobody was asked about it."""


@final
class Tls(Value):
    """What the handshake of a connection has settled.

    `version` and `cipher` are OpenSSL's names (`TLSv1.3`, `TLS_AES_256_GCM_SHA384`), `alpn` the
    protocol agreed on, `server_name` the host the client has asked for (SNI), `certificate` the
    other end's, in DER; `is_verified` says that an authority answers for that, `is_resumed` that
    the session is one of before.
    """

    __match_args__ = (
        "version", "cipher", "alpn", "server_name", "certificate", "is_verified", "is_resumed",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        version: str,
        cipher: str,
        alpn: str | None = None,
        server_name: str | None = None,
        certificate: bytes | None = None,
        is_verified: bool = False,
        is_resumed: bool = False,
    ) -> None:
        self.version: Final = version
        self.cipher: Final = cipher
        self.alpn: Final = alpn
        self.server_name: Final = server_name
        self.certificate: Final = certificate
        self.is_verified: Final = is_verified
        self.is_resumed: Final = is_resumed


def tls_peer(tls: Tls | None) -> TlsPeer:
    """What these facts say about the other end; None is a connection without TLS."""
    if tls is None:
        return TlsPeer.NONE
    return TlsPeer.VERIFIED if tls.is_verified else TlsPeer.UNVERIFIED
