"""Tests of `sigil-client.js`: node, and a browser where there is one, against real servers."""
