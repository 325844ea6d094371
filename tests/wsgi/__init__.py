"""Tests of sigil.wsgi: applications of PEP 3333 behind sigil."""
