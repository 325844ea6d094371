"""ASGI applications on sigil."""
