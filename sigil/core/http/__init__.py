"""HTTP/1.1 as functions of bytes: requests are parsed here and responses encoded (RFC 9110, 9112).

Theory: a server reads heads and bodies and writes heads and bodies, and all four are pure
functions. `tokens`, `headers` and `framing` are the grammar of header fields; `request_line`,
`fields` and `head` parse the head of a request, each using those before it; `body` reads the body
behind a head; `request` and `response` are the values that a handler is given and returns;
`validate` checks a response and `encode` writes it; `chunks` encodes a streamed body and `sse` its
events.

Rules: bytes from a client never raise; a parser returns what it parsed, `NeedMore` or `Malformed`.
Nothing here knows a connection: `sigil.core.connection` keeps its state and calls these functions.
"""
