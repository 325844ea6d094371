"""Tests of `sigil.apps.replay`."""
