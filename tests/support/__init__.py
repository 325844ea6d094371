"""What tests share: drivers of the core, servers and clients over real sockets, strategies.

Each file says what it is for; none of them knows what is asked of the server.
"""
