"""Contexts of TLS for a server: made of files, examined, and prepared.

Theory: what is wrong with certificates is wrong before anybody connects, and OpenSSL says it in
words for those who wrote it, or not before the first handshake. So files are looked at one by one,
and a context is tried out by a handshake with ourselves, in memory: that tells what it would show,
and whether that is valid today.

Rules: whatever cannot be served is a `TlsConfigError` with a sentence that names the file. A
context that is given is changed in two ways alone: it says `http/1.1` by ALPN if it says nothing,
and it keeps the name that a client has asked for, beside the callback that it may have. It does not
know sockets.
"""

import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

PROTOCOL: Final = "http/1.1"
_EXPIRED, _NOT_YET_VALID = 10, 9
"""Codes of OpenSSL (X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID)."""
_ROUNDS: Final = 4
_ASKED_NAME: Final = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
"""A name of SNI, and perhaps an asterisk in the place of its first label."""


class TlsConfigError(ValueError):
    """Certificates, keys or settings that TLS cannot be served with; the text is a sentence."""


class ServerObject(ssl.SSLObject):
    """The server's end of a connection, with the name that the client has asked for (SNI)."""

    requested_name: str | None = None


class KeepName:
    """Keeps the name that a client has asked for, and then does what another callback does."""

    def __init__(self, then: Callable[..., Any] | None) -> None:
        self.then: Final = then

    def __call__(self, tls: Any, name: str | None, context: ssl.SSLContext) -> Any:
        """Called by `ssl` in the handshake; what is returned is the alert that ends it, or None."""
        if isinstance(tls, ServerObject):
            tls.requested_name = name
        return None if self.then is None else self.then(tls, name, context)


# -- preparing -------------------------------------------------------------------------------------


def prepare(context: object) -> None:
    """Make a context ready to serve; TypeError and `TlsConfigError` for one that never could."""
    if not isinstance(context, ssl.SSLContext):
        raise TypeError(
            f"ssl_context is an ssl.SSLContext (sigil.tls.server_context makes one), "
            f"not {type(context).__name__}"
        )
    if context.protocol == ssl.PROTOCOL_TLS_CLIENT:
        raise TlsConfigError(
            "this ssl_context is a client's: make it with sigil.tls.server_context, or with "
            "ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)"
        )
    if isinstance(context.sni_callback, KeepName):
        return
    shown = examine(context)
    if shown.certificate is None and context.sni_callback is None:
        raise TlsConfigError(
            "this ssl_context has no certificate: load one with load_cert_chain, or make it with "
            "sigil.tls.server_context"
        )
    if shown.protocol is None:
        context.set_alpn_protocols([PROTOCOL])
    if issubclass(ServerObject, context.sslobject_class):
        context.sslobject_class = ServerObject
    context.sni_callback = KeepName(context.sni_callback)


class Shown(NamedTuple):
    """What a context shows a client: a certificate (DER) and a protocol, or None."""

    certificate: bytes | None
    protocol: str | None


def examine(context: ssl.SSLContext, trusted: bytes | None = None) -> Shown:
    """What the context of a server shows a client that takes anything; with a `trusted` certificate
    (DER) the client takes that one alone, and what it says against it is raised.
    """
    of_client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    of_client.check_hostname = False
    of_client.verify_mode = ssl.CERT_NONE
    of_client.set_alpn_protocols([PROTOCOL])
    if trusted is not None:
        of_client.load_verify_locations(cadata=trusted)
        of_client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        of_client.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = of_client.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_ROUNDS):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLCertVerificationError:
                if trusted is not None:
                    raise
            except ssl.SSLError:  # it waits for the other end, or has failed
                pass
    try:
        certificate = client.getpeercert(binary_form=True)
    except ValueError:
        certificate = None
    return Shown(certificate, server.selected_alpn_protocol())


# -- making ----------------------------------------------------------------------------------------

CertificateFiles = tuple[str, str | None]
"""The paths of a certificate, with its chain behind it, and of its key; None if that is in the same
file.
"""


def server_context(
    certfile: str,
    keyfile: str | None = None,
    *,
    password: str | bytes | None = None,
    ca_certs: str | None = None,
    cert_reqs: ssl.VerifyMode | int = ssl.CERT_NONE,
    ciphers: str | None = None,
    certificates: Mapping[str, CertificateFiles] | None = None,
) -> ssl.SSLContext:
    """A context for `make_http_server(ssl_context=...)`: TLS 1.2 and 1.3, with this certificate.

    `certfile` is a PEM file with the certificate, and behind it those between it and its authority;
    `keyfile` has its key, if that is not in the same file, and `password` opens the key.
    `certificates` has others by the name that a client asks for (SNI), `*.example.org` included:
    each a pair of such files. With `cert_reqs` (`ssl.CERT_OPTIONAL`, `ssl.CERT_REQUIRED`) clients
    are asked for certificates, which have to be of the authorities in `ca_certs`. `ciphers` is a
    list as OpenSSL writes it, for TLS 1.2.

    `TlsConfigError`, a ValueError, with a sentence for files that are missing, unreadable, of
    something else, do not fit, or are not valid today.
    """
    contexts = {
        name: _context(*files, password, ca_certs, cert_reqs, ciphers)
        for name, files in _checked_certificates(certificates or {}).items()
    }
    context = _context(certfile, keyfile, password, ca_certs, cert_reqs, ciphers)
    if contexts:
        by_name = {name.lower().rstrip("."): one for name, one in contexts.items()}

        def choose(tls: Any, name: str | None, _: ssl.SSLContext) -> None:
            chosen = find_name(by_name, name)
            if chosen is not None:
                tls.context = chosen

        context.sni_callback = choose
    return context


def _checked_certificates(certificates: object) -> dict[str, CertificateFiles]:
    """The files by name; TypeError or `TlsConfigError` for what is none, or no name that a client
    may ask for: then its certificate would never be shown.
    """
    if not isinstance(certificates, Mapping):
        raise TypeError(
            "certificates are a mapping of names to pairs of files, not "
            f"{type(certificates).__name__}"
        )
    for name, files in certificates.items():
        if not isinstance(files, tuple | list) or len(files) != 2:
            raise TypeError(
                f"certificates: {name!r} has a certificate and its key, or None, not {files!r}"
            )
        if not isinstance(name, str) or _ASKED_NAME.fullmatch(name) is None:
            raise TlsConfigError(
                f"certificates: no client asks for {name!r}: a name is of letters, digits, hyphens "
                "and dots, with *. before it for all below, and one of other letters is xn--..."
            )
    return {name: (files[0], files[1]) for name, files in certificates.items()}


def find_name(contexts: Mapping[str, ssl.SSLContext], name: str | None) -> ssl.SSLContext | None:
    """The context of a name, or of its parent with an asterisk; None if there is none."""
    if name is None:
        return None
    name = name.lower().rstrip(".")
    found = contexts.get(name)
    if found is None:
        found = contexts.get(f"*.{name.partition('.')[2]}")
    return found


def _context(
    certfile: str,
    keyfile: str | None,
    password: str | bytes | None,
    ca_certs: str | None,
    cert_reqs: ssl.VerifyMode | int,
    ciphers: str | None,
) -> ssl.SSLContext:
    """A context with one certificate, which is valid today."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols([PROTOCOL])
    _load_chain(context, certfile, keyfile, password)
    _require_certificates(context, ca_certs, cert_reqs)
    if ciphers is not None:
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError as error:
            raise TlsConfigError(f"ciphers: OpenSSL knows none of {ciphers!r}") from error
    _check_validity(context, certfile)
    return context


def _read(path: str, what: str, mark: bytes) -> bytes:
    """A file of PEM in which this mark is; `TlsConfigError` if it cannot be read or has none."""
    try:
        with open(path, "rb") as file:
            data = file.read(2**20)
    except FileNotFoundError as error:
        raise TlsConfigError(f"{what}: there is no file {path}") from error
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise TlsConfigError(f"{what}: {path} cannot be read: {problem}") from error
    if mark not in data:
        raise TlsConfigError(f"{what}: there is no {mark.decode().lower()} in PEM in {path}")
    return data


def _load_chain(
    context: ssl.SSLContext, certfile: str, keyfile: str | None, password: str | bytes | None
) -> None:
    """Load a certificate and its key."""
    _read(certfile, "certfile", b"CERTIFICATE")
    key_path = keyfile or certfile
    _read(key_path, "certfile" if keyfile is None else "keyfile", b"PRIVATE KEY")
    asked: list[bool] = []

    def answer() -> str | bytes:
        asked.append(True)
        return password or b""

    try:
        context.load_cert_chain(certfile, keyfile or None, answer)
    except ssl.SSLError as error:
        raise TlsConfigError(
            _loading_problem(error, certfile, key_path, bool(asked), password)
        ) from error
    except (OSError, ValueError) as error:
        raise TlsConfigError(f"the certificate cannot be loaded: {error}") from error


def _loading_problem(
    error: ssl.SSLError,
    certfile: str,
    key_path: str,
    was_asked: bool,
    password: str | bytes | None,
) -> str:
    """Why a certificate could not be loaded."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the key in {key_path} is not that of the certificate in {certfile}"
    if was_asked:
        if not password:
            return f"keyfile: the key in {key_path} needs a password"
        return f"keyfile: the password does not open the key in {key_path}"
    if error.reason in ("EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CA_KEY_TOO_SMALL"):
        return f"the certificate in {certfile} is too weak to be used today ({error.reason})"
    return f"{certfile} and {key_path} are no certificate and key: {error}"


def _require_certificates(
    context: ssl.SSLContext, ca_certs: str | None, cert_reqs: ssl.VerifyMode | int
) -> None:
    """Ask clients for certificates of these authorities, if that is wanted."""
    try:
        mode = ssl.VerifyMode(cert_reqs)
    except ValueError as error:
        raise TlsConfigError(
            f"cert_reqs is 0 (none), 1 (optional) or 2 (required), not {cert_reqs!r}"
        ) from error
    if ca_certs is not None:
        _read(ca_certs, "ca_certs", b"CERTIFICATE")
        try:
            context.load_verify_locations(ca_certs)
        except ssl.SSLError as error:
            raise TlsConfigError(f"ca_certs: {ca_certs} has no certificates: {error}") from error
    elif mode != ssl.CERT_NONE:
        raise TlsConfigError(
            "cert_reqs asks clients for certificates, and ca_certs has to say of which authorities"
        )
    context.verify_mode = mode


def _check_validity(context: ssl.SSLContext, certfile: str) -> None:
    """`TlsConfigError` for a certificate that is not valid today."""
    shown = examine(context)
    if shown.certificate is None:
        raise TlsConfigError(f"no cipher can be used with the certificate in {certfile}")
    try:
        examine(context, shown.certificate)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            raise TlsConfigError(f"the certificate in {certfile} has expired") from error
        if error.verify_code == _NOT_YET_VALID:
            raise TlsConfigError(f"the certificate in {certfile} is not valid yet") from error
