"""Tests of sigil.shell.hosts: a server inside asyncio, and in a thread of its own."""
