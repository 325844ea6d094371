"""Tests of sigil.shell.recording: recordings in files."""
