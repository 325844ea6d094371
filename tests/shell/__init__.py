"""Tests of the shell, over real sockets."""
