"""One connection as a record, and what every event does to it.

Theory: a connection is a value (`client`), an event makes another of it, and the effects are what
the world is asked to do (`transitions`). HTTP is `requests`, `responses` and `response_streams`;
what has become a WebSocket or an event stream is a subscriber (`subscriber`, `send_queue`,
`upgrade`, `websocket`, `websocket_send`, `event_stream`). How long it may wait, and what is done
then, is `deadlines` and `timeouts`.

Rules: a function takes a client, an event and a `Context`, and returns the client and a list of
effects; any of them can be called alone. Nothing here knows another client, or the server.
"""
