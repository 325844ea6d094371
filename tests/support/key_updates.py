"""Key updates of TLS 1.3 made by hand (RFC 8446 sections 4.6.3, 5.2 and 7.2), which no client of
Python's can send.

Theory: a client of `ssl` shakes hands and writes the secrets into a file (SSLKEYLOGFILE). The
records that follow are encrypted here, so that a client may send as many as it likes and read
nothing.

Rules: `ssl` has sent no record of its own behind the handshake, and sends none from here on: the
numbers of records count from zero. It does not know the other end.
"""

import hmac
import ssl
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.support.certificates import client_context

CIPHERS = {"TLS_AES_128_GCM_SHA256": (16, "sha256"), "TLS_AES_256_GCM_SHA384": (32, "sha384")}
"""Bytes of a key, and the digest of the secrets."""
_IV_LEN = 12
_HANDSHAKE, _APPLICATION_DATA = b"\x16", b"\x17\x03\x03"
_KEY_UPDATE_REQUESTED = b"\x18\x00\x00\x01\x01"


def logging_context(path: Path) -> ssl.SSLContext:
    """A client's context of TLS 1.3 that writes its secrets into this file."""
    context = client_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.keylog_filename = str(path)
    return context


class KeyUpdates:
    """What a client sends that asks for a new key again and again."""

    def __init__(self, path: Path, cipher: str) -> None:
        self._key_len, self._digest = CIPHERS[cipher]
        lines = [line.split() for line in path.read_text().splitlines()]
        (secret,) = (words[2] for words in lines if words[0] == "CLIENT_TRAFFIC_SECRET_0")
        self._secret = bytes.fromhex(secret)

    def make(self, count: int) -> bytes:
        """So many records, each with a key update that asks for one in return."""
        return b"".join(self._next() for _ in range(count))

    def _next(self) -> bytes:
        """The first record, and last one, under the key of now; the key is the next one then."""
        plain = _KEY_UPDATE_REQUESTED + _HANDSHAKE
        header = _APPLICATION_DATA + (len(plain) + 16).to_bytes(2, "big")
        key, nonce = self._expand(b"key", self._key_len), self._expand(b"iv", _IV_LEN)
        self._secret = self._expand(b"traffic upd", len(self._secret))
        return header + AESGCM(key).encrypt(nonce, plain, header)

    def _expand(self, label: bytes, length: int) -> bytes:
        """HKDF-Expand-Label of the secret, without a context; of no more than one digest."""
        label = b"tls13 " + label
        info = length.to_bytes(2, "big") + bytes((len(label),)) + label + b"\x00"
        return hmac.digest(self._secret, info + b"\x01", self._digest)[:length]
