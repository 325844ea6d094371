"""The functional core: pure functions over immutable records.

It imports nothing from `sigil.shell` and nothing that touches the world (sockets, clocks, files,
threads, logs). What it knows came in as an event (`events`), what it wants done goes out as an
effect (`effects`); `server` is the fold.
"""
