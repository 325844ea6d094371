"""Contexts made of files: what is wrong with them is said in a sentence that names the file."""

import datetime
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from sigil import Response, make_http_server
from sigil.shell.tls_context import KeepName, ServerObject, examine, find_name, prepare
from sigil.tls import TlsConfigError, server_context
from tests.support.certificates import (
    CertificateFiles,
    authority,
    client_context,
    issued,
    write_certificate,
)
from tests.support.certificates import server_context as made_context

YEAR = datetime.timedelta(days=365)


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return write_certificate(tmp_path)


def problem(*arguments: object, **others: object) -> str:
    """What is said of these files."""
    with pytest.raises(TlsConfigError) as caught:
        server_context(*map(str, arguments), **others)  # type: ignore[arg-type]
    return str(caught.value)


def encrypted(files: CertificateFiles, password: bytes) -> Path:
    """The key, encrypted."""
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    data = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
    path = files.key.with_name("encrypted.pem")
    path.write_bytes(data)
    return path


def test_a_context_of_files_serves(files: CertificateFiles) -> None:
    context = server_context(str(files.certificate), str(files.key))
    shown = examine(context)
    leaf = issued("localhost", "127.0.0.1").cert_chain_pems[0].bytes().decode()
    assert shown.certificate == ssl.PEM_cert_to_DER_cert(leaf) and shown.protocol == "http/1.1"
    both = files.key.with_name("both.pem")
    both.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())
    assert examine(server_context(str(both))).certificate == shown.certificate
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_files_that_are_missing_or_something_else(files: CertificateFiles, tmp_path: Path) -> None:
    none, other = tmp_path / "none.pem", tmp_path / "other.pem"
    other.write_text("something else")
    assert problem(none, files.key) == f"certfile: there is no file {none}"
    assert problem(files.certificate, none) == f"keyfile: there is no file {none}"
    assert problem(other, files.key) == f"certfile: there is no certificate in PEM in {other}"
    assert (
        problem(files.certificate, other) == f"keyfile: there is no private key in PEM in {other}"
    )
    assert "there is no private key in PEM in" in problem(files.certificate)
    assert problem(tmp_path, files.key) == f"certfile: {tmp_path} cannot be read: Is a directory"
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    assert "are no certificate and key" in problem(broken, files.key)


def test_a_key_that_does_not_fit(files: CertificateFiles, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    key = write_certificate(other, "elsewhere.test").key
    text = problem(files.certificate, key)
    assert text == f"the key in {key} is not that of the certificate in {files.certificate}"


def test_a_key_with_a_password(files: CertificateFiles) -> None:
    key = encrypted(files, b"sesame")
    assert problem(files.certificate, key) == f"keyfile: the key in {key} needs a password"
    wrong = problem(files.certificate, key, password="wrong")
    assert wrong == f"keyfile: the password does not open the key in {key}"
    assert examine(server_context(str(files.certificate), str(key), password="sesame")).certificate


def test_a_certificate_that_is_not_valid_today(tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    past = authority().issue_cert("localhost", not_before=now - 2 * YEAR, not_after=now - YEAR)
    files = write_certificate(tmp_path, leaf=past)
    text = problem(files.certificate, files.key)
    assert text == f"the certificate in {files.certificate} has expired"
    future = authority().issue_cert("localhost", not_before=now + YEAR, not_after=now + 2 * YEAR)
    files = write_certificate(tmp_path, leaf=future)
    assert problem(files.certificate, files.key).endswith("is not valid yet")


def test_clients_are_asked_for_certificates_of_somebody(files: CertificateFiles) -> None:
    names = (files.certificate, files.key)
    assert "ca_certs has to say" in problem(*names, cert_reqs=ssl.CERT_REQUIRED)
    assert "cert_reqs is 0 (none), 1 (optional) or 2" in problem(*names, cert_reqs=3)
    assert "ca_certs: there is no certificate" in problem(*names, ca_certs=str(files.key))
    context = server_context(
        *map(str, names), ca_certs=str(files.authority), cert_reqs=ssl.CERT_REQUIRED
    )
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_ciphers_that_nobody_knows(files: CertificateFiles) -> None:
    assert "OpenSSL knows none" in problem(files.certificate, files.key, ciphers="HURRY")


def test_a_certificate_by_the_name_that_is_asked_for(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("main", "shop", "all")]
    for folder in folders:
        folder.mkdir()
    main = write_certificate(folders[0])
    shop = write_certificate(folders[1], "shop.test")
    every = write_certificate(folders[2], "*.many.test")
    context = server_context(
        str(main.certificate),
        str(main.key),
        certificates={
            "Shop.test.": (str(shop.certificate), str(shop.key)),
            "*.many.test": (str(every.certificate), str(every.key)),
        },
    )
    prepare(context)
    for name in ("localhost", "shop.test", "SHOP.test", "a.many.test"):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context().wrap_bio(to_client, to_server, server_hostname=name)
        server = context.wrap_bio(to_server, to_client, server_side=True)
        for _ in range(3):
            for end in (client, server):
                with suppress(ssl.SSLWantReadError):
                    end.do_handshake()
        assert client.version() == "TLSv1.3"
        assert isinstance(server, ServerObject) and server.requested_name == name
    assert find_name({}, None) is find_name({}, "a") is None


@pytest.mark.parametrize(
    "name", ["", "*", "*.", "a b", "ü.example", "a..b", "*a.example", "a.*.b", "https://a", "a:1"]
)
def test_a_name_that_no_client_asks_for_is_refused(files: CertificateFiles, name: str) -> None:
    one = str(files.certificate), str(files.key)
    assert f"no client asks for {name!r}" in problem(*one, certificates={name: one})


def test_a_name_has_two_files(files: CertificateFiles) -> None:
    one = str(files.certificate), str(files.key)
    wrong: list[Any] = [{"b.example": one[0]}, {"b.example": one[:1]}, [("b.example", one)], 5]
    for certificates in wrong:
        with pytest.raises(TypeError, match="certificates"):
            server_context(*one, certificates=certificates)


def test_a_context_that_cannot_serve_is_refused_before_anything_listens() -> None:
    def app(request: object) -> Response:
        return Response.text("fine")

    with pytest.raises(TypeError, match="ssl_context is an"):
        make_http_server(app, ssl_context="cert.pem")  # type: ignore[arg-type]
    with pytest.raises(TlsConfigError, match="is a client's"):
        make_http_server(app, ssl_context=ssl.create_default_context())
    with pytest.raises(TlsConfigError, match="has no certificate"):
        make_http_server(app, ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_a_context_is_prepared_once_and_keeps_what_it_has() -> None:
    calls: list[str | None] = []
    context = made_context()
    context.sni_callback = lambda tls, name, _: calls.append(name)
    prepare(context)
    first = context.sni_callback
    prepare(context)
    assert context.sni_callback is first and isinstance(first, KeepName)
    assert examine(context).protocol == "http/1.1" and calls[-1] is None
    other = made_context()
    other.set_alpn_protocols(["h2", "http/1.1"])
    prepare(other)
    assert examine(other).protocol == "http/1.1"
