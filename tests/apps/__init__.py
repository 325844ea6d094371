"""Tests of sigil.apps: the programs that come with the library."""
