"""The other end: clients as values and folds, beside the server's and on the same parsers.

HTTP, in the order of reading: `uri`, `limits`, `failures`, `requests`, `responses`, `cookies`,
`redirects`, `retries`, `proxies`, `racing`, `connection`, `events` and `effects`, `agent`,
`pooling`, `endings`, `exchange`, `connecting`, `fold`.

`websocket_handshake` opens a WebSocket and `websocket` is one, with `websocket_outgoing` and
`websocket_masks` for what it sends; `websocket_positions` reads what a sigil server says of its
stream, and `websocket_retry` is the table by which a client reconnects. Nothing here knows the
server, nor a socket.
"""
