"""Tests of `sigil files`."""
