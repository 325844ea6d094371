"""Tests of sigil.shell.web: middleware around handlers."""
