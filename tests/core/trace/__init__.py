"""Tests of sigil.core.trace: recordings as values."""
