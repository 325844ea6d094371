"""Everything that runs user code: handlers, callbacks, the iterators of response bodies.

Theory: user code may raise, return anything, block, or call back into the server. Here is where
all of that becomes events for the core, or a line with a traceback in the log.

Rules: what is meant to end the program (KeyboardInterrupt, SystemExit) passes through, after the
core was informed; nothing else does. It does not know sockets; of the server it knows what `host`
lists.
"""
