"""WebSocket as values: bytes to frames, frames to messages, and the opening handshake.

RFC 6455 and RFC 7692, without a connection: every function here takes bytes or records and returns
records or bytes. `frames` is the codec of one frame, `messages` assembles them, `compression` is
permessage-deflate for one message, `handshake` reads the upgrade request and writes the 101, and
`origin` decides whose pages may connect.
"""
