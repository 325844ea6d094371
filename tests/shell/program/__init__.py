"""Tests of sigil.shell.program: whatever runs user code, over real sockets."""
