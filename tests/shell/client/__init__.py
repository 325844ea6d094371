"""Tests of sigil.shell.client: real sockets on loopback, and servers that are not ours."""
