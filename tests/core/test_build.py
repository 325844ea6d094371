"""Which core runs: it says of itself what its files show."""

import sigil.core.build
from sigil.core.build import core_build


def test_a_core_that_is_read_from_its_source_is_pure_and_one_from_an_extension_is_compiled() -> (
    None
):
    is_source = (sigil.core.build.__file__ or "").endswith(".py")
    assert core_build() == ("pure" if is_source else "compiled")
