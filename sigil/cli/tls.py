"""TLS for the command: a context of the files that are named, or of a certificate made on the spot;
and the files read again on SIGHUP.

Theory: what is wrong with certificates is known before anything listens, and is a sentence. While
the server runs it is somebody's mistake at night: then the sentence is logged, and what was served
goes on.

Rules: a certificate that is made on the spot is valid for a week, for this machine's names alone,
and its key is in no file when the server listens. What only the making needs is imported there. It
does not know what is served.
"""

import logging
import os
import signal
from types import FrameType
from typing import TYPE_CHECKING

from sigil import HttpServer
from sigil.apps.terminal import CommandError
from sigil.cli.settings import Settings

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

_LOG = logging.getLogger("sigil.server")

TLS_STATUS = 1
"""The exit status for certificates that cannot be served."""
DAYS = 7
OPENSSL_SECONDS = 60
NAMES = ("localhost", "127.0.0.1", "::1")
MADE = (
    "its certificate was made just now and nobody answers for it: a browser warns of that, and "
    'goes on with "Advanced"; curl needs -k'
)
NOT_READ = "the certificates were not read again, and those of before stay: %s"
MISSING = (
    "--tls makes a certificate with the package trustme (pip install trustme) or with the command "
    "openssl, and there is neither"
)


def context_of(settings: Settings) -> "ssl.SSLContext | None":
    """The context that the flags ask for; None if they ask for none. `CommandError` for files that
    cannot be served.
    """
    if settings.tls:
        return _made_on_the_spot()
    if not settings.ssl_certfile:
        return None
    from sigil.tls import TlsConfigError

    try:
        return _of_files(settings)
    except TlsConfigError as error:
        raise CommandError(f"TLS: {error}", TLS_STATUS) from error


def _of_files(settings: Settings) -> "ssl.SSLContext":
    """The context of the files that the flags name."""
    from sigil.tls import server_context

    return server_context(
        settings.ssl_certfile,
        settings.ssl_keyfile or None,
        password=settings.ssl_keyfile_password or None,
        ca_certs=settings.ssl_ca_certs or None,
        cert_reqs=settings.ssl_cert_reqs,
        ciphers=settings.ssl_ciphers or None,
    )


def secure(server: HttpServer, settings: Settings) -> None:
    """Have a server that does not listen yet serve over TLS, if the flags ask for it, and read the
    certificates again whenever this process gets SIGHUP, unless it is one of several: those are
    told by their parent.
    """
    context = context_of(settings)
    if context is None:
        return
    server.configure(ssl_context=context)
    if settings.ssl_certfile and hasattr(signal, "SIGHUP") and settings.workers == 1:
        reload_on_hangup(server, settings)


def reload_on_hangup(server: HttpServer, settings: Settings) -> None:
    """Read the certificates again on SIGHUP, unless it came since the terminal is closed: then the
    server stops, as it would without.
    """
    terminals = list(filter(os.isatty, range(3)))

    def on_hangup(number: int, frame: FrameType | None) -> None:
        if terminals and not any(map(os.isatty, terminals)):
            signal.raise_signal(signal.SIGTERM)
        else:
            reload_certificates(server, settings)

    signal.signal(signal.SIGHUP, on_hangup)


def reload_certificates(server: HttpServer, settings: Settings) -> None:
    """Read the certificates again; those of before stay if that fails, and the log has why."""
    from sigil.tls import TlsConfigError

    try:
        server.reload_tls(_of_files(settings))
    except TlsConfigError as error:
        _LOG.error(NOT_READ, error)
    else:
        _LOG.info("the certificates were read again: those who connect from now on have them")


def can_be_read(settings: Settings) -> bool:
    """True if the files of certificates can be served; the log has why they cannot."""
    from sigil.tls import TlsConfigError

    try:
        _of_files(settings)
    except TlsConfigError as error:
        _LOG.error(NOT_READ, error)
        return False
    return True


# -- on the spot -----------------------------------------------------------------------------------


def _made_on_the_spot() -> "ssl.SSLContext":
    """A context with a certificate that was made just now."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from sigil.tls import server_context

    with TemporaryDirectory(prefix="sigil-tls-") as folder:
        certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        if not (make_with_trustme(certificate, key) or make_with_openssl(certificate, key)):
            raise CommandError(MISSING, TLS_STATUS)
        return server_context(str(certificate), str(key))


def make_with_trustme(certificate: "Path", key: "Path") -> bool:
    """Make both files; False if the package is not installed."""
    try:
        import trustme
    except ImportError:
        return False
    made = trustme.CA().issue_cert(*NAMES)
    certificate.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
    _write_private(key, made.private_key_pem.bytes())
    return True


def _write_private(path: "Path", data: bytes) -> None:
    """Write a file that nobody else may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)


def make_with_openssl(certificate: "Path", key: "Path") -> bool:
    """Make both files; False if there is no such command. `CommandError` if it fails."""
    import shutil
    import subprocess

    command = shutil.which("openssl")
    if command is None:
        return False
    names = ",".join(f"{'DNS' if name == 'localhost' else 'IP'}:{name}" for name in NAMES)
    arguments = [command, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    arguments += ["-nodes", "-days", str(DAYS), "-subj", "/CN=localhost"]
    arguments += [
        "-addext",
        f"subjectAltName={names}",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    try:
        run = subprocess.run(
            arguments, capture_output=True, text=True, check=False, timeout=OPENSSL_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"openssl cannot make a certificate: {error}", TLS_STATUS) from error
    if run.returncode:
        line = (run.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise CommandError(f"openssl cannot make a certificate: {line}", TLS_STATUS)
    return True
