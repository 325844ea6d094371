"""Recordings as values: a first server, and the turns that followed.

Theory: a server is a function, so whatever happened to one is a value too: the server at the start,
and the events of each call of the core (a *turn*), in order. What came of them need not be kept,
since it can be computed again; of the effects a summary is kept, by which that is checked.

Rules: everything here is a pure function of values. What a file is, and who writes it, stands in
`shell/recording`.
"""
