"""The functional core: pure functions over immutable records.

Theory: what the core knows was given to it as an event (`events`), and what it wants done it
returns as an effect (`effects`); `server` folds events over the state. Of the folders each uses
only those before it: `http` and `websocket` are the two protocols as functions of bytes,
`broadcast` is what is published and who has been sent how much of it, `connection` is one client,
`server` all of them, `views` what is shown of them.

Rules: it imports nothing from `sigil.shell`, and nothing that touches the world: sockets, clocks,
files, threads, logs. It does not know how events come about or how effects are performed.
"""
