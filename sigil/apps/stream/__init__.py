"""`sigil stream`: the lines of standard input, broadcast to browsers, WebSockets and event streams.

Theory: bytes become lines (`lines`), lines become messages on topics (`app`, which also answers
requests), and one loop reads the input and ticks the server (`loop`). `stream.html` is the page.

Rules: the three modules meet only in `sigil.cli.main`, so each can be tested without the others.
"""
