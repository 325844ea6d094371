"""Tests of sigil.core.web: literal values in, literal values out."""
