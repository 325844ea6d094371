"""Tests of sigil.core.views: what can be read off a server's value."""
