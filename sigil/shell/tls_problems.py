"""Why TLS failed, in words.

Theory: OpenSSL has some hundreds of reasons, named for those who wrote it. The dozen that happen
are said here so that whoever reads the log knows what to do; any other is shown as it is.

Rules: an alert is what the other end has said, and everything else is what was wrong with what it
sent. What failed of TLS has no `errno`, though `ssl` calls its own number so: `loss_of` tells the
two apart. Nothing here imports `ssl` where TLS is not in use. It does not know what a connection is
for.
"""

import sys
from typing import TYPE_CHECKING, Final

from ..core.conn import Conn
from ..core.events import ConnectionLost

if TYPE_CHECKING:
    import ssl
    from typing import TypeGuard

_NOT_TRUSTED: Final = (
    "it does not trust our certificate: its authority is unknown there (alert {alert})"
)
_BAD_RECORD: Final = "what came is no record of it: it was changed on its way, or added"
PROBLEMS: Final = {
    "TLSV1_ALERT_UNKNOWN_CA": _NOT_TRUSTED.format(alert="unknown_ca"),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _NOT_TRUSTED.format(alert="certificate_unknown"),
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refuses our certificate (alert bad_certificate)",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired (alert certificate_expired)",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "our certificate was revoked (alert certificate_revoked)",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "nothing suits it that we offer (alert handshake_failure)",
    "TLSV1_ALERT_PROTOCOL_VERSION": "no version of TLS suits it (alert protocol_version)",
    "TLSV1_ALERT_INTERNAL_ERROR": "it has an error of its own (alert internal_error)",
    "TLSV1_ALERT_USER_CANCELLED": "it has cancelled (alert user_canceled)",
    "NO_SHARED_CIPHER": "no cipher is known to both ends, or we have no certificate for it",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "it knows no signature that our certificate can make",
    "NO_SUITABLE_GROUPS": "no group for the key exchange is known to both ends",
    "NO_SUITABLE_KEY_SHARE": "no group for the key exchange is known to both ends",
    "UNSUPPORTED_PROTOCOL": "it knows no version of TLS that is allowed here",
    "VERSION_TOO_LOW": "it knows no version of TLS that is allowed here",
    "WRONG_VERSION_NUMBER": "what came is no TLS",
    "UNKNOWN_PROTOCOL": "what came is no TLS",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it has no certificate, and one is required",
    "CERTIFICATE_VERIFY_FAILED": "its certificate was not accepted",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": _BAD_RECORD,
    "BAD_RECORD_TYPE": _BAD_RECORD,
    "PACKET_LENGTH_TOO_LONG": "a record that came is longer than TLS allows",
    "SSLV3_ALERT_BAD_RECORD_MAC": "what we sent was changed on its way (alert bad_record_mac)",
    "SSLV3_ALERT_UNEXPECTED_MESSAGE": "it did not expect what we sent (alert unexpected_message)",
    "INAPPROPRIATE_FALLBACK": "it could do better and does not (alert inappropriate_fallback)",
}
"""By OpenSSL's name of the reason."""


def is_of_tls(error: BaseException) -> "TypeGuard[ssl.SSLError]":
    """True if it is TLS that has failed."""
    if "ssl" not in sys.modules:
        return False
    import ssl

    return isinstance(error, ssl.SSLError)


def problem_of(error: "ssl.SSLError") -> str:
    """Why TLS has failed."""
    import ssl

    reason = error.reason or ""
    words = PROBLEMS.get(reason)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{words or PROBLEMS['CERTIFICATE_VERIFY_FAILED']}: {error.verify_message}"
    if words is not None:
        return words
    if not reason or isinstance(error, ssl.SSLEOFError):
        return error.strerror or str(error)
    return f"OpenSSL says {reason}"


def loss_of(conn: Conn, error: OSError) -> ConnectionLost:
    """The loss of a connection of which a call has failed, with TLS or without."""
    if is_of_tls(error):
        return ConnectionLost(conn, 0, problem_of(error))
    return ConnectionLost(conn, error.errno or 0)
