"""Tests of sigil.core.websocket: frames, messages and handshakes as values."""
