"""Tests that try to break the server: slow, hostile, vanishing clients; a system that says no; a
program gone wrong.
"""
