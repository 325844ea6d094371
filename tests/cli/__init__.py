"""Tests of sigil.cli: the command, in processes of its own."""
