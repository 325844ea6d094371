"""Tests of sigil.core.http: bytes in, heads, bodies, requests and responses out, and back."""
