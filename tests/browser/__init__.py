"""Tests of sigil.browser: the module for pages, as it is served."""
