"""`sigil top`: the live figures of a server in a terminal.

Theory: `figures` reads what a server's `/metrics` says, and makes figures of two readings; `lines`
says them in lines of text; `watch` asks again and again, and has the terminal.

Rules: what is shown was read from the server; a figure that it does not have is left out.
"""
