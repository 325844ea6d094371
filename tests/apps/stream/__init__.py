"""Tests of sigil.apps.stream: lines of standard input for everybody."""
