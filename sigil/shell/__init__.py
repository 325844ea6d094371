"""The imperative shell: sockets, clocks, threads, signals, logs; small, and without opinions about
HTTP.

Theory: the core computes, the shell acts. `server` is what a program holds; `messaging` and
`staging` are the parts of it that send; `make` makes one, `callbacks` is what it calls. `loop`
advances the core and performs its effects, `program` runs user code, `hosts` drive a server from
asyncio or from a thread.

Rules: nothing in the core imports from here. It does not know what a handler does.
"""
