"""Certificates for tests, of an authority that exists for one run, and contexts that have them.

Rules: keys are made once in a process, and files are written below the folder that is given. It
does not know what a test checks.
"""

import ssl
from functools import cache
from pathlib import Path
from typing import NamedTuple

import trustme


@cache
def authority() -> trustme.CA:
    """The authority that answers for the certificates of tests."""
    return trustme.CA()


@cache
def other_authority() -> trustme.CA:
    """One that nobody trusts."""
    return trustme.CA()


@cache
def issued(*names: str) -> trustme.LeafCert:
    """A certificate for these names."""
    return authority().issue_cert(*names)


def server_context(*names: str, client_certificates: bool = False) -> ssl.SSLContext:
    """A context of a server with a certificate for these names, `localhost` and 127.0.0.1 if there
    are none; with `client_certificates` it requires one of the other end.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued(*(names or ("localhost", "127.0.0.1"))).configure_cert(context)
    if client_certificates:
        authority().configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """A context of a client that trusts the authority, and has a certificate if one is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    if certificate is not None:
        certificate.configure_cert(context)
    return context


class CertificateFiles(NamedTuple):
    """The paths of a certificate with its chain, of its key, and of the authority's certificate."""

    certificate: Path
    key: Path
    authority: Path


def write_certificate(
    folder: Path, *names: str, leaf: trustme.LeafCert | None = None
) -> CertificateFiles:
    """A certificate for these names as files in this folder."""
    leaf = leaf or issued(*(names or ("localhost", "127.0.0.1")))
    files = CertificateFiles(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    files.certificate.write_bytes(chain)
    files.key.write_bytes(leaf.private_key_pem.bytes())
    files.authority.write_bytes(authority().cert_pem.bytes())
    return files
