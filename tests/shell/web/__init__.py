"""Tests of sigil.shell.web: routes, and middleware around handlers."""
