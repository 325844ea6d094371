"""Tests of sigil.core.server: the table of connections, its timers, evictions and deliveries."""
