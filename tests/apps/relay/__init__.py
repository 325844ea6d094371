"""Tests of `sigil relay`."""
