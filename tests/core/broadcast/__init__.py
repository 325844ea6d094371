"""Tests of sigil.core.broadcast: the ring, its entries and encodings, and who is where."""
