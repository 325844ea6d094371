"""Tests of sigil.apps.demo: the demonstration."""
