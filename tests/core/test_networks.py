"""Networks: who is in one, and what names none."""

import pytest

from sigil.core.networks import Networks, is_in, networks_of, parse_networks


@pytest.mark.parametrize(
    ("texts", "host", "is_inside"),
    [
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "11.1.2.3", False),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), "::1", False),
        (("::1", "127.0.0.1"), "::1", True),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("0.0.0.0/0", "::/0"), "", False),
        (("0.0.0.0/0",), "example.com", False),
        (("unix",), "", True),
        (("unix",), "/run/proxy.sock", True),
        (("unix",), "@abstract", True),
        (("unix",), "127.0.0.1", False),
        ((), "127.0.0.1", False),
    ],
)
def test_a_host_is_in_a_network(texts: tuple[str, ...], host: str, is_inside: bool) -> None:
    assert is_in(host, networks_of(texts)) is is_inside


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ("10.0.0.0/8", "networks are a tuple of str, not '10.0.0.0/8'"),
        ((7,), "a network is a str such as '10.0.0.0/8', not 7"),
        (("localhost",), "'localhost' is no network: "),
        (("10.0.0.1/8",), "'10.0.0.1/8' is no network: "),
    ],
)
def test_what_names_no_network_is_said(texts: object, sentence: str) -> None:
    parsed = parse_networks(texts)
    assert isinstance(parsed, str) and parsed.startswith(sentence)
    assert parse_networks(()) == Networks(frozenset(), False)
