"""Conformance: a table of raw HTTP/1.x requests with the answers that sigil owes, and the runner
that asks for them.

What it is: `case.py` says what a case is, the `table_*.py` files hold the cases by theme,
`table.py` joins them, `wire.py` is the client that sends raw bytes and reads strictly, `serving.py`
runs the server under test, and `test_conformance.py` runs every case in three ways. Its rules: a
case is data, never code; the server is reached through its public face and a real socket only. What
it does not know: WebSocket frames, TLS, files, timeouts; they have tests of their own.
"""
