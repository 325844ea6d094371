"""The Autobahn suite for WebSockets against a server of sigil: a script, and tests of
the script.
"""
