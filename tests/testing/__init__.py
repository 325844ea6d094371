"""Tests of sigil.testing: what it shows is what a network would have shown."""
