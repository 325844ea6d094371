"""The programs of `sigil get` and `sigil ws`: the other end, for a terminal and for pipes.

Rules: what they print to standard output is what came, all else goes to stderr. They do not know
how their command lines are read.
"""
