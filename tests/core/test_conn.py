"""Names of connections and peers, and how they are written."""

import pytest

from sigil.core.conn import Peer


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        (Peer("192.0.2.1", 5000), "192.0.2.1:5000"),
        (Peer("192.0.2.1", 0), "192.0.2.1"),
        (Peer("2001:db8::1", 5000), "[2001:db8::1]:5000"),
        (Peer("2001:db8::1", 0), "[2001:db8::1]"),
        (Peer("", 0), "unix:"),
        (Peer("/run/a", 0), "unix:/run/a"),
        (Peer("./a", 0), "unix:./a"),
        (Peer("@a", 0), "unix:@a"),
    ],
)
def test_a_peer_is_written_as_its_address(peer: Peer, text: str) -> None:
    assert str(peer) == text
