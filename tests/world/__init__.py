"""Tests of sigil in simulated worlds: thousands of seeds, and those that once found something."""
