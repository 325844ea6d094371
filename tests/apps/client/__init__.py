"""Tests of `sigil get` and `sigil ws`."""
