"""Loops that a server runs in, ready made: `sigil.hosts.trio.serve(server)` and its siblings.

    import sigil.hosts.qt

    sigil.hosts.qt.attach(server)

Theory: a server needs three things of a loop: to be ticked when its descriptor is readable, when
its deadline is over, and nothing else. So each of these is a page, and one for a loop that is not
here is another: `hosting` has what they share. A loop that has coroutines runs those of handlers.

Rules: each module imports its library when it is called, and is imported by itself. They use of
sigil what every program has. What they drive is a server, or a client that no server ticks.
"""
