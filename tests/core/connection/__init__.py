"""Tests of sigil.core.connection: one connection as a record, in literal events and effects."""
