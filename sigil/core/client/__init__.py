"""The other end: clients as values, on the same parsers as the server.

`websocket_handshake` opens a WebSocket and `websocket` is one, with `websocket_outgoing` and
`websocket_masks` for what it sends; `websocket_positions` reads what a sigil server says of its
stream, and `websocket_retry` is the table by which a client reconnects. It does not know the
server, nor a socket.
"""
