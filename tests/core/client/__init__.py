"""Tests of sigil.core.client: events in, effects out; no sockets, no clocks."""
