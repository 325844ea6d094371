"""Tests of sigil.shell.loop, over real sockets."""
