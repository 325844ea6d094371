"""Which exit status an error of the client is."""

import sigil.client
from sigil.apps.client.statuses import STATUSES, status_of
from sigil.client import ClientError


def test_every_error_has_the_status_of_its_nearest_kind() -> None:
    assert status_of(sigil.client.ConnectTimeout("x")) == 28
    assert status_of(sigil.client.CertificateError("x")) == 60
    assert status_of(sigil.client.ResolveError("x")) == 6
    assert status_of(sigil.client.ConnectError("x")) == 7
    assert status_of(ValueError("x")) == 3 and status_of(KeyError("x")) == 1
    errors = [
        value
        for value in vars(sigil.client).values()
        if isinstance(value, type) and issubclass(value, ClientError)
    ]
    assert errors and all(status_of(kind.__new__(kind)) != 1 for kind in errors)


def test_no_row_hides_another() -> None:
    for place, (kind, _) in enumerate(STATUSES):
        assert not any(issubclass(kind, earlier) for earlier, _ in STATUSES[:place])
