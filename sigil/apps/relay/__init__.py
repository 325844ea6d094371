"""The program of `sigil relay`: an edge that publishes what an origin does.

Rules: it answers clients. It does not know how the origin is followed.
"""
